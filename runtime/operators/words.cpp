#include "runtime/operators/words.hpp"

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "runtime/column/cpu.hpp"

namespace weir {
namespace {

inline uint64_t low_bits(size_t n) {
  return n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
}

// One block of up to 64 bytes: `letters` has a bit per letter, `before` is the bytes written before
// the block, `open` whether a word ran into it. Notes where words end.
inline void note_ends(uint64_t letters, uint32_t before, bool open, uint32_t*& ends) {
  // A word ends at the first non-letter after a letter.
  uint64_t closes = ~letters & (letters << 1 | (open ? 1 : 0));
  for (; closes != 0; closes &= closes - 1) {
    auto at = static_cast<unsigned>(std::countr_zero(closes));
    *ends++ = before + static_cast<uint32_t>(std::popcount(letters & ((uint64_t{1} << at) - 1)));
  }
}

WEIR_AVX512 void split_avx512(const char* text, size_t n, word_sink& out) {
  const __m512i bit = _mm512_set1_epi8(0x20), a = _mm512_set1_epi8('a'),
                span = _mm512_set1_epi8(26);
  bool open = false;
  char* to = out.bytes;
  uint32_t* ends = out.ends;
  for (size_t i = 0; i < n; i += 64) {
    const uint64_t inside = low_bits(n - i);
    const __m512i v = _mm512_maskz_loadu_epi8(inside, text + i);
    const __m512i lower = _mm512_or_si512(v, bit);
    const uint64_t ascii = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, a), span);
    const uint64_t letters = (ascii | _mm512_movepi8_mask(v)) & inside;
    const auto before = static_cast<uint32_t>(to - out.bytes_begin);
    // Removing all that is no letter leaves the words one after the other: a string column's bytes.
    const __m512i folded = _mm512_mask_mov_epi8(v, ascii, lower);
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(letters, folded));
    to += std::popcount(letters);
    note_ends(letters, before, open, ends);
    open = letters >> 63;
  }
  if (open) *ends++ = static_cast<uint32_t>(to - out.bytes_begin);
  out.bytes = to;
  out.ends = ends;
}

uint64_t letters_avx2(const char* p, char* folded) {
  uint64_t mask = 0;
  for (int half = 0; half < 2; ++half) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * half));
    const __m256i lower = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
    // Signed comparison: 'a' ... 'z' are positive, bytes from 0x80 on negative.
    const __m256i ascii = _mm256_andnot_si256(_mm256_cmpgt_epi8(lower, _mm256_set1_epi8('z')),
                                              _mm256_cmpgt_epi8(lower, _mm256_set1_epi8('a' - 1)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(folded + 32 * half),
                        _mm256_blendv_epi8(v, lower, ascii));
    const auto m = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(ascii, v)));
    mask |= uint64_t{m} << (32 * half);
  }
  return mask;
}

void split_avx2(const char* text, size_t n, word_sink& out) {
  bool open = false;
  char* to = out.bytes;
  uint32_t* ends = out.ends;
  for (size_t i = 0; i < n; i += 64) {
    alignas(32) char in[64], folded[64 + 16];
    const size_t here = n - i < 64 ? n - i : 64;
    const char* p = text + i;
    if (here < 64) {
      std::memset(in, 0, 64);
      std::memcpy(in, p, here);
      p = in;
    }
    const uint64_t letters = letters_avx2(p, folded);
    note_ends(letters, static_cast<uint32_t>(to - out.bytes_begin), open, ends);
    for (uint64_t rest = letters; rest != 0;) {
      const auto from = static_cast<unsigned>(std::countr_zero(rest));
      const auto run = static_cast<unsigned>(std::countr_one(rest >> from));
      std::memcpy(to, folded + from, run);
      to += run;
      rest &= ~(low_bits(run) << from);
    }
    open = letters >> 63;
  }
  if (open) *ends++ = static_cast<uint32_t>(to - out.bytes_begin);
  out.bytes = to;
  out.ends = ends;
}

}  // namespace

void split_words(const char* text, size_t n, word_sink& out) {
  has_avx512() ? split_avx512(text, n, out) : split_avx2(text, n, out);
}

}  // namespace weir
