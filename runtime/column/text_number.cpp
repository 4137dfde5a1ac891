#include <fast_float/fast_float.h>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "runtime/column/digits.hpp"
#include "runtime/column/text.hpp"

namespace weir {
namespace {

constexpr uint64_t power10[20] = {1ull,
                                  10ull,
                                  100ull,
                                  1000ull,
                                  10000ull,
                                  100000ull,
                                  1000000ull,
                                  10000000ull,
                                  100000000ull,
                                  1000000000ull,
                                  10000000000ull,
                                  100000000000ull,
                                  1000000000000ull,
                                  10000000000000ull,
                                  100000000000000ull,
                                  1000000000000000ull,
                                  10000000000000000ull,
                                  100000000000000000ull,
                                  1000000000000000000ull,
                                  10000000000000000000ull};
using uint128 = unsigned __int128;
constexpr int decimal_digits_max = 38;

constexpr uint128 power10_wide(int n) {
  uint128 v = 1;
  for (int i = 0; i < n; ++i) v *= 10;
  return v;
}

int count_digits(uint64_t v) noexcept {
  // log10(2) = 1233/4096, then corrected by one comparison.
  int t = (std::bit_width(v | 1) * 1233) >> 12;
  return t + (v >= power10[t]) + (v == 0 && t == 0);
}

// Exactly eight digits, by divisions that do not wait for each other.
void put8(char* p, uint32_t v) noexcept {
  const uint32_t high = v / 10000, low = v % 10000;
  put2(p, high / 100);
  put2(p + 2, high % 100);
  put2(p + 4, low / 100);
  put2(p + 6, low % 100);
}

char* format_uint64(char* p, uint64_t v) noexcept {
  if (v < 10) {
    *p = static_cast<char>('0' + v);
    return p + 1;
  }
  const int n = count_digits(v);
  char* q = p + n;
  while (v >= 100'000'000) {
    q -= 8;
    put8(q, static_cast<uint32_t>(v % 100'000'000));
    v /= 100'000'000;
  }
  auto rest = static_cast<uint32_t>(v);
  while (rest >= 100) {
    q -= 2;
    put2(q, rest % 100);
    rest /= 100;
  }
  if (q - p == 2)
    put2(p, rest);
  else
    *p = static_cast<char>('0' + rest);
  return p + n;
}

char* format_uint128(char* p, uint128 v) noexcept {
  constexpr uint64_t chunk = 10'000'000'000'000'000'000ull;  // 10^19
  if (v <= UINT64_MAX) return format_uint64(p, static_cast<uint64_t>(v));
  p = format_uint128(p, v / chunk);
  auto low = static_cast<uint64_t>(v % chunk);
  for (int i = 18; i >= 0; --i) {
    p[i] = static_cast<char>('0' + low % 10);
    low /= 10;
  }
  return p + 19;
}

// Digits and exponent of a decimal number in text: value = digits * 10^exponent.
struct parsed_decimal {
  uint128 digits = 0;
  int64_t exponent = 0;
  bool negative = false;
  int next_digit = 0;  // the first digit that did not fit, for rounding
};

// At most 38 significant digits are kept; more only move the exponent (and round, if fraction).
std::optional<parsed_decimal> scan_decimal(std::string_view s) noexcept {
  parsed_decimal d;
  const char *p = s.data(), *end = p + s.size();
  if (p != end && (*p == '-' || *p == '+')) d.negative = *p++ == '-';
  bool any = false, point = false;
  int kept = 0;
  int64_t exponent = 0;
  for (; p != end; ++p) {
    if (*p == '.' && !point) {
      point = true;
      continue;
    }
    unsigned c = static_cast<unsigned char>(*p) - '0';
    if (c > 9) break;
    any = true;
    if (kept < decimal_digits_max) {
      d.digits = d.digits * 10 + c;
      kept += d.digits != 0;
      exponent -= point;
    } else {
      if (kept == decimal_digits_max) d.next_digit = static_cast<int>(c);
      ++kept;
      exponent += !point;
    }
  }
  if (!any) return std::nullopt;
  if (p != end && (*p == 'e' || *p == 'E')) {
    int value = 0;
    if (++p != end && *p == '+') {
      ++p;
      if (p != end && *p == '-') return std::nullopt;
    }
    auto r = std::from_chars(p, end, value);
    if (r.ec != std::errc() || value > 100000 || value < -100000) return std::nullopt;
    p = r.ptr;
    exponent += value;
  }
  if (p != end) return std::nullopt;
  d.exponent = exponent;
  return d;
}

// The common case: at most eighteen characters, no exponent, nothing to round.
std::optional<int128> parse_short_decimal(std::string_view s, uint8_t scale) noexcept {
  if (s.size() > 18) return std::nullopt;
  const char *p = s.data(), *end = p + s.size();
  const bool negative = p != end && *p == '-';
  p += negative;
  const char *first = p, *point = nullptr;
  uint64_t v = 0;
  for (; p != end; ++p) {
    const unsigned c = static_cast<unsigned char>(*p) - '0';
    if (c <= 9)
      v = v * 10 + c;
    else if (*p == '.' && !point)
      point = p;
    else
      return std::nullopt;
  }
  const auto fraction = point ? end - point - 1 : 0;
  const bool any = end - first > (point ? 1 : 0);
  // 18 digits times 10^19 stay below 10^38.
  if (!any || fraction > scale || scale - fraction > 19) return std::nullopt;
  const auto wide = static_cast<int128>(v) * power10[scale - fraction];
  return negative ? -wide : wide;
}

}  // namespace

char* format_int64(char* p, int64_t v) noexcept {
  *p = '-';
  p += v < 0;
  return format_uint64(p, v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v));
}

