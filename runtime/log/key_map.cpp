#include "runtime/log/key_map.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace weir {

key_map::key_map(uint64_t bytes_max, uint64_t seed)
    : slots_(slots_min),
      slots_max_(std::max(slots_min, std::bit_floor(bytes_max / sizeof(slot)))),
      seed_(seed) {}

size_t key_map::place_of(uint64_t low, uint64_t high) const noexcept {
  const size_t mask = slots_.size() - 1;
  size_t at = low & mask;
  while (slots_[at].offset >= 0 && (slots_[at].low != low || slots_[at].high != high))
    at = (at + 1) & mask;
  return at;
}

void key_map::grow() {
  std::vector<slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const auto& s : old)
    if (s.offset >= 0) slots_[place_of(s.low, s.high)] = s;
}

bool key_map::put(std::span<const std::byte> key, int64_t offset) {
  const auto h = XXH3_128bits_withSeed(key.data(), key.size(), seed_);
  size_t at = place_of(h.low64, h.high64);
  if (slots_[at].offset < 0) {
    // At most three quarters full: lookups stay short.
    if ((size_ + 1) * 4 > slots_.size() * 3) {
      if (slots_.size() * 2 > slots_max_) return false;
      grow();
      at = place_of(h.low64, h.high64);
    }
    ++size_;
  }
  slots_[at] = {h.low64, h.high64, std::max(offset, slots_[at].offset)};
  return true;
}

std::optional<int64_t> key_map::find(std::span<const std::byte> key) const {
  const auto h = XXH3_128bits_withSeed(key.data(), key.size(), seed_);
  const auto& s = slots_[place_of(h.low64, h.high64)];
  if (s.offset < 0) return std::nullopt;
  return s.offset;
}

}  // namespace weir
