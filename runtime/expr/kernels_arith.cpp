// + - * and unary minus over int32, int64 and float64, / over float64, with PostgreSQL's errors.
#include <cmath>
#include <limits>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/dense.hpp"

namespace weir::expr {
namespace {

template <class T>
using wide_unsigned = std::make_unsigned_t<T>;

template <class T>
error out_of_range() {
  return {errc::overflow, sizeof(T) == 4 ? "integer out of range" : "bigint out of range"};
}

template <class T>
struct add_int {
  using fallible = void;
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<wide_unsigned<T>>(a) + static_cast<wide_unsigned<T>>(b));
  }
  static T bad(T a, T b, T r) { return (a ^ r) & (b ^ r); }
  static error why(T, T) { return out_of_range<T>(); }
};
template <class T>
struct sub_int {
  using fallible = void;
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<wide_unsigned<T>>(a) - static_cast<wide_unsigned<T>>(b));
  }
  static T bad(T a, T b, T r) { return (a ^ b) & (a ^ r); }
  static error why(T, T) { return out_of_range<T>(); }
};
struct mul_int32 {
  using fallible = void;
  static int32_t apply(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
  }
  static int32_t bad(int32_t a, int32_t b, int32_t) {
    int64_t w = static_cast<int64_t>(a) * b;
    return -static_cast<int32_t>(w != static_cast<int32_t>(w));
  }
  static error why(int32_t, int32_t) { return out_of_range<int32_t>(); }
};
struct mul_int64 {
  using fallible = void;
  static int64_t apply(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
  static int64_t bad(int64_t a, int64_t b, int64_t) {
    int64_t r;
    return -static_cast<int64_t>(__builtin_mul_overflow(a, b, &r));
  }
  static error why(int64_t, int64_t) { return out_of_range<int64_t>(); }
};
// By a constant: the factor overflows outside [low, high], which vectors check; the overflow flag
// of a multiplication they do not have.
using mul_loop = int64_t (*)(const int64_t*, int64_t*, size_t, int64_t, int64_t, int64_t);
int64_t mul_constant_avx2(const int64_t* x, int64_t* __restrict out, size_t n, int64_t c,
                          int64_t low, int64_t high) {
  int64_t bad = 0;
  for (size_t i = 0; i < n; ++i) {
    out[i] = mul_int64::apply(x[i], c);
    bad |= -static_cast<int64_t>(x[i] < low) | -static_cast<int64_t>(x[i] > high);
  }
  return bad;
}
// 64-bit products are one instruction here.
__attribute__((target("avx512f,avx512vl,avx512dq"))) int64_t mul_constant_avx512(
    const int64_t* x, int64_t* __restrict out, size_t n, int64_t c, int64_t low, int64_t high) {
  int64_t bad = 0;
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<int64_t>(static_cast<uint64_t>(x[i]) * static_cast<uint64_t>(c));
    bad |= -static_cast<int64_t>(x[i] < low) | -static_cast<int64_t>(x[i] > high);
  }
  return bad;
}
const mul_loop mul_constant =
    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") ? mul_constant_avx512
                                                                             : mul_constant_avx2;

void multiply_int64(run& r, const instruction& in) {
  size_t varying = r.at(in.args[1]).constant ? 0 : 1;
  if (!r.at(in.args[1 - varying]).constant)
    return dense2<mul_int64, int64_t, int64_t, int64_t>(r, in);
  int64_t c = constant_of<int64_t>(r, in.args[1 - varying]).v;
  constexpr int64_t max = INT64_MAX, min = INT64_MIN;
  int64_t low = c == 0 ? min : c == -1 ? -max : c > 0 ? min / c : max / c;
  int64_t high = c == 0 || c == -1 ? max : c > 0 ? max / c : min / c;
  reg& t = r.at(in.target);
  const auto* x = r.col(in.args[varying]).data<int64_t>();
  auto* out = r.values<int64_t>(t, r.rows);
  if (mul_constant(x, out, r.rows, c, low, high) < 0) [[unlikely]] {
    r.for_each_row(in, [&](uint32_t i) {
      if ((x[i] < low || x[i] > high) && r.args_valid(in, i))
        r.fail(in, i, out_of_range<int64_t>());
    });
  }
  r.strict_validity(in);
  r.publish(t);
}

