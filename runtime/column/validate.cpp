// The rules of batch.hpp as checks over foreign bytes, vectorised so that decoding stays far below
// the cost of receiving.
#include <immintrin.h>

#include "runtime/column/bitmap.hpp"
#include "runtime/column/codec.hpp"
#include "runtime/column/scalar.hpp"
#include "runtime/column/validate.hpp"

namespace weir {
namespace {

error corrupt(const char* what) {
  return {errc::corrupt, std::string("damaged batch: ") + what};
}

// Kernels may leave anything under a null, so the quick pass over all values is followed by a slow
// one over the valid ones only if it finds something.
status validate_booleans(const column& c) {
  const auto* v = c.data<uint8_t>();
  uint8_t all = 0;
  for (uint32_t i = 0; i < c.length; ++i) all |= v[i];
  if (all <= 1) return {};
  for (uint32_t i = 0; i < c.length; ++i)
    if (v[i] > 1 && c.is_valid(i)) return corrupt("a boolean that is neither 0 nor 1");
  return {};
}

status validate_decimals(const column& c) {
  constexpr int128 limit = decimal_limit();
  // Nearly all are far from the limit: their upper halves alone say so.
  constexpr auto safe = static_cast<int64_t>(limit >> 64);
  bool near = false;
  for (uint32_t i = 0; i < c.length; ++i) {
    int64_t upper;
    std::memcpy(&upper, c.values.data() + size_t{i} * sizeof(int128) + sizeof upper, sizeof upper);
    near |= (upper >= safe) | (upper < -safe);
  }
  if (!near) return {};
  for (uint32_t i = 0; i < c.length; ++i) {
    int128 v;
    std::memcpy(&v, c.values.data() + size_t{i} * sizeof v, sizeof v);
    if ((v >= limit || v <= -limit) && c.is_valid(i))
      return corrupt("a decimal of more than 38 digits");
  }
  return {};
}

status validate_offsets(const column& c, uint64_t end) {
  if (c.offsets.size() != (size_t{c.length} + 1) * sizeof(uint32_t))
    return corrupt("offsets of another length than the column's");
  const auto* o = c.offsets.as<uint32_t>();
  if (!ascending(o, size_t{c.length} + 1)) return corrupt("offsets that do not ascend");
  if (o[c.length] > end) return corrupt("an offset past the end of the values");
  return {};
}

status validate_dictionary(const column& c) {
  const column& d = *c.dictionary;
  if (d.dictionary) return corrupt("a dictionary with a dictionary");
  if (d.validity) return corrupt("a dictionary with nulls");
  if (!(d.type == c.type)) return corrupt("a dictionary of another type");
  if (c.values.size() != size_t{c.length} * sizeof(uint32_t))
    return corrupt("dictionary indices of another length than the column's");
  if (!all_below(c.data<uint32_t>(), c.length, d.length))
    return corrupt("a dictionary index out of range");
  return validate_column(d);
}

}  // namespace

bool ascending(const uint32_t* v, size_t n) noexcept {
  size_t i = 1;
  __m256i ok = _mm256_set1_epi32(-1);
  for (; i + 8 <= n; i += 8) {
    const __m256i before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i - 1));
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i));
    ok = _mm256_and_si256(ok, _mm256_cmpeq_epi32(_mm256_max_epu32(before, here), here));
  }
  bool good = _mm256_movemask_epi8(ok) == -1;
  for (; i < n; ++i) good &= v[i - 1] <= v[i];
  return good;
}

bool strictly_ascending(const uint32_t* v, size_t n) noexcept {
  size_t i = 1;
  __m256i bad = _mm256_setzero_si256();
  for (; i + 8 <= n; i += 8) {
    const __m256i before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i - 1));
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i));
    bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(_mm256_max_epu32(before, here), before));
  }
  bool good = _mm256_testz_si256(bad, bad) != 0;
  for (; i < n; ++i) good &= v[i - 1] < v[i];
  return good;
}

bool all_below(const uint32_t* v, size_t n, uint32_t limit) noexcept {
  if (n == 0) return true;
  size_t i = 0;
  __m256i high = _mm256_setzero_si256();
  for (; i + 8 <= n; i += 8)
    high = _mm256_max_epu32(high, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i)));
  uint32_t lanes[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), high);
  uint32_t top = 0;
  for (uint32_t x : lanes) top = x > top ? x : top;
  for (; i < n; ++i) top = v[i] > top ? v[i] : top;
  return top < limit;
}

status validate_column(const column& c) {
  if (c.validity && c.validity.size() != bitmap::bytes_of(c.length))
    return corrupt("validity of another length than the column's");
  if (c.dictionary) return validate_dictionary(c);
  if (const size_t width = fixed_width(c.type.id)) {
    if (c.values.size() != c.length * width)
      return corrupt("values of another length than the column's");
    if (c.type.id == type_id::boolean) return validate_booleans(c);
    if (c.type.id == type_id::decimal) return validate_decimals(c);
    return {};
  }
  if (is_varlen(c.type.id)) return validate_offsets(c, c.values.size());
  const size_t fields = c.type.fields ? c.type.fields->size() : 0;
  if (c.children.size() != fields) return corrupt("another number of children than the type's");
  for (size_t i = 0; i < fields; ++i) {
    const column& child = *c.children[i];
    if (!(child.type == (*c.type.fields)[i].type)) return corrupt("a child of another type");
    if (c.type.id == type_id::struct_ && child.length != c.length)
      return corrupt("a struct's field of another length");
    WEIR_TRY(validate_column(child));
  }
  if (c.type.id == type_id::list) {
    if (fields != 1) return corrupt("a list of more than one kind of item");
    return validate_offsets(c, c.children[0]->length);
  }
  return {};
}

}  // namespace weir