char* format_bool(char* p, bool v) noexcept {
  std::memcpy(p, v ? "true" : "false", v ? 4 : 5);
  return p + (v ? 4 : 5);
}

char* format_float64(char* p, double v) noexcept {
  if (std::isnan(v)) {
    std::memcpy(p, "NaN", 3);
    return p + 3;
  }
  if (std::signbit(v)) *p++ = '-';
  v = std::fabs(v);
  if (std::isinf(v)) {
    std::memcpy(p, "Infinity", 8);
    return p + 8;
  }
  // Whole numbers below 10^15 are their integer's digits.
  if (v < 1e15 && v == std::floor(v)) return format_uint64(p, static_cast<uint64_t>(v));
  // Up to six digits after the point and fifteen in all: when the correctly rounded quotient is v,
  // these digits read back as v, and no other text of at most fifteen digits does.
  if (v < 1e9 && v >= 1e-4) {
    const auto n = static_cast<uint64_t>(v * 1e6 + 0.5);
    if (static_cast<double>(n) / 1e6 == v) {
      p = format_uint64(p, n / 1'000'000);
      const auto fraction = static_cast<uint32_t>(n % 1'000'000);
      *p = '.';
      put2(p + 1, fraction / 10000);
      put2(p + 3, fraction / 100 % 100);
      put2(p + 5, fraction % 100);
      p += 7;
      while (p[-1] == '0') --p;
      return p;
    }
  }
  char sci[40];
  const char* end = std::to_chars(sci, sci + sizeof sci, v, std::chars_format::scientific).ptr;
  const char* e = end - 1;
  while (*e != 'e') --e;
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  // PostgreSQL's rule: plain digits from 10^-4 up to 10^15, else "1.5e+20" (as to_chars has it).
  if (exponent < -4 || exponent >= 15) {
    std::memcpy(p, sci, static_cast<size_t>(end - sci));
    return p + (end - sci);
  }
  const size_t n_rest = e - sci > 2 ? static_cast<size_t>(e - sci - 2) : 0;
  const char* rest = sci + 2;
  if (exponent < 0) {
    *p++ = '0';
    *p++ = '.';
    for (int i = -1; i > exponent; --i) *p++ = '0';
    *p++ = sci[0];
    std::memcpy(p, rest, n_rest);
    return p + n_rest;
  }
  // Not whole, so there are more digits than `exponent`.
  *p++ = sci[0];
  std::memcpy(p, rest, static_cast<size_t>(exponent));
  p += exponent;
  *p++ = '.';
  std::memcpy(p, rest + exponent, n_rest - static_cast<size_t>(exponent));
  return p + n_rest - exponent;
}

char* format_decimal(char* p, int128 v, uint8_t scale) noexcept {
  if (v < 0) *p++ = '-';
  uint128 u = v < 0 ? 0 - static_cast<uint128>(v) : static_cast<uint128>(v);
  if (scale == 0) return format_uint128(p, u);
  char digits[40];
  char* end = format_uint128(digits, u);
  auto n = static_cast<int>(end - digits);
  const int whole = n - scale;
  if (whole <= 0) {
    *p++ = '0';
    *p++ = '.';
    for (int i = whole; i < 0; ++i) *p++ = '0';
    std::memcpy(p, digits, static_cast<size_t>(n));
    return p + n;
  }
  std::memcpy(p, digits, static_cast<size_t>(whole));
  p += whole;
  *p++ = '.';
  std::memcpy(p, digits + whole, scale);
  return p + scale;
}

