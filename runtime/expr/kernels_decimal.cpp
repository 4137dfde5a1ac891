// Arithmetic over decimal(38, scale). The binder brings both sides of + - % to one scale.
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/dense.hpp"
#include "runtime/expr/numeric.hpp"

namespace weir::expr {
namespace {

int128 or_overflow(row_scope& row, std::optional<int128> v) {
  if (v) return *v;
  row.fail(errc::overflow, "numeric field overflow: the result has more than 38 digits");
  return 0;
}
std::optional<int128> fitting(int128 v) {
  return decimal_fits(v) ? std::optional<int128>(v) : std::nullopt;
}
int128 divided(row_scope& row, decimal_value a, decimal_value b) {
  if (b.v == 0) {
    row.fail(errc::division_by_zero, "division by zero");
    return 0;
  }
  // (a / 10^sa) / (b / 10^sb) = a * 10^(s + sb - sa) / b / 10^s
  int raise = row.result_scale() + b.scale - a.scale;
  if (raise >= 0 && raise <= 38) return or_overflow(row, divide(a.v, b.v, raise));
  if (raise > 38) return or_overflow(row, a.v == 0 ? std::optional<int128>(0) : std::nullopt);
  return or_overflow(row, divide(divide_rounded(a.v, -raise), b.v, 0));
}
// To `digits` after the point (negative: before it), cut or rounded; the result's scale is fixed.
int128 rounded(row_scope& row, decimal_value v, int32_t digits, bool truncate) {
  int drop = v.scale - digits;
  int128 r = v.v;
  if (drop > 38) return 0;
  if (drop > 0) {
    int128 p = power_of_ten(drop);
    r = truncate ? v.v / p * p : 0;
    if (!truncate) {
      int128 q = divide_rounded(v.v, drop);
      if (__builtin_mul_overflow(q, p, &r)) return or_overflow(row, std::nullopt);
    }
  }
  return or_overflow(row, rescale(r, v.scale, row.result_scale()));
}
int128 floored(decimal_value v, bool up) {
  int128 p = power_of_ten(v.scale), q = v.v / p, rest = v.v % p;
  if (rest < 0 && !up) --q;
  if (rest > 0 && up) ++q;
  return q;
}

struct product_of_rows {
  int128 operator()(row_scope& r, decimal_value a, decimal_value b) const {
    return or_overflow(r, multiply(a.v, b.v, a.scale + b.scale - r.result_scale()));
  }
};
template <class T>
struct product_with_integer {
  int128 operator()(row_scope& r, decimal_value a, T b) const {
    return or_overflow(r, multiply(a.v, b, 0));
  }
};

/// Not 0 when the value has more than 64 bits.
template <class T>
uint64_t beyond_64(T v) {
  if constexpr (sizeof(T) < 16) return 0;
  return static_cast<uint64_t>(static_cast<int128>(v) >> 64) ^
         static_cast<uint64_t>(static_cast<int64_t>(v) >> 63);
}

/// Products of values of 64 bits, which have 38 digits at most: one multiplication. False when some
/// value has more.
template <class A, class B>
bool multiply_small(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  int128* __restrict out = r.values<int128>(t, r.rows);
  uint64_t large = 0;
  with_operands<A, B>(r, in, [&](auto a, auto b) {
    for (size_t i = 0; i < r.rows; ++i) {
      const A x = a[i];
      const B y = b[i];
      large |= beyond_64(x) | beyond_64(y);
      const int128 product = static_cast<int128>(static_cast<int64_t>(x)) * static_cast<int64_t>(y);
      std::memcpy(static_cast<void*>(out + i), &product, sizeof product);
    }
  });
  if (large) return false;
  r.strict_validity(in);
  r.publish(t);
  return true;
}
void multiply_decimals(run& r, const instruction& in) {
  const int digits = r.type_of(in.args[0]).scale + r.type_of(in.args[1]).scale;
  if (digits != r.type_of(in.target).scale || !multiply_small<int128, int128>(r, in))
    row_kernel<product_of_rows>(r, in);
}
/// decimal * integer::decimal, without making the latter.
template <class T>
void times_integer(run& r, const instruction& in) {
  if (!multiply_small<int128, T>(r, in)) row_kernel<product_with_integer<T>>(r, in);
}

}  // namespace

void register_decimal(catalog& c) {
  constexpr auto d = type_id::decimal, i4 = type_id::int32;
  using dec = decimal_value;
  c.row(
      "+", {d, d}, d,
      [](row_scope& r, dec a, dec b) {
        int128 v;
        return or_overflow(r, __builtin_add_overflow(a.v, b.v, &v) ? std::nullopt : fitting(v));
      },
      scale_rule::common);
  c.row(
      "-", {d, d}, d,
      [](row_scope& r, dec a, dec b) {
        int128 v;
        return or_overflow(r, __builtin_sub_overflow(a.v, b.v, &v) ? std::nullopt : fitting(v));
      },
      scale_rule::common);
  c.add("*", {d, d}, d, multiply_decimals, flag_dense, scale_rule::product);
  c.add(decimal_times_integer, {d, type_id::int64}, d, times_integer<int64_t>, flag_dense);
  c.add(decimal_times_integer, {d, i4}, d, times_integer<int32_t>, flag_dense);
  c.row(
      "/", {d, d}, d, [](row_scope& r, dec a, dec b) { return divided(r, a, b); },
      scale_rule::quotient);
  auto modulo = [](row_scope& r, dec a, dec b) -> int128 {
    if (b.v != 0) return a.v % b.v;
    r.fail(errc::division_by_zero, "division by zero");
    return 0;
  };
  c.row("%", {d, d}, d, modulo, scale_rule::common);
  c.row("mod", {d, d}, d, modulo, scale_rule::common);
  c.row(
      "div", {d, d}, d,
      [](row_scope& r, dec a, dec b) -> int128 {
        if (b.v == 0) {
          r.fail(errc::division_by_zero, "division by zero");
          return 0;
        }
        int raise = b.scale - a.scale;
        if (raise >= 0) return or_overflow(r, divide(a.v, b.v, raise, true));
        int128 scaled;
        if (__builtin_mul_overflow(b.v, power_of_ten(-raise), &scaled)) return 0;
        return a.v / scaled;
      },
      scale_rule::zero);
  c.row(
      "-", {d}, d, [](row_scope&, dec a) -> int128 { return -a.v; }, scale_rule::first);
  c.row(
      "abs", {d}, d, [](row_scope&, dec a) { return absolute(a.v); }, scale_rule::first);
  c.row(
      "sign", {d}, d, [](row_scope&, dec a) -> int128 { return a.v > 0   ? 1
                                                               : a.v < 0 ? -1
                                                                         : 0; },
      scale_rule::zero);
  c.row(
      "round", {d}, d, [](row_scope&, dec a) { return divide_rounded(a.v, a.scale); },
      scale_rule::zero);
  c.row(
      "trunc", {d}, d, [](row_scope&, dec a) -> int128 { return a.v / power_of_ten(a.scale); },
      scale_rule::zero);
  c.row(
      "floor", {d}, d, [](row_scope&, dec a) { return floored(a, false); }, scale_rule::zero);
  for (auto name : {"ceil", "ceiling"})
    c.row(
        name, {d}, d, [](row_scope&, dec a) { return floored(a, true); }, scale_rule::zero);
  c.row(
      "round", {d, i4}, d, [](row_scope& r, dec a, int32_t n) { return rounded(r, a, n, false); },
      scale_rule::second_value);
  c.row(
      "trunc", {d, i4}, d, [](row_scope& r, dec a, int32_t n) { return rounded(r, a, n, true); },
      scale_rule::second_value);
  // numeric(p, s): a value with more than p digits is refused.
  c.row(
      "check_precision", {d, i4}, d,
      [](row_scope& r, dec a, int32_t p) -> int128 {
        if (absolute(a.v) < power_of_ten(p)) return a.v;
        r.fail(errc::overflow,
               "numeric field overflow: more than " + std::to_string(p) + " digits");
        return 0;
      },
      scale_rule::first);
}

}  // namespace weir::expr
