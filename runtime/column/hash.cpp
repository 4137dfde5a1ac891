#include "runtime/column/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/column/bitmap.hpp"
#include "runtime/column/cpu.hpp"
#include "runtime/column/nested.hpp"

namespace weir {
namespace {

// Rows per turn: words and hashes of a turn stay in the first-level cache.
constexpr uint32_t turn = 1024;

// ---- h[i] = hash_step(h[i], w[i]) ----

void step_tail(uint64_t* h, const uint64_t* w, uint32_t i, uint32_t n) noexcept {
  for (; i < n; ++i) h[i] = hash_step(h[i], w[i]);
}

WEIR_AVX512 void step_avx512(uint64_t* h, const uint64_t* w, uint32_t n) noexcept {
  const __m512i m1 = _mm512_set1_epi64(static_cast<int64_t>(0xbf58476d1ce4e5b9));
  const __m512i m2 = _mm512_set1_epi64(static_cast<int64_t>(0x94d049bb133111eb));
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m512i x = _mm512_xor_si512(_mm512_loadu_si512(h + i), _mm512_loadu_si512(w + i));
    x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 30)), m1);
    x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 27)), m2);
    _mm512_storeu_si512(h + i, _mm512_xor_si512(x, _mm512_srli_epi64(x, 31)));
  }
  step_tail(h, w, i, n);
}

inline __m256i multiply64(__m256i a, __m256i b, __m256i b_swapped) noexcept {
  const __m256i cross = _mm256_mullo_epi32(a, b_swapped);  // low*high, high*low
  const __m256i sum = _mm256_slli_epi64(_mm256_add_epi32(cross, _mm256_srli_epi64(cross, 32)), 32);
  return _mm256_add_epi64(_mm256_mul_epu32(a, b), sum);
}

void step_avx2(uint64_t* h, const uint64_t* w, uint32_t n) noexcept {
  const __m256i m1 = _mm256_set1_epi64x(static_cast<int64_t>(0xbf58476d1ce4e5b9));
  const __m256i m2 = _mm256_set1_epi64x(static_cast<int64_t>(0x94d049bb133111eb));
  const __m256i s1 = _mm256_shuffle_epi32(m1, 0xb1), s2 = _mm256_shuffle_epi32(m2, 0xb1);
  uint32_t i = 0;
  for (; i + 4 <= n; i += 4) {
    auto* hp = reinterpret_cast<__m256i*>(h + i);
    __m256i x = _mm256_xor_si256(_mm256_loadu_si256(hp),
                                 _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + i)));
    x = multiply64(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), m1, s1);
    x = multiply64(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), m2, s2);
    _mm256_storeu_si256(hp, _mm256_xor_si256(x, _mm256_srli_epi64(x, 31)));
  }
  step_tail(h, w, i, n);
}

void step(uint64_t* h, const uint64_t* w, uint32_t n) noexcept {
  has_avx512() ? step_avx512(h, w, n) : step_avx2(h, w, n);
}

// ---- words of a run of rows ----

template <class T, class F>
void fill(uint64_t* out, const T* v, uint32_t begin, uint32_t n, const uint32_t* sel, F word) {
  if (sel)
    for (uint32_t i = 0; i < n; ++i) out[i] = word(v[sel[begin + i]]);
  else
    for (uint32_t i = 0; i < n; ++i) out[i] = word(v[begin + i]);
}

// Lengths of up to eight bytes only, the whole run readable eight bytes at a time.
void fill_upto_8(uint64_t* out, const char* v, const uint32_t* o, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t size = o[i + 1] - o[i];
    uint64_t bytes;
    std::memcpy(&bytes, v + o[i], 8);
    out[i] = word_of_8(_bzhi_u64(bytes, size * 8), size);
  }
}

uint32_t longest(const uint32_t* o, uint32_t n) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < n; ++i) most = std::max(most, o[i + 1] - o[i]);
  return most;
}

void fill_strings(uint64_t* out, const column& c, uint32_t begin, uint32_t n, const uint32_t* sel) {
  const auto* o = c.offsets.as<uint32_t>();
  const char* v = c.values.as<char>();
  // Up to this offset sixteen bytes can be read whatever the string's length.
  const size_t readable = c.values.size() + (c.values.padded() ? buffer::alignment : 0);
  if (!sel && size_t{o[begin + n]} + 8 <= readable && longest(o + begin, n) <= 8)
    return fill_upto_8(out, v, o + begin, n);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t r = sel ? sel[begin + i] : begin + i;
    const uint32_t at = o[r], size = o[r + 1] - at;
    if (size > 16 || size_t{at} + 16 > readable) [[unlikely]] {
      out[i] = word_of_bytes(v + at, size);
      continue;
    }
    // Both forms, then one of them: lengths around eight would be mispredicted every other row.
    const uint32_t tail = std::max(size, 8u) - 8;
    uint64_t first, last;
    std::memcpy(&first, v + at, 8);
    std::memcpy(&last, v + at + tail, 8);
    const uint64_t is_long = 0 - static_cast<uint64_t>(size > 8);
    const uint64_t short_word = word_of_8(_bzhi_u64(first, size * 8), size);
    out[i] = short_word ^ ((short_word ^ word_of_16(first, last, size)) & is_long);
  }
}

void fill_nested(uint64_t* out, const column& c, uint32_t begin, uint32_t n, const uint32_t* sel) {
  std::string stored;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t r = sel ? sel[begin + i] : begin + i;
    if (!c.is_valid(r)) continue;  // patched later
    stored.clear();
    append_stored(stored, c, r);
    out[i] = word_of_bytes(stored);
  }
}

