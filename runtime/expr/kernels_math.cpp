// Functions over float64 and integers: roots, powers, logarithms, trigonometry, bits, greatest.
#include <cmath>
#include <numeric>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/dense.hpp"
#include "runtime/expr/numeric.hpp"

namespace weir::expr {
namespace {

constexpr double pi = 3.14159265358979323846;

double checked(row_scope& r, double v, bool finite_input) {
  if (std::isinf(v) && finite_input) r.fail(errc::overflow, "value out of range: overflow");
  return v;
}
double refuse(row_scope& r, errc code, std::string_view what) {
  r.fail(code, what);
  return 0;
}

double power(row_scope& r, double a, double b) {
  if (a == 0 && b < 0)
    return refuse(r, errc::invalid_argument, "zero raised to a negative power is undefined");
  if (a < 0 && std::isfinite(b) && std::floor(b) != b)
    return refuse(r, errc::invalid_argument,
                  "a negative number raised to a non-integer power yields a complex result");
  double v = std::pow(a, b);
  if (v == 0 && a != 0 && std::isfinite(a) && std::isfinite(b))
    return refuse(r, errc::overflow, "value out of range: underflow");
  return checked(r, v, std::isfinite(a) && std::isfinite(b));
}
double logarithm(row_scope& r, double a, double (*f)(double)) {
  if (a == 0) return refuse(r, errc::invalid_argument, "cannot take logarithm of zero");
  if (a < 0) return refuse(r, errc::invalid_argument, "cannot take logarithm of a negative number");
  return f(a);
}
double in_range(row_scope& r, double a, double (*f)(double)) {
  if (a < -1 || a > 1) return refuse(r, errc::invalid_argument, "input is out of range");
  return f(a);
}
double of_finite(row_scope& r, double a, double (*f)(double)) {
  if (std::isinf(a)) return refuse(r, errc::invalid_argument, "input is out of range");
  return f(a);
}

void register_float(catalog& c) {
  constexpr auto f = type_id::float64, i4 = type_id::int32;
  auto one = [&](std::string_view name, auto fn) { c.row(name, {f}, f, fn); };
  one("sqrt", [](row_scope& r, double a) {
    return a < 0 ? refuse(r, errc::invalid_argument, "cannot take square root of a negative number")
                 : std::sqrt(a);
  });
  one("|/", [](row_scope& r, double a) {
    return a < 0 ? refuse(r, errc::invalid_argument, "cannot take square root of a negative number")
                 : std::sqrt(a);
  });
  one("cbrt", [](row_scope&, double a) { return std::cbrt(a); });
  one("||/", [](row_scope&, double a) { return std::cbrt(a); });
  one("exp", [](row_scope& r, double a) {
    double v = std::exp(a);
    if (v == 0 && std::isfinite(a))
      return refuse(r, errc::overflow, "value out of range: underflow");
    return checked(r, v, std::isfinite(a));
  });
  one("ln", [](row_scope& r, double a) { return logarithm(r, a, std::log); });
  for (auto name : {"log", "log10"})
    one(name, [](row_scope& r, double a) { return logarithm(r, a, std::log10); });
  c.row("log", {f, f}, f, [](row_scope& r, double base, double a) {
    double b = logarithm(r, base, std::log);
    double v = logarithm(r, a, std::log);
    if (b == 0) return refuse(r, errc::division_by_zero, "division by zero");
    return v / b;
  });
  for (auto name : {"^", "power", "pow"}) c.row(name, {f, f}, f, wrap<power>{});
  for (auto name : {"ceil", "ceiling"})
    one(name, [](row_scope&, double a) { return std::ceil(a); });
  one("floor", [](row_scope&, double a) { return std::floor(a); });
  one("round", [](row_scope&, double a) { return std::rint(a); });
  one("trunc", [](row_scope&, double a) { return std::trunc(a); });
  one("sign", [](row_scope&, double a) { return a > 0 ? 1.0 : a < 0 ? -1.0 : 0.0; });
  one("degrees", [](row_scope&, double a) { return a / (pi / 180); });
  one("radians", [](row_scope&, double a) { return a * (pi / 180); });
  one("sin", [](row_scope& r, double a) { return of_finite(r, a, std::sin); });
  one("cos", [](row_scope& r, double a) { return of_finite(r, a, std::cos); });
  one("tan", [](row_scope& r, double a) { return of_finite(r, a, std::tan); });
  one("asin", [](row_scope& r, double a) { return in_range(r, a, std::asin); });
  one("acos", [](row_scope& r, double a) { return in_range(r, a, std::acos); });
  one("atan", [](row_scope&, double a) { return std::atan(a); });
  one("sinh", [](row_scope&, double a) { return std::sinh(a); });
  one("cosh", [](row_scope&, double a) { return std::cosh(a); });
  one("tanh", [](row_scope&, double a) { return std::tanh(a); });
  c.row("atan2", {f, f}, f, [](row_scope&, double a, double b) { return std::atan2(a, b); });
  c.row("pi", {}, f, [](row_scope&) { return pi; });
  c.row(
      "width_bucket", {f, f, f, i4}, i4,
      [](row_scope& r, double v, double low, double high, int32_t n) -> int32_t {
        if (n <= 0 || low == high || std::isnan(v) || !std::isfinite(low) || !std::isfinite(high)) {
          r.fail(errc::invalid_argument, n <= 0        ? "count must be greater than zero"
                                         : low == high ? "lower bound cannot equal upper bound"
                                         : std::isnan(v)
                                             ? "operand, lower bound, and upper bound cannot be NaN"
                                             : "lower and upper bounds must be finite");
          return 0;
        }
        double at = low < high ? (v - low) / (high - low) : (low - v) / (low - high);
        if (at < 0) return 0;
        if (at >= 1) {
          if (n < INT32_MAX) return n + 1;
          r.fail(errc::overflow, "integer out of range");
          return 0;
        }
        return static_cast<int32_t>(at * n) + 1;
      });
}

template <class T>
struct and_bits {
  static T apply(T a, T b) { return a & b; }
};
template <class T>
struct or_bits {
  static T apply(T a, T b) { return a | b; }
};
template <class T>
struct xor_bits {
  static T apply(T a, T b) { return a ^ b; }
};
template <class T>
struct not_bits {
  static T apply(T a) { return ~a; }
};
// The count wraps as it does in PostgreSQL on x86.
template <class T>
struct shift_left {
  static T apply(T a, int32_t n) {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) << (n & (sizeof(T) * 8 - 1)));
  }
};
template <class T>
struct shift_right {
  static T apply(T a, int32_t n) { return a >> (n & static_cast<int>(sizeof(T) * 8 - 1)); }
};

