// Comparisons that narrow a bitmap: 8 rows of 8 bytes per AVX-512 instruction, 4 with AVX2.
#include "runtime/expr/filter.hpp"

namespace weir::expr {
namespace {

template <class T, fused_compare op>
bool compare(T a, T b) {
  if constexpr (std::is_same_v<T, double>) {
    // NaN equals itself and is above every number.
    bool na = a != a, nb = b != b;
    if constexpr (op == fused_compare::eq) return a == b || (na && nb);
    if constexpr (op == fused_compare::ne) return a != b && !(na && nb);
    if constexpr (op == fused_compare::lt) return a < b || (nb && !na);
    if constexpr (op == fused_compare::le) return a <= b || nb;
    if constexpr (op == fused_compare::gt) return a > b || (na && !nb);
    if constexpr (op == fused_compare::ge) return a >= b || na;
  }
  if constexpr (op == fused_compare::eq) return a == b;
  if constexpr (op == fused_compare::ne) return a != b;
  if constexpr (op == fused_compare::lt) return a < b;
  if constexpr (op == fused_compare::le) return a <= b;
  if constexpr (op == fused_compare::gt) return a > b;
  return a >= b;
}

template <class T, fused_compare op>
uint64_t compare_scalar(const T* a, const T* b, bool constant, size_t n) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; ++i)
    v |= static_cast<uint64_t>(compare<T, op>(a[i], b[constant ? 0 : i])) << i;
  return v;
}

// The predicate of _mm512_cmp_ep[i]: EQ 0, LT 1, LE 2, NE 4, NLT (GE) 5, NLE (GT) 6. For doubles
// the same numbers order NaN as unordered: NLT and NLE are then true and LT, LE false, which is
// right for a NaN on the left; a NaN on the right goes the scalar way.
template <fused_compare op>
constexpr int predicate = op == fused_compare::eq   ? 0
                          : op == fused_compare::ne ? 4
                          : op == fused_compare::lt ? 1
                          : op == fused_compare::le ? 2
                          : op == fused_compare::gt ? 6
                                                    : 5;

#define WEIR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

template <class T, fused_compare op>
WEIR_AVX512 void fused_avx512(const std::byte* pa, const std::byte* pb, bool constant, size_t rows,
                              uint64_t* bits) {
  const T* a = reinterpret_cast<const T*>(pa);
  const T* b = reinterpret_cast<const T*>(pb);
  constexpr size_t lanes = 64 / sizeof(T);
  __m512i c = _mm512_setzero_si512();
  if (constant)
    c = sizeof(T) == 4 ? _mm512_set1_epi32(*reinterpret_cast<const int*>(pb))
                       : _mm512_set1_epi64(*reinterpret_cast<const long long*>(pb));
  size_t whole = rows / 64;
  for (size_t w = 0; w < whole; ++w) {
    if (bits[w] == 0) continue;
    uint64_t v = 0;
    for (size_t k = 0; k < sizeof(T); ++k) {
      auto x = _mm512_loadu_si512(a + w * 64 + k * lanes);
      auto y = constant ? c : _mm512_loadu_si512(b + w * 64 + k * lanes);
      uint64_t m;
      if constexpr (std::is_same_v<T, double>)
        m = _mm512_cmp_pd_mask(_mm512_castsi512_pd(x), _mm512_castsi512_pd(y), predicate<op>);
      else if constexpr (sizeof(T) == 4)
        m = _mm512_cmp_epi32_mask(x, y, predicate<op>);
      else
        m = _mm512_cmp_epi64_mask(x, y, predicate<op>);
      v |= m << (k * lanes);
    }
    bits[w] &= v;
  }
  if (rows & 63)
    bits[whole] &=
        compare_scalar<T, op>(a + whole * 64, constant ? b : b + whole * 64, constant, rows & 63);
}

