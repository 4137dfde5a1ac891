#include "runtime/column/compress.hpp"

#include <algorithm>
#include <array>

#include "runtime/column/bitmap.hpp"
#include "runtime/column/cpu.hpp"

namespace weir::compress {
namespace {

unsigned ones(unsigned m) noexcept {
  return static_cast<unsigned>(__builtin_popcount(m));
}

// ---- AVX-512 ----

WEIR_AVX512 void at_least_avx512(uint8_t* mask, const uint64_t* hashes, uint32_t n,
                                 uint64_t first) noexcept {
  const __m512i limit = _mm512_set1_epi64(static_cast<int64_t>(first));
  for (uint32_t i = 0; i < n; i += 8) {
    const auto valid = static_cast<__mmask8>(n - i >= 8 ? 0xff : (1u << (n - i)) - 1);
    const __m512i h = _mm512_srli_epi64(_mm512_maskz_loadu_epi64(valid, hashes + i), 32);
    mask[i / 8] = _mm512_mask_cmpge_epu64_mask(valid, h, limit);
  }
}

WEIR_AVX512 void values8_avx512(uint64_t* out, const uint64_t* in, const uint8_t* mask,
                                uint32_t n) noexcept {
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __mmask8 m = mask[i / 8];
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(m, _mm512_loadu_si512(in + i)));
    out += ones(m);
  }
  if (i < n) {
    const __mmask8 m = mask[i / 8];
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(m, _mm512_maskz_loadu_epi64(m, in + i)));
  }
}

WEIR_AVX512 void values4_avx512(uint32_t* out, const uint32_t* in, const uint8_t* mask,
                                uint32_t n) noexcept {
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint16_t m;
    std::memcpy(&m, mask + i / 8, 2);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m, _mm512_loadu_si512(in + i)));
    out += ones(m);
  }
  if (i < n) {
    const auto m = static_cast<__mmask16>(bitmap::word(mask + i / 8, 0, n - i));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m, _mm512_maskz_loadu_epi32(m, in + i)));
  }
}

WEIR_AVX512 void values1_avx512(uint8_t* out, const uint8_t* in, const uint8_t* mask,
                                uint32_t n) noexcept {
  for (uint32_t i = 0; i < n; i += 64) {
    const __mmask64 m = bitmap::word(mask, i / 64, n);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(m, _mm512_maskz_loadu_epi8(m, in + i)));
    out += static_cast<unsigned>(__builtin_popcountll(m));
  }
}

WEIR_AVX512 void rows_avx512(uint32_t* out, const uint8_t* mask, uint32_t n) noexcept {
  __m512i row = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint16_t m;
    std::memcpy(&m, mask + i / 8, 2);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m, row));
    out += ones(m);
    row = _mm512_add_epi32(row, _mm512_set1_epi32(16));
  }
  if (i < n) {
    const auto m = static_cast<__mmask16>(bitmap::word(mask + i / 8, 0, n - i));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m, row));
  }
}

// ---- AVX2: permutations looked up by mask (four wide values) or made by pdep and pext (eight)
// ----

struct permutation {
  alignas(32) uint32_t lane[8];
};
// For each mask of four 64-bit lanes, the 32-bit lanes that bring the set ones to the front.
constexpr std::array<permutation, 16> wide_permutations = [] {
  std::array<permutation, 16> t{};
  for (uint32_t m = 0; m < 16; ++m) {
    uint32_t to = 0;
    for (uint32_t k = 0; k < 4; ++k) {
      if ((m >> k & 1) == 0) continue;
      t[m].lane[to++] = 2 * k;
      t[m].lane[to++] = 2 * k + 1;
    }
  }
  return t;
}();

// The numbers of the set bits of m, as eight bytes, in order.
uint64_t set_lanes(unsigned m) noexcept {
  const uint64_t bytes = _pdep_u64(m, 0x0101010101010101) * 0xff;
  return _pext_u64(0x0706050403020100, bytes);
}

