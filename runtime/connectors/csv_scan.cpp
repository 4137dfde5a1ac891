#include "runtime/connectors/csv_scan.hpp"

#include <immintrin.h>

#define WEIR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2,pclmul")))

namespace weir {
namespace {

bool has_avx512() noexcept {
  static const bool yes = __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("pclmul");
  return yes;
}

// Bit i of the result is the parity of bits 0 to i.
inline uint64_t prefix_xor(uint64_t x) noexcept {
  x ^= x << 1;
  x ^= x << 2;
  x ^= x << 4;
  x ^= x << 8;
  x ^= x << 16;
  return x ^ x << 32;
}

struct avx2 {
  __m256i low, high;
  explicit avx2(const char* p) noexcept
      : low(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
        high(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))) {}
  uint64_t equal(char c) const noexcept {
    __m256i v = _mm256_set1_epi8(c);
    auto l = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, v)));
    auto h = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, v)));
    return l | static_cast<uint64_t>(h) << 32;
  }
};

// One word of 64 bytes; `carry` is all ones while within quotes.
#define WEIR_SCAN_WORD(PREFIX_XOR)                                     \
  if (q | carry) [[unlikely]] {                                        \
    uint64_t inside = PREFIX_XOR(q) ^ carry;                           \
    carry = static_cast<uint64_t>(static_cast<int64_t>(inside) >> 63); \
    quotes |= q;                                                       \
    l &= ~inside;                                                      \
    d &= ~inside;                                                      \
  }

WEIR_AVX512 inline uint64_t prefix_xor_clmul(uint64_t x) noexcept {
  return static_cast<uint64_t>(_mm_cvtsi128_si64(
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<int64_t>(x)), _mm_set1_epi8(-1), 0)));
}

WEIR_AVX512 scan_result scan_csv_avx512(const char* data, size_t bytes, char delimiter,
                                        uint64_t carry, uint64_t* lines,
                                        uint64_t* delimiters) noexcept {
  uint64_t quotes = 0;
  const __m512i quote = _mm512_set1_epi8('"'), line = _mm512_set1_epi8('\n'),
                delim = _mm512_set1_epi8(delimiter);
  for (size_t i = 0; i < bytes; i += 64) {
    uint64_t valid = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
    __m512i v = _mm512_loadu_si512(data + i);
    uint64_t q = _mm512_mask_cmpeq_epi8_mask(valid, v, quote);
    uint64_t l = _mm512_mask_cmpeq_epi8_mask(valid, v, line);
    uint64_t d = _mm512_mask_cmpeq_epi8_mask(valid, v, delim);
    WEIR_SCAN_WORD(prefix_xor_clmul)
    lines[i / 64] = l;
    delimiters[i / 64] = d;
  }
  return {carry != 0, quotes != 0};
}

}  // namespace

scan_result scan_csv_avx2(const char* data, size_t bytes, char delimiter, bool in_quotes,
                          uint64_t* lines, uint64_t* delimiters) noexcept {
  uint64_t quotes = 0, carry = in_quotes ? ~0ull : 0;
  for (size_t i = 0; i < bytes; i += 64) {
    avx2 v(data + i);
    uint64_t valid = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
    uint64_t q = v.equal('"') & valid, l = v.equal('\n') & valid, d = v.equal(delimiter) & valid;
    WEIR_SCAN_WORD(prefix_xor)
    lines[i / 64] = l;
    delimiters[i / 64] = d;
  }
  return {carry != 0, quotes != 0};
}

scan_result scan_csv(const char* data, size_t bytes, char delimiter, bool in_quotes,
                     uint64_t* lines, uint64_t* delimiters) noexcept {
  return has_avx512()
             ? scan_csv_avx512(data, bytes, delimiter, in_quotes ? ~0ull : 0, lines, delimiters)
             : scan_csv_avx2(data, bytes, delimiter, in_quotes, lines, delimiters);
}

void scan_lines(const char* data, size_t bytes, uint64_t* lines) noexcept {
  for (size_t i = 0; i < bytes; i += 64) {
    uint64_t valid = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
    lines[i / 64] = avx2(data + i).equal('\n') & valid;
  }
}

uint64_t count_bytes(const char* data, size_t bytes, char c) noexcept {
  uint64_t n = 0;
  size_t i = 0;
  for (; i + 64 <= bytes; i += 64)
    n += static_cast<uint64_t>(__builtin_popcountll(avx2(data + i).equal(c)));
  for (; i < bytes; ++i) n += data[i] == c;
  return n;
}

}  // namespace weir