template <class T>
T greatest_divisor(row_scope& r, T a, T b) {
  using u = std::make_unsigned_t<T>;
  auto size = [](T v) { return v < 0 ? static_cast<u>(0) - static_cast<u>(v) : static_cast<u>(v); };
  u g = std::gcd(size(a), size(b));
  if (g > static_cast<u>(std::numeric_limits<T>::max()))
    r.fail(errc::overflow, sizeof(T) == 4 ? "integer out of range" : "bigint out of range");
  return static_cast<T>(g);
}
template <class T>
T least_multiple(row_scope& r, T a, T b) {
  if (a == 0 || b == 0) return 0;
  T g = greatest_divisor(r, a, b), v;
  if (g == 0) return 0;
  if (__builtin_mul_overflow(static_cast<T>(a / g), b, &v) || v == std::numeric_limits<T>::min()) {
    r.fail(errc::overflow, sizeof(T) == 4 ? "integer out of range" : "bigint out of range");
    return 0;
  }
  return v < 0 ? static_cast<T>(-v) : v;
}

template <class T>
void register_integers(catalog& c, type_id t) {
  constexpr auto i4 = type_id::int32;
  c.add("&", {t, t}, t, dense2<and_bits<T>, T, T, T>, flag_infallible);
  c.add("|", {t, t}, t, dense2<or_bits<T>, T, T, T>, flag_infallible);
  c.add("#", {t, t}, t, dense2<xor_bits<T>, T, T, T>, flag_infallible);
  c.add("~", {t}, t, dense1<not_bits<T>, T, T>, flag_infallible);
  c.add("<<", {t, i4}, t, dense2<shift_left<T>, T, T, int32_t>, flag_infallible);
  c.add(">>", {t, i4}, t, dense2<shift_right<T>, T, T, int32_t>, flag_infallible);
  c.row("gcd", {t, t}, t, wrap<greatest_divisor<T>>{});
  c.row("lcm", {t, t}, t, wrap<least_multiple<T>>{});
}

}  // namespace

void register_math(catalog& c) {
  register_float(c);
  register_integers<int32_t>(c, type_id::int32);
  register_integers<int64_t>(c, type_id::int64);
  c.row("factorial", {type_id::int64}, type_id::decimal, [](row_scope& r, int64_t n) -> int128 {
    if (n < 0) r.fail(errc::invalid_argument, "factorial of a negative number is undefined");
    if (n > 33)
      r.fail(errc::overflow, "numeric field overflow: the result has more than 38 digits");
    int128 v = 1;
    for (int64_t i = 2; i <= n && n <= 33; ++i) v *= i;
    return v;
  });
}

}  // namespace weir::expr
