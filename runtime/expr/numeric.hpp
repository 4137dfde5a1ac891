// decimal(38, scale) as int128: powers of ten, rescaling, products and quotients through 256 bits.
// Pure functions; nothing on overflow.
#pragma once

#include <array>
#include <optional>

#include "runtime/column/scalar.hpp"

namespace weir::expr {

inline constexpr auto powers_of_ten = [] {
  std::array<int128, 39> t{};
  t[0] = 1;
  for (int i = 1; i < 39; ++i) t[static_cast<size_t>(i)] = t[static_cast<size_t>(i - 1)] * 10;
  return t;
}();
inline int128 power_of_ten(int n) {
  return powers_of_ten[static_cast<size_t>(n)];
}
/// 38 digits at most.
inline bool decimal_fits(int128 v) {
  return v < powers_of_ten[38] && v > -powers_of_ten[38];
}
inline int128 absolute(int128 v) {
  return v < 0 ? -v : v;
}
/// v / 10^digits, halves away from zero.
inline int128 divide_rounded(int128 v, int digits) {
  if (digits == 0) return v;
  if (digits > 38) return 0;
  int128 p = power_of_ten(digits), q = v / p, rest = v % p;
  if (absolute(rest) * 2 >= p && rest != 0) {
    // |rest| * 2 fits: rest < 10^38 and 2 * 10^38 may exceed int128 only when digits is 38.
    q += v < 0 ? -1 : 1;
  }
  return q;
}
/// From one scale to another.
inline std::optional<int128> rescale(int128 v, int from, int to) {
  if (to <= from) return divide_rounded(v, from - to);
  if (to - from > 38) return v == 0 ? std::optional<int128>(0) : std::nullopt;
  int128 r;
  if (__builtin_mul_overflow(v, power_of_ten(to - from), &r) || !decimal_fits(r))
    return std::nullopt;
  return r;
}
/// a * b / 10^drop, rounded.
std::optional<int128> multiply(int128 a, int128 b, int drop);
/// a * 10^raise / b, rounded (halves away from zero); b is not 0. With `truncate`, cut instead.
std::optional<int128> divide(int128 a, int128 b, int raise, bool truncate = false);
/// The nearest decimal to a number with 15 significant digits, as PostgreSQL converts float8.
std::optional<int128> decimal_of_float(double v, int scale);
/// The nearest float64.
double float_of_decimal(int128 v, int scale);

}  // namespace weir::expr
