// Plain loops, which the compiler vectorises (-O3), in two builds each: AVX-512 has the comparisons
// and conversions of 64 bits that AVX2 lacks.
#include "runtime/column/narrow.hpp"

#include <algorithm>

#include "runtime/column/cpu.hpp"

namespace weir {
namespace {

#define WEIR_INLINE inline __attribute__((always_inline))

struct low_high {
  int64_t low = 0, high = 0;
  bool fits = true;  // all values are of 64 bits
};

WEIR_INLINE low_high range(const int64_t* v, uint32_t n) noexcept {
  int64_t low = v[0], high = v[0];
  for (uint32_t i = 1; i < n; ++i) {
    low = std::min(low, v[i]);
    high = std::max(high, v[i]);
  }
  return {low, high, true};
}

WEIR_INLINE low_high range(const int128* v, uint32_t n) noexcept {
  // Halves by themselves, since there are no comparisons of 128 bits: the upper one repeats the
  // sign of the lower one where 64 bits suffice.
  const auto* halves = reinterpret_cast<const int64_t*>(v);
  int64_t low = halves[0], high = halves[0], beyond = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const int64_t value = halves[2 * size_t{i}];
    low = std::min(low, value);
    high = std::max(high, value);
    beyond |= (value >> 63) ^ halves[2 * size_t{i} + 1];
  }
  return {low, high, beyond == 0};
}

template <class To>
WEIR_INLINE void subtract(std::byte* out, const int64_t* v, uint32_t n, int64_t base) noexcept {
  auto* to = reinterpret_cast<To*>(out);
  for (uint32_t i = 0; i < n; ++i)
    to[i] = static_cast<To>(static_cast<uint64_t>(v[i]) - static_cast<uint64_t>(base));
}
template <class To>
WEIR_INLINE void subtract(std::byte* out, const int128* v, uint32_t n, int64_t base) noexcept {
  auto* to = reinterpret_cast<To*>(out);
  const auto* halves = reinterpret_cast<const uint64_t*>(v);
  for (uint32_t i = 0; i < n; ++i)
    to[i] = static_cast<To>(halves[2 * size_t{i}] - static_cast<uint64_t>(base));
}

template <class From>
WEIR_INLINE void add(int64_t* to, const std::byte* in, uint32_t n, int64_t base) noexcept {
  const auto* from = reinterpret_cast<const From*>(in);
  for (uint32_t i = 0; i < n; ++i)
    to[i] = static_cast<int64_t>(static_cast<uint64_t>(base) + uint64_t{from[i]});
}
template <class From>
WEIR_INLINE void add(int128* out, const std::byte* in, uint32_t n, int64_t base) noexcept {
  const auto* from = reinterpret_cast<const From*>(in);
  auto* halves = reinterpret_cast<int64_t*>(out);
  for (uint32_t i = 0; i < n; ++i) {
    const auto value = static_cast<int64_t>(static_cast<uint64_t>(base) + uint64_t{from[i]});
    halves[2 * size_t{i}] = value;
    halves[2 * size_t{i} + 1] = value >> 63;
  }
}

template <class T>
WEIR_INLINE void narrow_all(std::byte* to, const T* v, uint32_t n, narrow_form f) noexcept {
  switch (f.bytes) {
    case 0:
      return;
    case 1:
      return subtract<uint8_t>(to, v, n, f.base);
    case 2:
      return subtract<uint16_t>(to, v, n, f.base);
    case 4:
      return subtract<uint32_t>(to, v, n, f.base);
    default:
      return subtract<uint64_t>(to, v, n, f.base);
  }
}

template <class T>
WEIR_INLINE void widen_all(T* to, const std::byte* from, uint32_t n, narrow_form f) noexcept {
  switch (f.bytes) {
    case 0:
      std::fill_n(to, n, T{f.base});
      return;
    case 1:
      return add<uint8_t>(to, from, n, f.base);
    case 2:
      return add<uint16_t>(to, from, n, f.base);
    case 4:
      return add<uint32_t>(to, from, n, f.base);
    default:
      return add<uint64_t>(to, from, n, f.base);
  }
}

template <class T>
low_high range_avx2(const T* v, uint32_t n) noexcept {
  return range(v, n);
}
template <class T>
WEIR_AVX512 low_high range_avx512(const T* v, uint32_t n) noexcept {
  return range(v, n);
}
template <class T>
void narrow_avx2(std::byte* to, const T* v, uint32_t n, narrow_form f) noexcept {
  narrow_all(to, v, n, f);
}
template <class T>
WEIR_AVX512 void narrow_avx512(std::byte* to, const T* v, uint32_t n, narrow_form f) noexcept {
  narrow_all(to, v, n, f);
}
template <class T>
void widen_avx2(T* to, const std::byte* from, uint32_t n, narrow_form f) noexcept {
  widen_all(to, from, n, f);
}
template <class T>
WEIR_AVX512 void widen_avx512(T* to, const std::byte* from, uint32_t n, narrow_form f) noexcept {
  widen_all(to, from, n, f);
}

template <class T>
std::optional<narrow_form> form_of(const T* v, uint32_t n) noexcept {
  const auto r = has_avx512() ? range_avx512(v, n) : range_avx2(v, n);
  if (!r.fits) return std::nullopt;
  const uint64_t distance = static_cast<uint64_t>(r.high) - static_cast<uint64_t>(r.low);
  const uint8_t bytes = distance == 0             ? 0
                        : distance <= 0xff        ? 1
                        : distance <= 0xffff      ? 2
                        : distance <= 0xffff'ffff ? 4
                                                  : 8;
  if (bytes >= sizeof(T)) return std::nullopt;
  return narrow_form{bytes, r.low};
}

}  // namespace

std::optional<narrow_form> narrow_form_of(const int64_t* v, uint32_t n) noexcept {
  return form_of(v, n);
}
std::optional<narrow_form> narrow_form_of(const int128* v, uint32_t n) noexcept {
  return form_of(v, n);
}
void narrow_values(std::byte* to, const int64_t* v, uint32_t n, narrow_form f) noexcept {
  has_avx512() ? narrow_avx512(to, v, n, f) : narrow_avx2(to, v, n, f);
}
void narrow_values(std::byte* to, const int128* v, uint32_t n, narrow_form f) noexcept {
  has_avx512() ? narrow_avx512(to, v, n, f) : narrow_avx2(to, v, n, f);
}
void widen_values(int64_t* to, const std::byte* from, uint32_t n, narrow_form f) noexcept {
  has_avx512() ? widen_avx512(to, from, n, f) : widen_avx2(to, from, n, f);
}
void widen_values(int128* to, const std::byte* from, uint32_t n, narrow_form f) noexcept {
  has_avx512() ? widen_avx512(to, from, n, f) : widen_avx2(to, from, n, f);
}

}  // namespace weir