template <class T>
struct negate_int {
  using fallible = void;
  static T apply(T a) { return static_cast<T>(0 - static_cast<wide_unsigned<T>>(a)); }
  static T bad(T a, T) { return -static_cast<T>(a == std::numeric_limits<T>::min()); }
  static error why(T) { return out_of_range<T>(); }
};
template <class T>
struct abs_int {
  using fallible = void;
  static T apply(T a) { return a < 0 ? negate_int<T>::apply(a) : a; }
  static T bad(T a, T r) { return negate_int<T>::bad(a, r); }
  static error why(T) { return out_of_range<T>(); }
};

constexpr double infinity = std::numeric_limits<double>::infinity();
int64_t mask(bool b) {
  return -static_cast<int64_t>(b);
}
error float_range(double r) {
  return {errc::overflow,
          r == 0 ? "value out of range: underflow" : "value out of range: overflow"};
}
struct add_float {
  using fallible = void;
  static double apply(double a, double b) { return a + b; }
  static int64_t bad(double a, double b, double r) {
    return mask(std::fabs(r) == infinity) & mask(std::fabs(a) != infinity) &
           mask(std::fabs(b) != infinity);
  }
  static error why(double, double) { return float_range(1); }
};
struct sub_float {
  using fallible = void;
  static double apply(double a, double b) { return a - b; }
  static int64_t bad(double a, double b, double r) { return add_float::bad(a, b, r); }
  static error why(double, double) { return float_range(1); }
};
struct mul_float {
  using fallible = void;
  static double apply(double a, double b) { return a * b; }
  static int64_t bad(double a, double b, double r) {
    return add_float::bad(a, b, r) | (mask(r == 0) & mask(a != 0) & mask(b != 0));
  }
  static error why(double a, double b) { return float_range(a * b); }
};
struct div_float {
  using fallible = void;
  static double apply(double a, double b) { return a / b; }
  static int64_t bad(double a, double b, double r) {
    // Zero divides NaN only.
    return (mask(b == 0) & mask(a == a)) |
           (mask(std::fabs(r) == infinity) & mask(std::fabs(a) != infinity)) |
           (mask(r == 0) & mask(a != 0) & mask(std::fabs(b) != infinity));
  }
  static error why(double a, double b) {
    if (b == 0) return {errc::division_by_zero, "division by zero"};
    return float_range(a / b);
  }
};
struct negate_float {
  static double apply(double a) { return -a; }
};
struct abs_float {
  static double apply(double a) { return std::fabs(a); }
};

template <class T>
void add_integers(catalog& c, type_id t) {
  c.add("+", {t, t}, t, dense2<add_int<T>, T, T, T>, flag_dense);
  c.add("-", {t, t}, t, dense2<sub_int<T>, T, T, T>, flag_dense);
  c.add("-", {t}, t, dense1<negate_int<T>, T, T>, flag_dense);
  c.add("abs", {t}, t, dense1<abs_int<T>, T, T>, flag_dense);
}

}  // namespace

void register_arithmetic(catalog& c) {
  constexpr auto i4 = type_id::int32, i8 = type_id::int64, f8 = type_id::float64;
  add_integers<int32_t>(c, i4);
  add_integers<int64_t>(c, i8);
  c.add("*", {i4, i4}, i4, dense2<mul_int32, int32_t, int32_t, int32_t>, flag_dense);
  c.add("*", {i8, i8}, i8, multiply_int64, flag_dense);
  c.add("+", {f8, f8}, f8, dense2<add_float, double, double, double>, flag_dense);
  c.add("-", {f8, f8}, f8, dense2<sub_float, double, double, double>, flag_dense);
  c.add("*", {f8, f8}, f8, dense2<mul_float, double, double, double>, flag_dense);
  c.add("/", {f8, f8}, f8, dense2<div_float, double, double, double>, flag_dense);
  c.add("-", {f8}, f8, dense1<negate_float, double, double>, flag_infallible);
  c.add("abs", {f8}, f8, dense1<abs_float, double, double>, flag_infallible);
}

}  // namespace weir::expr