std::optional<int64_t> parse_int64(std::string_view s) noexcept {
  const char *p = s.data(), *end = p + s.size();
  if (p == end) return std::nullopt;
  const bool negative = *p == '-';
  if (negative || *p == '+') ++p;
  auto n = end - p;
  if (n == 0) return std::nullopt;
  uint64_t v = 0;
  if (n > 18) {
    while (n > 1 && *p == '0') ++p, --n;
    if (n > 19) return std::nullopt;
  }
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t chunk;
    std::memcpy(&chunk, p, 8);
    if (!eight_digits(chunk)) return std::nullopt;
    v = v * 100'000'000 + eight_digits_value(chunk);
  }
  for (; n > 0; ++p, --n) {
    unsigned c = static_cast<unsigned char>(*p) - '0';
    if (c > 9) return std::nullopt;
    v = v * 10 + c;
  }
  // 19 digits fit uint64.
  if (v > static_cast<uint64_t>(INT64_MAX) + negative) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - v : v);
}

std::optional<int32_t> parse_int32(std::string_view s) noexcept {
  auto v = parse_int64(s);
  if (!v || *v != static_cast<int32_t>(*v)) return std::nullopt;
  return static_cast<int32_t>(*v);
}

std::optional<double> parse_float64(std::string_view s) noexcept {
  const char *p = s.data(), *end = p + s.size();
  if (p != end && *p == '+') {
    ++p;
    if (p != end && *p == '-') return std::nullopt;
  }
  if (p == end) return std::nullopt;
  double v = 0;
  auto r = fast_float::from_chars(p, end, v);
  if (r.ec != std::errc() || r.ptr != end) return std::nullopt;
  if (std::isinf(v)) [[unlikely]] {
    const char c = *p == '-' ? p[1] : *p;
    if (c != 'i' && c != 'I') return std::nullopt;  // a number that is too large
  }
  if (v == 0) [[unlikely]] {
    for (; p != end && *p != 'e' && *p != 'E'; ++p)
      if (*p >= '1' && *p <= '9') return std::nullopt;  // a number that is too small
  }
  return v;
}

std::optional<bool> parse_bool(std::string_view s) noexcept {
  if (s.empty() || s.size() > 5) return std::nullopt;
  char low[5] = {};
  for (size_t i = 0; i < s.size(); ++i)
    low[i] = s[i] >= 'A' && s[i] <= 'Z' ? static_cast<char>(s[i] + 32) : s[i];
  std::string_view t(low, s.size());
  if (t == "true" || t == "t" || t == "1" || t == "yes" || t == "y" || t == "on") return true;
  if (t == "false" || t == "f" || t == "0" || t == "no" || t == "n" || t == "off") return false;
  return std::nullopt;
}

std::optional<int128> parse_decimal(std::string_view s, uint8_t scale) noexcept {
  if (auto v = parse_short_decimal(s, scale)) return v;
  auto d = scan_decimal(s);
  if (!d || scale > decimal_digits_max) return std::nullopt;
  int64_t shift = d->exponent + scale;
  uint128 v = d->digits;
  if (shift >= 0) {
    if (v != 0) {
      if (shift > decimal_digits_max) return std::nullopt;
      const uint128 factor = power10_wide(static_cast<int>(shift));
      if (v > (power10_wide(decimal_digits_max) - 1) / factor) return std::nullopt;
      v *= factor;
    }
    if (shift == 0 && d->next_digit >= 5) ++v;
  } else if (shift < -decimal_digits_max) {
    v = 0;
  } else {
    const uint128 divisor = power10_wide(static_cast<int>(-shift));
    const uint128 rest = v % divisor;
    v = v / divisor + (rest >= divisor - rest);
  }
  if (v >= power10_wide(decimal_digits_max)) return std::nullopt;
  return d->negative ? -static_cast<int128>(v) : static_cast<int128>(v);
}

std::optional<decimal_text> parse_decimal(std::string_view s) noexcept {
  auto d = scan_decimal(s);
  if (!d || d->exponent < -decimal_digits_max) return std::nullopt;
  const auto scale = static_cast<uint8_t>(d->exponent < 0 ? -d->exponent : 0);
  auto v = parse_decimal(s, scale);
  if (!v) return std::nullopt;
  return decimal_text{*v, scale};
}

}  // namespace weir