void fill_values(uint64_t* out, const column& c, uint32_t begin, uint32_t n, const uint32_t* sel) {
  switch (c.type.id) {
    case type_id::boolean:
      return fill(out, c.data<uint8_t>(), begin, n, sel, [](uint8_t v) -> uint64_t { return v; });
    case type_id::int32:
    case type_id::date:
      return fill(out, c.data<int32_t>(), begin, n, sel,
                  [](int32_t v) { return static_cast<uint64_t>(int64_t{v}); });
    case type_id::int64:
    case type_id::timestamp:
      return fill(out, c.data<uint64_t>(), begin, n, sel, [](uint64_t v) { return v; });
    case type_id::float64:
      return fill(out, c.data<double>(), begin, n, sel, word_of_double);
    case type_id::decimal: {
      struct halves {
        uint64_t low, high;
      };
      return fill(out, c.data<halves>(), begin, n, sel,
                  [](halves v) { return v.low + hash_mix(v.high); });
    }
    case type_id::interval:
      return fill(out, c.data<interval_value>(), begin, n, sel, word_of_interval);
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return fill_strings(out, c, begin, n, sel);
    case type_id::list:
    case type_id::struct_:
      return fill_nested(out, c, begin, n, sel);
  }
}

void patch_nulls(uint64_t* out, const column& c, uint32_t begin, uint32_t n, const uint32_t* sel) {
  if (!c.validity) return;
  const auto* v = c.validity.as<uint8_t>();
  if (sel) {
    for (uint32_t i = 0; i < n; ++i)
      if (!bitmap::get(v, sel[begin + i])) out[i] = hash_null_word;
    return;
  }
  for (uint32_t i = 0; i < n; i += 64) {
    const uint32_t m = std::min(n - i, 64u);
    uint64_t present = bitmap::bits_at(v, size_t{begin} + i, m);
    uint64_t absent = ~present & (m == 64 ? ~uint64_t{0} : (uint64_t{1} << m) - 1);
    for (; absent != 0; absent &= absent - 1) out[i + std::countr_zero(absent)] = hash_null_word;
  }
}

void fill_words(uint64_t* out, const column& c, uint32_t begin, uint32_t n, const uint32_t* sel) {
  if (c.dictionary) {
    // Inside lists and structs, or when the dictionary is larger than what refers to it.
    const auto* indices = c.data<uint32_t>();
    for (uint32_t i = 0; i < n; ++i)
      fill_values(out + i, *c.dictionary, indices[sel ? sel[begin + i] : begin + i], 1, nullptr);
  } else {
    fill_values(out, c, begin, n, sel);
  }
  patch_nulls(out, c, begin, n, sel);
}

// One key column, made ready: dictionary words are computed once.
struct key_words {
  const column* c = nullptr;
  std::vector<uint64_t> of_dictionary;

  explicit key_words(const column& key, uint32_t rows) : c(&key) {
    if (!key.dictionary || key.dictionary->length > rows) return;
    of_dictionary.resize(key.dictionary->length);
    for (uint32_t i = 0; i < key.dictionary->length; i += turn)
      fill_words(of_dictionary.data() + i, *key.dictionary, i,
                 std::min(turn, key.dictionary->length - i), nullptr);
  }
  const uint64_t* get(uint64_t* scratch, uint32_t begin, uint32_t n, const uint32_t* sel) const {
    const bool is_word = c->type.id == type_id::int64 || c->type.id == type_id::timestamp;
    if (is_word && !sel && !c->validity && !c->dictionary) return c->data<uint64_t>() + begin;
    if (of_dictionary.empty()) {
      fill_words(scratch, *c, begin, n, sel);
    } else {
      fill(scratch, c->data<uint32_t>(), begin, n, sel,
           [words = of_dictionary.data()](uint32_t i) { return words[i]; });
      patch_nulls(scratch, *c, begin, n, sel);
    }
    return scratch;
  }
};

}  // namespace

uint64_t hash_long_bytes(const char* p, size_t n) noexcept {
  return XXH3_64bits(p, n);
}

uint64_t word_of(const scalar& v) noexcept {
  if (v.null) return hash_null_word;
  switch (v.type.id) {
    case type_id::float64:
      return word_of_double(v.d);
    case type_id::decimal:
      return word_of_int128(v.dec);
    case type_id::interval:
      return word_of_interval(v.interval);
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return word_of_bytes(v.s);
    case type_id::list:
    case type_id::struct_: {
      std::string stored;
      append_stored(stored, v);
      return word_of_bytes(stored);
    }
    default:
      return static_cast<uint64_t>(v.i);
  }
}

buffer_ref hash_keys(const batch& b, std::span<const uint32_t> keys, memory_pool& pool) {
  auto out = buffer::allocate(pool, size_t{b.rows} * sizeof(uint64_t));
  auto* h = out.mutable_as<uint64_t>();
  std::vector<key_words> words;
  words.reserve(keys.size());
  for (uint32_t k : keys) {
    weir_assert(k < b.columns.size(), "a key column that the batch does not have");
    words.emplace_back(*b.columns[k], b.rows);
  }
  const uint32_t* sel = b.selection ? b.selection.as<uint32_t>() : nullptr;
  alignas(64) uint64_t scratch[turn];
  for (uint32_t begin = 0; begin < b.rows; begin += turn) {
    const uint32_t n = std::min(turn, b.rows - begin);
    std::fill_n(h + begin, n, hash_seed);
    for (const auto& w : words) step(h + begin, w.get(scratch, begin, n, sel), n);
  }
  return out;
}

}  // namespace weir