void at_least_avx2(uint8_t* mask, const uint64_t* hashes, uint32_t n, uint64_t first) noexcept {
  // Top halves are below 2^32, so a signed comparison does.
  const __m256i limit = _mm256_set1_epi64x(static_cast<int64_t>(first) - 1);
  uint32_t i = 0;
  auto four = [&](uint32_t at) {
    const __m256i h =
        _mm256_srli_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(hashes + at)), 32);
    return static_cast<unsigned>(
        _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(h, limit))));
  };
  for (; i + 8 <= n; i += 8) mask[i / 8] = static_cast<uint8_t>(four(i) | four(i + 4) << 4);
  unsigned last = 0;
  for (uint32_t k = i; k < n; ++k)
    last |= static_cast<unsigned>(hashes[k] >> 32 >= first) << (k - i);
  if (i < n) mask[i / 8] = static_cast<uint8_t>(last);
}

void values8_avx2(uint64_t* out, const uint64_t* in, const uint8_t* mask, uint32_t n) noexcept {
  uint32_t i = 0;
  auto four = [&](uint32_t at, unsigned m) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + at));
    const __m256i order =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(wide_permutations[m].lane));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(v, order));
    out += ones(m);
  };
  for (; i + 8 <= n; i += 8) {
    const unsigned m = mask[i / 8];
    four(i, m & 15);
    four(i + 4, m >> 4);
  }
  for (; i < n; ++i)
    if (bitmap::get(mask, i)) *out++ = in[i];
}

void values4_avx2(uint32_t* out, const uint32_t* in, const uint8_t* mask, uint32_t n) noexcept {
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const unsigned m = mask[i / 8];
    const __m256i order =
        _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(set_lanes(m))));
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(v, order));
    out += ones(m);
  }
  for (; i < n; ++i)
    if (bitmap::get(mask, i)) *out++ = in[i];
}

void values1_avx2(uint8_t* out, const uint8_t* in, const uint8_t* mask, uint32_t n) noexcept {
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const unsigned m = mask[i / 8];
    uint64_t v;
    std::memcpy(&v, in + i, 8);
    v = _pext_u64(v, _pdep_u64(m, 0x0101010101010101) * 0xff);
    std::memcpy(out, &v, 8);
    out += ones(m);
  }
  for (; i < n; ++i)
    if (bitmap::get(mask, i)) *out++ = in[i];
}

void rows_avx2(uint32_t* out, const uint8_t* mask, uint32_t n) noexcept {
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const unsigned m = mask[i / 8];
    const __m256i lanes =
        _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(set_lanes(m))));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_add_epi32(lanes, _mm256_set1_epi32(static_cast<int>(i))));
    out += ones(m);
  }
  for (; i < n; ++i)
    if (bitmap::get(mask, i)) *out++ = i;
}

}  // namespace

void at_least(uint8_t* mask, const uint64_t* hashes, uint32_t n, uint64_t first) noexcept {
  has_avx512() ? at_least_avx512(mask, hashes, n, first) : at_least_avx2(mask, hashes, n, first);
}
void values8(uint64_t* out, const uint64_t* in, const uint8_t* mask, uint32_t n) noexcept {
  has_avx512() ? values8_avx512(out, in, mask, n) : values8_avx2(out, in, mask, n);
}
void values4(uint32_t* out, const uint32_t* in, const uint8_t* mask, uint32_t n) noexcept {
  has_avx512() ? values4_avx512(out, in, mask, n) : values4_avx2(out, in, mask, n);
}
void values1(uint8_t* out, const uint8_t* in, const uint8_t* mask, uint32_t n) noexcept {
  has_avx512() ? values1_avx512(out, in, mask, n) : values1_avx2(out, in, mask, n);
}
void rows(uint32_t* out, const uint8_t* mask, uint32_t n) noexcept {
  has_avx512() ? rows_avx512(out, mask, n) : rows_avx2(out, mask, n);
}

void bits(uint8_t* out, const uint8_t* in, const uint8_t* mask, uint32_t n) noexcept {
  uint64_t pending = 0;
  unsigned filled = 0;
  for (uint32_t i = 0; i < n; i += 64) {
    const uint64_t m = bitmap::word(mask, i / 64, n);
    const uint64_t v = _pext_u64(bitmap::word(in, i / 64, n), m);
    const auto k = static_cast<unsigned>(__builtin_popcountll(m));
    pending |= v << filled;
    if (filled + k >= 64) {
      std::memcpy(out, &pending, 8);
      out += 8;
      pending = filled == 0 ? 0 : v >> (64 - filled);
      filled = filled + k - 64;
    } else {
      filled += k;
    }
  }
  std::memcpy(out, &pending, 8);  // into the slack
}

}  // namespace weir::compress
