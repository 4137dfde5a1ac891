// Windows of an aggregate that answers once: which groups end when, and how far the watermark got
// (part of the snapshot, so that a restored job calls the same rows late). Owned by one aggregate.
#pragma once

#include <absl/container/btree_map.h>

#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

class window_index {
 public:
  window_index(const key_codec& codec, uint32_t end_key);
  /// A new group. One without a window (NULL time) leaves when the input ends.
  void add(uint32_t id, const uint64_t* row);
  /// Appends the groups whose windows end at or before `t` and forgets them, earliest first.
  void close_until(timestamp_us t, std::vector<uint32_t>& out);

 private:
  uint32_t word_;
  null_bit null_;
  absl::btree_map<timestamp_us, std::vector<uint32_t>> open_;
};

class window_progress {
 public:
  timestamp_us watermark() const noexcept { return watermark_; }
  void advance(timestamp_us t) noexcept { watermark_ = std::max(watermark_, t); }
  /// The rows whose window (its end in `column`) is still open; counts the others.
  batch_ptr drop_late(const batch_ptr&, uint32_t column, memory_pool&, operator_metrics*) const;
  void snapshot(snapshot_writer&, key_group_range) const;
  status restore(const snapshot_reader&, key_group_range);

 private:
  timestamp_us watermark_ = watermark_none;
};

}  // namespace weir
