#include "runtime/column/runs.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/column/cpu.hpp"

namespace weir {
namespace {

// Rows between two looks at whether a loop may end early.
constexpr size_t turn = 1024;

struct wide {
  uint64_t low, high;
  bool operator==(const wide&) const = default;
};

/// Changes among values that `equal(i)` compares with the one before them.
template <class Equal>
bool changes(uint32_t rows, size_t limit, std::vector<uint32_t>& at, Equal equal) {
  const size_t known = at.size();
  for (uint32_t i = 1; i < rows; ++i) {
    if (equal(i)) [[likely]]
      continue;
    if (at.size() - known == limit) {
      at.resize(known);
      return false;
    }
    at.push_back(i);
  }
  return true;
}

/// The first value from `i` on, in steps of registers, that may not be that before it; what is
/// behind the last whole register is left to the caller.
template <class T>
WEIR_AVX512 uint32_t equal_run_avx512(const T* v, uint32_t rows, uint32_t i) noexcept {
  constexpr uint32_t lanes = sizeof(__m512i) / sizeof(T);
  for (; i + 2 * lanes <= rows; i += 2 * lanes) {
    const auto a = _mm512_xor_si512(_mm512_loadu_si512(v + i), _mm512_loadu_si512(v + i - 1));
    const auto z =
        _mm512_xor_si512(_mm512_loadu_si512(v + i + lanes), _mm512_loadu_si512(v + i + lanes - 1));
    const auto other = _mm512_or_si512(a, z);
    if (_mm512_test_epi64_mask(other, other) != 0) break;
  }
  return i;
}

/// 32 bytes at a time against those that begin one value earlier.
template <class T>
bool plain_changes(const T* v, uint32_t rows, size_t limit, std::vector<uint32_t>& at) {
  constexpr uint32_t lanes = sizeof(__m256i) / sizeof(T);
  const size_t known = at.size();
  uint32_t i = 1;
  const bool wider = has_avx512();
  for (; i + lanes <= rows; i += lanes) {
    if (wider) {
      i = equal_run_avx512(v, rows, i);
      if (i + lanes > rows) break;
    }
    const auto here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i));
    const auto before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i - 1));
    const auto other = _mm256_xor_si256(here, before);
    if (_mm256_testz_si256(other, other)) [[likely]]
      continue;
    for (uint32_t k = i; k < i + lanes; ++k)
      if (v[k] != v[k - 1]) at.push_back(k);
    if (at.size() - known > limit) break;
  }
  if (at.size() - known <= limit)
    for (; i < rows; ++i)
      if (v[i] != v[i - 1]) at.push_back(i);
  if (at.size() - known <= limit) return true;
  at.resize(known);
  return false;
}

template <class T>
bool fixed_changes(const batch& b, const column& c, size_t limit, std::vector<uint32_t>& at) {
  const T* v = c.data<T>();
  if (!c.validity) {
    if constexpr (sizeof(T) <= 8)
      if (!b.selection) return plain_changes(v, b.rows, limit, at);
    return changes(b.rows, limit, at, [&](uint32_t i) { return v[b.row(i)] == v[b.row(i - 1)]; });
  }
  return changes(b.rows, limit, at, [&](uint32_t i) {
    const uint32_t x = b.row(i), y = b.row(i - 1);
    const bool valid = c.is_valid(x);
    return valid == c.is_valid(y) && (!valid || v[x] == v[y]);
  });
}

template <class T>
uint32_t equal_places(const T* v, uint32_t n, T value, uint32_t* out) noexcept {
  constexpr uint32_t lanes = sizeof(__m256i) / sizeof(T);
  const __m256i wanted = sizeof(T) == 8 ? _mm256_set1_epi64x(static_cast<long long>(value))
                                        : _mm256_set1_epi32(static_cast<int>(value));
  uint32_t found = 0, i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto some = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i));
    const auto same =
        sizeof(T) == 8 ? _mm256_cmpeq_epi64(some, wanted) : _mm256_cmpeq_epi32(some, wanted);
    if (_mm256_testz_si256(same, same)) [[likely]]
      continue;
    for (uint32_t k = i; k < i + lanes; ++k)
      if (v[k] == value) out[found++] = k;
  }
  for (; i < n; ++i)
    if (v[i] == value) out[found++] = i;
  return found;
}

