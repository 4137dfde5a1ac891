#include "runtime/expr/bits.hpp"

#include <array>

namespace weir::expr {
namespace {

// Positions of the set bits of a byte, one per byte of the entry.
constexpr std::array<uint64_t, 256> byte_positions = [] {
  std::array<uint64_t, 256> t{};
  for (unsigned b = 0; b < 256; ++b) {
    unsigned n = 0;
    for (unsigned i = 0; i < 8; ++i)
      if (b >> i & 1) t[b] |= static_cast<uint64_t>(i) << (8 * n++);
  }
  return t;
}();

uint32_t rows_avx2(const uint64_t* bits, size_t rows, uint32_t* out) noexcept {
  uint32_t* p = out;
  for (size_t w = 0; w < bitmap_words(rows); ++w) {
    uint64_t v = bits[w];
    if (v == 0) continue;
    for (uint32_t b = 0; b < 8; ++b, v >>= 8) {
      auto byte = static_cast<uint8_t>(v);
      auto base = static_cast<int>(w * 64 + b * 8);
      auto positions = _mm_cvtsi64_si128(static_cast<long long>(byte_positions[byte]));
      auto wide = _mm256_add_epi32(_mm256_cvtepu8_epi32(positions), _mm256_set1_epi32(base));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), wide);
      p += std::popcount(byte);
    }
  }
  return static_cast<uint32_t>(p - out);
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) uint32_t rows_avx512(
    const uint64_t* bits, size_t rows, uint32_t* out) noexcept {
  uint32_t* p = out;
  const __m512i iota = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (size_t w = 0; w < bitmap_words(rows); ++w) {
    uint64_t v = bits[w];
    if (v == 0) continue;
    for (uint32_t b = 0; b < 4; ++b, v >>= 16) {
      auto m = static_cast<__mmask16>(v);
      auto rows16 = _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int>(w * 64 + b * 16)));
      // Compress in a register, then store whole: a compressing store is slow on Zen.
      _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(m, rows16));
      p += std::popcount(static_cast<uint16_t>(v));
    }
  }
  return static_cast<uint32_t>(p - out);
}

using rows_function = uint32_t (*)(const uint64_t*, size_t, uint32_t*) noexcept;
const rows_function chosen =
    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") ? rows_avx512
                                                                             : rows_avx2;

}  // namespace

uint32_t bits_to_rows(const uint64_t* bits, size_t rows, uint32_t* out) noexcept {
  return chosen(bits, rows, out);
}

}  // namespace weir::expr
