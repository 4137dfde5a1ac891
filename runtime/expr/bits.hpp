// Bitmaps a word at a time: validity and selections inside expression programs. Bit i, least
// significant first. Buffers of other makers may end at their last byte, so the tail is copied.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cstdint>
#include <cstring>

namespace weir::expr {

constexpr size_t bitmap_words(size_t rows) noexcept {
  return (rows + 63) / 64;
}
/// Word w of a bitmap of `rows` bits that may end at its last byte; bits past the end are 0.
inline uint64_t load_word(const std::byte* bits, size_t w, size_t rows) noexcept {
  uint64_t v = 0;
  size_t left = rows - w * 64;
  if (left >= 64) {
    std::memcpy(&v, bits + w * 8, 8);
    return v;
  }
  std::memcpy(&v, bits + w * 8, (left + 7) / 8);
  return v & ((uint64_t{1} << left) - 1);
}
inline bool test_bit(const uint64_t* bits, size_t i) noexcept {
  return bits[i >> 6] >> (i & 63) & 1;
}
/// Bytes 0 or not 0 -> 64 bits. `left` = bytes there are, at most 64 are read.
inline uint64_t pack_bytes(const uint8_t* p, size_t left) noexcept {
  if (left >= 64) {
    const __m256i zero = _mm256_setzero_si256();
    auto a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    auto b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    auto lo = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, zero)));
    auto hi = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, zero)));
    return ~(static_cast<uint64_t>(hi) << 32 | lo);
  }
  uint64_t v = 0;
  for (size_t i = 0; i < left; ++i) v |= static_cast<uint64_t>(p[i] != 0) << i;
  return v;
}
inline void set_all(uint64_t* bits, size_t rows) noexcept {
  size_t words = bitmap_words(rows);
  std::memset(bits, 0xff, words * 8);
  if (rows & 63) bits[words - 1] = (uint64_t{1} << (rows & 63)) - 1;
}
inline size_t count_bits(const uint64_t* bits, size_t rows) noexcept {
  size_t n = 0;
  for (size_t w = 0; w < bitmap_words(rows); ++w) n += static_cast<size_t>(std::popcount(bits[w]));
  return n;
}
/// Indices of the set bits, ascending; `out` has room for `rows` + 16. Returns their number.
uint32_t bits_to_rows(const uint64_t* bits, size_t rows, uint32_t* out) noexcept;

}  // namespace weir::expr
