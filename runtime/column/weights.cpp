// Change weights and value ranges of batches.
#include <immintrin.h>

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/column/kernels.hpp"

namespace weir {

batch_ptr scale_weights(const batch& b, int32_t factor, memory_pool& pool) {
  auto to = std::make_shared<batch>(b);
  if (factor == 1) return to;
  to->weights = buffer::allocate(pool, size_t{b.physical_rows} * sizeof(int32_t));
  auto* w = to->weights.mutable_as<int32_t>();
  if (!b.weights) {
    std::fill_n(w, b.physical_rows, factor);
    return to;
  }
  const auto* from = b.weights.as<int32_t>();
  bool overflow = false;
  for (uint32_t i = 0; i < b.physical_rows; ++i) {
    const int64_t v = int64_t{from[i]} * factor;
    w[i] = static_cast<int32_t>(v);
    overflow |= v != w[i];
  }
  weir_assert(!overflow, "a change weight beyond 32 bits");
  return to;
}

bool all_insertions(const batch& b) {
  if (!b.weights) return true;
  const auto* w = b.weights.as<int32_t>();
  bool other = false;
  for (uint32_t i = 0; i < b.rows; ++i) other |= w[b.row(i)] != 1;
  return !other;
}

namespace {

struct lanes64 {
  using value = int64_t;
  static __m256i min(__m256i a, __m256i b) {
    return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b));
  }
  static __m256i max(__m256i a, __m256i b) {
    return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(b, a));
  }
};
struct lanes32 {
  using value = int32_t;
  static __m256i min(__m256i a, __m256i b) { return _mm256_min_epi32(a, b); }
  static __m256i max(__m256i a, __m256i b) { return _mm256_max_epi32(a, b); }
};

// Of at least one value. Two pairs of registers, so that a step does not wait for the one before.
template <class Lanes>
value_range range_plain(const typename Lanes::value* v, uint32_t n) noexcept {
  using T = typename Lanes::value;
  constexpr uint32_t lanes = sizeof(__m256i) / sizeof(T);
  auto load = [v](uint32_t i) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + i));
  };
  value_range r{v[0], v[0]};
  uint32_t i = 0;
  if (n >= 2 * lanes) {
    __m256i low0 = load(0), high0 = low0, low1 = load(lanes), high1 = low1;
    for (i = 2 * lanes; i + 2 * lanes <= n; i += 2 * lanes) {
      const __m256i a = load(i), b = load(i + lanes);
      low0 = Lanes::min(low0, a);
      high0 = Lanes::max(high0, a);
      low1 = Lanes::min(low1, b);
      high1 = Lanes::max(high1, b);
    }
    T low[lanes], high[lanes];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), Lanes::min(low0, low1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), Lanes::max(high0, high1));
    r = {*std::min_element(low, low + lanes), *std::max_element(high, high + lanes)};
  }
  for (; i < n; ++i) r = {std::min<int64_t>(r.min, v[i]), std::max<int64_t>(r.max, v[i])};
  return r;
}

template <class Lanes>
std::optional<value_range> range_of_values(const batch& b, const column& c) {
  if (b.rows == 0) return std::nullopt;
  const auto* v = c.data<typename Lanes::value>();
  if (!b.selection && !c.validity) return range_plain<Lanes>(v, b.rows);
  value_range r{INT64_MAX, INT64_MIN};
  bool any = false;
  for (uint32_t i = 0; i < b.rows; ++i) {
    const uint32_t at = b.row(i);
    if (!c.is_valid(at)) continue;
    any = true;
    r.min = std::min<int64_t>(r.min, v[at]);
    r.max = std::max<int64_t>(r.max, v[at]);
  }
  if (!any) return std::nullopt;
  return r;
}

}  // namespace

std::optional<value_range> range_of(const batch& b, uint32_t column) {
  const auto& c = *b.columns[column];
  weir_assert(!c.dictionary, "range_of a dictionary column");
  switch (c.type.id) {
    case type_id::int64:
    case type_id::timestamp:
      return range_of_values<lanes64>(b, c);
    case type_id::int32:
    case type_id::date:
      return range_of_values<lanes32>(b, c);
    default:
      weir_assert(false, "range_of a column that holds no integers or times");
  }
}

}  // namespace weir
