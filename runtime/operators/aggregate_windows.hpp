// Windows of an operator that answers once: which groups end when. Owned by one operator.
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

}  // namespace weir
