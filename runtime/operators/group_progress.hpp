// Up to which watermark each key group of an operator has given its results. One value but for the
// time after a restore, when groups of subtasks that had come to different places meet in one: rows
// of a group that is less far are not late, and those that it holds have not left. Owned by one
// operator.
#pragma once

#include <vector>

#include "runtime/column/hash.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

/// The key groups of a batch's rows. Rows without a key are all of the first.
class row_groups {
 public:
  row_groups() = default;
  row_groups(const batch& b, const std::vector<uint32_t>& keys, const operator_context& c)
      : hashes_(keys.empty() ? buffer_ref() : hash_keys(b, keys, *c.memory)),
        key_groups_(c.key_groups) {}
  uint32_t of(uint32_t logical_row) const noexcept {
    return hashes_ ? group_of_hash(hashes_.as<uint64_t>()[logical_row], key_groups_) : 0;
  }

 private:
  buffer_ref hashes_;
  uint32_t key_groups_ = 0;
};

class group_progress {
 public:
  void open(key_group_range range) { range_ = range; }

  /// Of all groups: the farthest and the least far.
  timestamp_us newest() const noexcept { return newest_; }
  timestamp_us oldest() const noexcept { return oldest_; }
  timestamp_us of(uint32_t group) const noexcept {
    return by_group_.empty() ? newest_ : by_group_[group - range_.begin];
  }
  timestamp_us at(const row_groups& groups, uint32_t logical_row) const noexcept {
    return even() ? newest_ : of(groups.of(logical_row));
  }
  bool even() const noexcept { return by_group_.empty(); }
  void advance(timestamp_us t);

  void snapshot(snapshot_writer&) const;
  status restore(const snapshot_reader&);

 private:
  key_group_range range_;
  timestamp_us newest_ = watermark_none, oldest_ = watermark_none;
  std::vector<timestamp_us> by_group_;  // empty while they are all the same
};

}  // namespace weir
