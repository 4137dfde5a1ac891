// Which rows of a table leave when the watermark gets somewhere. Rows are put into buckets of time,
// so that one costs a number. Rows that were erased meanwhile need not be taken out: whoever takes
// what is over looks at each row again. Owned by one operator instance.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/column/types.hpp"

namespace weir {

/// The last moment at which something is needed: `t` and `retain_us`, capped below the end.
inline timestamp_us last_use_of(timestamp_us t, int64_t retain_us) noexcept {
  timestamp_us out;
  return __builtin_add_overflow(t, retain_us, &out) || out >= watermark_end ? watermark_end - 1
                                                                            : out;
}

class row_lifetimes {
 public:
  /// Rows leave together by this many microseconds: a bucket's when its last moment is over.
  explicit row_lifetimes(int64_t granule_us = 1) : granule_(granule_us) {}

  void add(uint32_t id, timestamp_us last_use) {
    // The bucket is named by the last moment that it covers.
    const int64_t rest = last_use % granule_;
    const int64_t below = last_use - (rest < 0 ? rest + granule_ : rest);
    timestamp_us last;
    if (__builtin_add_overflow(below, granule_ - 1, &last)) last = watermark_end - 1;
    // Neighbours mostly leave together. Other entries may move when one is added.
    if (!bucket_ || bucket_time_ != last) {
      bucket_ = &buckets_[last];
      bucket_time_ = last;
    }
    bucket_->push_back(id);
    ++rows_;
  }
  /// Calls f(id) for rows whose time may be over at watermark `t`; they are forgotten here.
  template <class F>
  void take(timestamp_us t, F f) {
    const auto end = buckets_.lower_bound(t);
    for (auto it = buckets_.begin(); it != end; ++it) {
      rows_ -= it->second.size();
      for (uint32_t id : it->second) f(id);
    }
    buckets_.erase(buckets_.begin(), end);
    bucket_ = nullptr;
  }
  size_t memory_bytes() const noexcept { return rows_ * sizeof(uint32_t); }

 private:
  int64_t granule_;
  absl::btree_map<timestamp_us, std::vector<uint32_t>> buckets_;
  std::vector<uint32_t>* bucket_ = nullptr;  // of buckets_: that of the row before
  timestamp_us bucket_time_ = 0;
  size_t rows_ = 0;
};

}  // namespace weir
