#include "runtime/expr/numeric.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "runtime/column/text.hpp"

namespace weir::expr {
namespace {

using uint128 = unsigned __int128;

// hi * 2^128 + lo
struct uint256 {
  uint128 hi = 0, lo = 0;
};

uint256 wide_product(uint128 a, uint128 b) {
  constexpr uint128 low = ~uint64_t{0};
  uint128 a0 = a & low, a1 = a >> 64, b0 = b & low, b1 = b >> 64;
  uint128 p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  uint128 mid = (p00 >> 64) + (p01 & low) + (p10 & low);
  return {p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64), (p00 & low) | (mid << 64)};
}

// Long division bit by bit: the rare way, when the product leaves 128 bits. The quotient must fit
// 128 bits (hi < d).
uint128 wide_divide(uint256 n, uint128 d, uint128& rest) {
  uint128 r = n.hi, q = 0;
  for (int i = 127; i >= 0; --i) {
    bool carry = r >> 127;
    r = r << 1 | (n.lo >> i & 1);
    q <<= 1;
    if (carry || r >= d) {
      r -= d;
      q |= 1;
    }
  }
  rest = r;
  return q;
}

std::optional<int128> quotient(uint256 n, uint128 d, bool negative, bool truncate) {
  if (n.hi >= d) return std::nullopt;
  uint128 rest, q;
  if (n.hi == 0) {
    q = n.lo / d;
    rest = n.lo % d;
  } else {
    q = wide_divide(n, d, rest);
  }
  if (!truncate && rest >= d - rest) ++q;
  if (q >= static_cast<uint128>(powers_of_ten[38])) return std::nullopt;
  return negative ? -static_cast<int128>(q) : static_cast<int128>(q);
}

uint128 magnitude(int128 v) {
  return v < 0 ? -static_cast<uint128>(v) : static_cast<uint128>(v);
}

}  // namespace

std::optional<int128> multiply(int128 a, int128 b, int drop) {
  int128 r;
  if (drop == 0) {
    if (__builtin_mul_overflow(a, b, &r) || !decimal_fits(r)) return std::nullopt;
    return r;
  }
  return quotient(wide_product(magnitude(a), magnitude(b)),
                  static_cast<uint128>(power_of_ten(drop)), (a < 0) != (b < 0), false);
}

std::optional<int128> divide(int128 a, int128 b, int raise, bool truncate) {
  return quotient(wide_product(magnitude(a), static_cast<uint128>(power_of_ten(raise))),
                  magnitude(b), (a < 0) != (b < 0), truncate);
}

std::optional<int128> decimal_of_float(double v, int scale) {
  if (!std::isfinite(v)) return std::nullopt;
  char text[64];
  int n = std::snprintf(text, sizeof text, "%.*e", 14, v);
  return parse_decimal(std::string_view(text, static_cast<size_t>(n)), static_cast<uint8_t>(scale));
}

double float_of_decimal(int128 v, int scale) {
  // Exact when both parts are: 53 bits of digits and 10^22.
  if (magnitude(v) < (uint128{1} << 53) && scale <= 22)
    return static_cast<double>(v) / static_cast<double>(power_of_ten(scale));
  char text[decimal_chars_max];
  char* end = format_decimal(text, v, static_cast<uint8_t>(scale));
  return parse_float64({text, static_cast<size_t>(end - text)}).value_or(0);
}

}  // namespace weir::expr
