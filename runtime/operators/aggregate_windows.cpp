#include "runtime/operators/aggregate_windows.hpp"

namespace weir {

window_index::window_index(const key_codec& codec, uint32_t end_key)
    : word_(1 + codec.word_of(end_key)), null_(codec.null_of(end_key)) {}

void window_index::add(uint32_t id, const uint64_t* row) {
  if (null_.is_set(row)) return;
  open_[static_cast<timestamp_us>(row[word_])].push_back(id);
}

void window_index::close_until(timestamp_us t, std::vector<uint32_t>& out) {
  auto end = open_.upper_bound(t);
  for (auto it = open_.begin(); it != end; ++it)
    out.insert(out.end(), it->second.begin(), it->second.end());
  open_.erase(open_.begin(), end);
}

}  // namespace weir
