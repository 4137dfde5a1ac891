// Validity bitmaps: bit i of a byte string, least significant first. A bitmap of n bits has
// (n + 7) / 8 bytes; the bits past n are unspecified. Loads and stores stay inside those bytes
// unless said otherwise, because wrapped buffers have no slack.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weir::bitmap {

constexpr size_t bytes_of(size_t bits) noexcept {
  return (bits + 7) / 8;
}
inline bool get(const uint8_t* b, size_t i) noexcept {
  return (b[i >> 3] >> (i & 7) & 1) != 0;
}
inline void set(uint8_t* b, size_t i) noexcept {
  b[i >> 3] = static_cast<uint8_t>(b[i >> 3] | 1u << (i & 7));
}
inline void clear(uint8_t* b, size_t i) noexcept {
  b[i >> 3] = static_cast<uint8_t>(b[i >> 3] & ~(1u << (i & 7)));
}
/// The 64 bits from bit i * 64 on of a bitmap of n bits; bits past n are 0.
inline uint64_t word(const uint8_t* b, size_t i, size_t n) noexcept {
  const size_t first = i * 64;
  uint64_t w = 0;
  if (n - first >= 64) {
    std::memcpy(&w, b + first / 8, 8);
    return w;
  }
  std::memcpy(&w, b + first / 8, bytes_of(n - first));
  return w & ((uint64_t{1} << (n - first)) - 1);
}
/// Up to 64 bits from any bit `at` on; reads only bytes that hold them.
uint64_t bits_at(const uint8_t* b, size_t at, size_t count) noexcept;
/// Bits [begin, begin + n) to 1 or 0.
void set_range(uint8_t* b, size_t begin, size_t n, bool value) noexcept;
/// Set bits among the first n.
size_t count(const uint8_t* b, size_t n) noexcept;
/// Whether the first n bits are all set.
bool all(const uint8_t* b, size_t n) noexcept;
/// out = a & b over n bits; `out` may be one of them and is written in whole bytes.
void and_into(uint8_t* out, const uint8_t* a, const uint8_t* b, size_t n) noexcept;
void or_into(uint8_t* out, const uint8_t* a, const uint8_t* b, size_t n) noexcept;
void and_not_into(uint8_t* out, const uint8_t* a, const uint8_t* b, size_t n) noexcept;
/// Copies n bits from bit `from_bit` of `from` to bit `to_bit` of `to`; other bits of `to` stay.
void copy(uint8_t* to, size_t to_bit, const uint8_t* from, size_t from_bit, size_t n) noexcept;
/// Calls f(i) for every clear bit among the first n, ascending.
template <class F>
void for_each_clear(const uint8_t* b, size_t n, F f) {
  for (size_t w = 0; w * 64 < n; ++w) {
    uint64_t clear_bits = ~word(b, w, n);
    if (n - w * 64 < 64) clear_bits &= (uint64_t{1} << (n - w * 64)) - 1;
    for (; clear_bits != 0; clear_bits &= clear_bits - 1)
      f(w * 64 + static_cast<size_t>(std::countr_zero(clear_bits)));
  }
}
/// Calls f(i) for every set bit among the first n, ascending.
template <class F>
void for_each_set(const uint8_t* b, size_t n, F f) {
  for (size_t w = 0; w * 64 < n; ++w)
    for (uint64_t bits = word(b, w, n); bits != 0; bits &= bits - 1)
      f(w * 64 + static_cast<size_t>(std::countr_zero(bits)));
}

}  // namespace weir::bitmap