template <class T, fused_compare op>
uint32_t lanes_avx2(__m256i x, __m256i y) {
  if constexpr (std::is_same_v<T, double>) {
    return static_cast<uint32_t>(_mm256_movemask_pd(
        _mm256_cmp_pd(_mm256_castsi256_pd(x), _mm256_castsi256_pd(y), predicate<op>)));
  } else {
    constexpr bool wide = sizeof(T) == 8;
    constexpr uint32_t all = wide ? 0xf : 0xff;
    auto mask = [](__m256i v) {
      return static_cast<uint32_t>(wide ? _mm256_movemask_pd(_mm256_castsi256_pd(v))
                                        : _mm256_movemask_ps(_mm256_castsi256_ps(v)));
    };
    auto eq = [&] { return mask(wide ? _mm256_cmpeq_epi64(x, y) : _mm256_cmpeq_epi32(x, y)); };
    auto gt = [&](__m256i l, __m256i r) {
      return mask(wide ? _mm256_cmpgt_epi64(l, r) : _mm256_cmpgt_epi32(l, r));
    };
    if constexpr (op == fused_compare::eq) return eq();
    if constexpr (op == fused_compare::ne) return eq() ^ all;
    if constexpr (op == fused_compare::gt) return gt(x, y);
    if constexpr (op == fused_compare::le) return gt(x, y) ^ all;
    if constexpr (op == fused_compare::lt) return gt(y, x);
    return gt(y, x) ^ all;
  }
}

template <class T, fused_compare op>
void fused_avx2(const std::byte* pa, const std::byte* pb, bool constant, size_t rows,
                uint64_t* bits) {
  const T* a = reinterpret_cast<const T*>(pa);
  const T* b = reinterpret_cast<const T*>(pb);
  constexpr size_t lanes = 32 / sizeof(T);
  __m256i c = _mm256_setzero_si256();
  if (constant)
    c = sizeof(T) == 4 ? _mm256_set1_epi32(*reinterpret_cast<const int*>(pb))
                       : _mm256_set1_epi64x(*reinterpret_cast<const long long*>(pb));
  size_t whole = rows / 64;
  for (size_t w = 0; w < whole; ++w) {
    if (bits[w] == 0) continue;
    uint64_t v = 0;
    for (size_t k = 0; k < 64 / lanes; ++k) {
      auto at = w * 64 + k * lanes;
      auto x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + at));
      auto y = constant ? c : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + at));
      v |= static_cast<uint64_t>(lanes_avx2<T, op>(x, y)) << (k * lanes);
    }
    bits[w] &= v;
  }
  if (rows & 63)
    bits[whole] &=
        compare_scalar<T, op>(a + whole * 64, constant ? b : b + whole * 64, constant, rows & 63);
}

const bool avx512 = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");

template <class T, fused_compare op>
void fused(const std::byte* a, const std::byte* b, bool constant, size_t rows, uint64_t* bits) {
  if constexpr (std::is_same_v<T, double>) {
    // Both sides may hold NaN: only a constant that is a number takes the vector way.
    double c = *reinterpret_cast<const double*>(b);
    if (!constant || c != c) {
      for (size_t w = 0; w < bitmap_words(rows); ++w) {
        const T* x = reinterpret_cast<const T*>(a) + w * 64;
        const T* y = reinterpret_cast<const T*>(b) + (constant ? 0 : w * 64);
        bits[w] &= compare_scalar<T, op>(x, y, constant, std::min<size_t>(64, rows - w * 64));
      }
      return;
    }
  }
  (avx512 ? fused_avx512<T, op> : fused_avx2<T, op>)(a, b, constant, rows, bits);
}

template <class T>
fused_kernel of_type(fused_compare op) {
  switch (op) {
    case fused_compare::eq:
      return fused<T, fused_compare::eq>;
    case fused_compare::ne:
      return fused<T, fused_compare::ne>;
    case fused_compare::lt:
      return fused<T, fused_compare::lt>;
    case fused_compare::le:
      return fused<T, fused_compare::le>;
    case fused_compare::gt:
      return fused<T, fused_compare::gt>;
    case fused_compare::ge:
      return fused<T, fused_compare::ge>;
  }
  return nullptr;
}

}  // namespace

fused_kernel find_fused(type_id t, fused_compare op) {
  switch (t) {
    case type_id::int32:
    case type_id::date:
      return of_type<int32_t>(op);
    case type_id::int64:
    case type_id::timestamp:
      return of_type<int64_t>(op);
    case type_id::float64:
      return of_type<double>(op);
    default:
      return nullptr;
  }
}

}  // namespace weir::expr