/// The first eight values that are not all within, or where fewer than eight are left.
WEIR_AVX512 size_t within_avx512(const int64_t* v, size_t n, uint64_t from,
                                 uint64_t width) noexcept {
  const __m512i low = _mm512_set1_epi64(static_cast<long long>(from));
  const __m512i all = _mm512_set1_epi64(static_cast<long long>(width));
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const auto a = _mm512_sub_epi64(_mm512_loadu_si512(v + i), low);
    const auto z = _mm512_sub_epi64(_mm512_loadu_si512(v + i + 8), low);
    if ((_mm512_cmplt_epu64_mask(a, all) & _mm512_cmplt_epu64_mask(z, all)) != 0xff) break;
  }
  return i;
}

/// The same with AVX2, looked at only now and then.
size_t within_avx2(const int64_t* v, size_t n, uint64_t from, uint64_t width) noexcept {
  // Unsigned distances, compared as signed ones with their highest bit turned.
  constexpr uint64_t sign = uint64_t{1} << 63;
  const __m256i low = _mm256_set1_epi64x(static_cast<long long>(from));
  const __m256i turned = _mm256_set1_epi64x(static_cast<long long>(sign));
  const __m256i most = _mm256_set1_epi64x(static_cast<long long>((width - 1) ^ sign));
  auto beyond = [&](size_t i) {
    const auto some = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i));
    return _mm256_cmpgt_epi64(_mm256_xor_si256(_mm256_sub_epi64(some, low), turned), most);
  };
  size_t i = 0;
  while (i + 8 <= n) {
    const size_t begin = i, end = i + std::min(turn, (n - i) & ~size_t{7});
    __m256i a = _mm256_setzero_si256(), z = a;
    for (; i < end; i += 8) {
      a = _mm256_or_si256(a, beyond(i));
      z = _mm256_or_si256(z, beyond(i + 4));
    }
    a = _mm256_or_si256(a, z);
    if (!_mm256_testz_si256(a, a)) return begin;
  }
  return i;
}

}  // namespace

bool find_changes(const batch& b, const column& c, size_t limit, std::vector<uint32_t>& at) {
  if (c.dictionary) return fixed_changes<uint32_t>(b, c, limit, at);
  switch (fixed_width(c.type.id)) {
    case 1:
      return fixed_changes<uint8_t>(b, c, limit, at);
    case 4:
      return fixed_changes<uint32_t>(b, c, limit, at);
    case 8:
      return fixed_changes<uint64_t>(b, c, limit, at);
    case 16:
      return fixed_changes<wide>(b, c, limit, at);
    default:
      break;
  }
  if (!is_varlen(c.type.id)) return b.rows <= 1;
  return changes(b.rows, limit, at, [&](uint32_t i) {
    const uint32_t x = b.row(i), y = b.row(i - 1);
    const bool valid = c.is_valid(x);
    return valid == c.is_valid(y) && (!valid || c.view(x) == c.view(y));
  });
}

bool all_within(const int64_t* v, size_t n, int64_t begin, uint64_t width) noexcept {
  const auto from = static_cast<uint64_t>(begin);
  if (n == 0 || width == 0) return n == 0;
  if (static_cast<uint64_t>(v[n - 1]) - from >= width) return false;  // times mostly rise
  size_t i = has_avx512() ? within_avx512(v, n, from, width) : within_avx2(v, n, from, width);
  const size_t end = std::min(n, i + turn);
  // One of the next few is beyond, or they are the last ones.
  for (; i < end; ++i)
    if (static_cast<uint64_t>(v[i]) - from >= width) return false;
  return true;
}

uint32_t find_equal(const int64_t* v, uint32_t n, int64_t value, uint32_t* out) noexcept {
  return equal_places(v, n, value, out);
}
uint32_t find_equal(const int32_t* v, uint32_t n, int32_t value, uint32_t* out) noexcept {
  return equal_places(v, n, value, out);
}

column_ptr constant_times::get(int64_t value, uint32_t n, buffer_ref validity, memory_pool& pool) {
  const size_t bytes = size_t{n} * sizeof(int64_t);
  if (!values_ || value_ != value || values_.size() < bytes) {
    values_ = buffer::allocate(pool, std::max(bytes, values_.size()));
    std::fill_n(values_.mutable_as<int64_t>(), values_.size() / sizeof(int64_t), value);
    value_ = value;
  }
  auto c = std::make_shared<column>();
  c->type = type_id::timestamp;
  c->length = n;
  c->values = values_.slice(0, bytes);
  c->validity = std::move(validity);
  return c;
}

}  // namespace weir
