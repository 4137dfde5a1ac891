// Casts between fixed-width types. Those to and from text are in kernels_cast_text.cpp.
#include <cmath>

#include "runtime/column/calendar.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/dense.hpp"
#include "runtime/expr/numeric.hpp"

namespace weir::expr {
namespace {

template <class R, class A>
struct widen {
  static R apply(A a) { return static_cast<R>(a); }
};
struct to_boolean {
  static uint8_t apply(int32_t a) { return a != 0; }
};
struct narrow {
  using fallible = void;
  static int32_t apply(int64_t a) { return static_cast<int32_t>(a); }
  static int64_t bad(int64_t a, int32_t r) { return -static_cast<int64_t>(a != r); }
  static error why(int64_t) { return {errc::overflow, "integer out of range"}; }
};
// Rounds halves to even, as PostgreSQL does for float8.
template <class R>
struct round_float {
  using fallible = void;
  static constexpr double limit = sizeof(R) == 4 ? 2147483648.0 : 9223372036854775808.0;
  static bool fits(double v) { return v >= -limit && v < limit; }
  static R apply(double a) {
    double v = __builtin_rint(a);
    return fits(v) ? static_cast<R>(v) : 0;
  }
  static int64_t bad(double a, R) { return -static_cast<int64_t>(!fits(__builtin_rint(a))); }
  static error why(double) {
    return {errc::overflow, sizeof(R) == 4 ? "integer out of range" : "bigint out of range"};
  }
};
struct date_to_timestamp {
  using fallible = void;
  static constexpr int32_t limit = 106'751'990;  // days whose microseconds fit int64
  static int64_t apply(int32_t d) {
    return static_cast<int64_t>(static_cast<uint64_t>(static_cast<int64_t>(d)) *
                                static_cast<uint64_t>(micros_per_day));
  }
  static int64_t bad(int32_t d, int64_t) { return -static_cast<int64_t>(d > limit || d < -limit); }
  static error why(int32_t) { return {errc::overflow, "date out of range for timestamp"}; }
};
struct timestamp_to_date {
  static int32_t apply(int64_t t) { return day_of(t); }
};

int128 integer_to_decimal(row_scope& row, int128 v) {
  auto r = rescale(v, 0, row.result_scale());
  if (r) return *r;
  row.fail(errc::overflow, "numeric field overflow");
  return 0;
}
template <class T>
struct integer_row {
  int128 operator()(row_scope& r, T v) const { return integer_to_decimal(r, v); }
};

template <class T>
void cast_integer(run& r, const instruction& in) {
  const int scale = r.type_of(in.target).scale;
  // 19 digits and as many zeros are 38.
  if (scale > 19) return row_kernel<integer_row<T>>(r, in);
  const int128 factor = power_of_ten(scale);
  reg& t = r.at(in.target);
  auto* __restrict out = r.values<int128>(t, r.rows);
  const auto* x = r.col(in.args[0]).data<T>();
  if (scale == 0)
    for (size_t i = 0; i < r.rows; ++i) out[i] = x[i];
  else
    for (size_t i = 0; i < r.rows; ++i) out[i] = factor * x[i];
  r.strict_validity(in);
  r.publish(t);
}
int64_t decimal_to_integer(row_scope& row, decimal_value v, int64_t low, int64_t high,
                           std::string_view name) {
  int128 r = divide_rounded(v.v, v.scale);
  if (r >= low && r <= high) return static_cast<int64_t>(r);
  row.fail(errc::overflow, name);
  return 0;
}

}  // namespace

void register_casts_text(catalog&);

void register_casts(catalog& c) {
  constexpr auto b = type_id::boolean, i4 = type_id::int32, i8 = type_id::int64,
                 f8 = type_id::float64, dec = type_id::decimal, date = type_id::date,
                 ts = type_id::timestamp;
  constexpr auto free = flag_infallible;
  c.add("cast", {i4}, i8, dense1<widen<int64_t, int32_t>, int64_t, int32_t>, free);
  c.add("cast", {i4}, f8, dense1<widen<double, int32_t>, double, int32_t>, free);
  c.add("cast", {i8}, f8, dense1<widen<double, int64_t>, double, int64_t>, free);
  c.add("cast", {b}, i4, dense1<widen<int32_t, uint8_t>, int32_t, uint8_t>, free);
  c.add("cast", {i4}, b, dense1<to_boolean, uint8_t, int32_t>, free);
  c.add("cast", {i8}, i4, dense1<narrow, int32_t, int64_t>, flag_dense);
  c.add("cast", {f8}, i4, dense1<round_float<int32_t>, int32_t, double>, flag_dense);
  c.add("cast", {f8}, i8, dense1<round_float<int64_t>, int64_t, double>, flag_dense);
  c.add("cast", {date}, ts, dense1<date_to_timestamp, int64_t, int32_t>, flag_dense);
  c.add("cast", {ts}, date, dense1<timestamp_to_date, int32_t, int64_t>, free);
  c.add("cast", {i4}, dec, cast_integer<int32_t>, flag_dense);
  c.add("cast", {i8}, dec, cast_integer<int64_t>, flag_dense);
  c.row("cast", {f8}, dec, [](row_scope& r, double v) -> int128 {
    if (auto d = decimal_of_float(v, r.result_scale())) return *d;
    r.fail(errc::overflow, std::isfinite(v) ? "numeric field overflow"
                                            : "cannot convert NaN or infinity to numeric");
    return 0;
  });
  c.row("cast", {dec}, dec, [](row_scope& r, decimal_value v) -> int128 {
    if (auto d = rescale(v.v, v.scale, r.result_scale())) return *d;
    r.fail(errc::overflow, "numeric field overflow");
    return 0;
  });
  c.row("cast", {dec}, f8,
        [](row_scope&, decimal_value v) { return float_of_decimal(v.v, v.scale); });
  c.row("cast", {dec}, i4, [](row_scope& r, decimal_value v) {
    return static_cast<int32_t>(
        decimal_to_integer(r, v, INT32_MIN, INT32_MAX, "integer out of range"));
  });
  c.row("cast", {dec}, i8, [](row_scope& r, decimal_value v) {
    return decimal_to_integer(r, v, INT64_MIN, INT64_MAX, "bigint out of range");
  });
  register_casts_text(c);
}

}  // namespace weir::expr
