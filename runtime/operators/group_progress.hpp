// Up to which watermark each key group of an aggregate has given its results. One value but for the
// time after a restore, when groups of subtasks that had come to different places meet in one.
// Owned by one aggregate.
#pragma once

#include <vector>

#include "runtime/operators/operator.hpp"

namespace weir {

class group_progress {
 public:
  void open(key_group_range range) { range_ = range; }

  /// Of all groups: the farthest and the least far.
  timestamp_us newest() const noexcept { return newest_; }
  timestamp_us oldest() const noexcept { return oldest_; }
  timestamp_us of(uint32_t group) const noexcept {
    return by_group_.empty() ? newest_ : by_group_[group - range_.begin];
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
