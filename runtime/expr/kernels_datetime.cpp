// Date and time operators and functions.
#include <cmath>

#include "runtime/column/interval_fields.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/datetime.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;
using span = interval_value;

int64_t stamp(row_scope& r, std::optional<int64_t> v) {
  if (v) return *v;
  r.fail(errc::overflow, "timestamp out of range");
  return 0;
}
span interval(row_scope& r, std::optional<span> v) {
  if (v) return *v;
  r.fail(errc::overflow, "interval out of range");
  return {};
}
int32_t date(row_scope& r, int64_t v) {
  // PostgreSQL's dates: 4713 BC to 5874897.
  if (v >= -2'440'588 && v < 2'145'042'541) return static_cast<int32_t>(v);
  r.fail(errc::overflow, "date out of range");
  return 0;
}
int64_t midnight(int32_t d) {
  return static_cast<int64_t>(d) * micros_per_day;
}
bool has_timestamp(row_scope& r, int32_t d) {
  if (d <= 106'751'990 && d >= -2'440'588) return true;
  r.fail(errc::overflow, "date out of range for timestamp");
  return false;
}
int64_t shifted(row_scope& r, int64_t t, const span& v, bool back) {
  if (!back) return stamp(r, add(t, v));
  auto n = negate(v);
  return stamp(r, n ? add(t, *n) : std::nullopt);
}

void register_arithmetic_of_time(catalog& c) {
  constexpr auto ts = type_id::timestamp, iv = type_id::interval, d = type_id::date,
                 i4 = type_id::int32, f8 = type_id::float64;
  c.row("+", {ts, iv}, ts, [](row_scope& r, int64_t t, span v) { return shifted(r, t, v, false); });
  c.row("+", {iv, ts}, ts, [](row_scope& r, span v, int64_t t) { return shifted(r, t, v, false); });
  c.row("-", {ts, iv}, ts, [](row_scope& r, int64_t t, span v) { return shifted(r, t, v, true); });
  c.row("-", {ts, ts}, iv, [](row_scope&, int64_t a, int64_t b) { return difference(a, b); });
  c.row("+", {d, iv}, ts, [](row_scope& r, int32_t a, span v) -> int64_t {
    return has_timestamp(r, a) ? shifted(r, midnight(a), v, false) : 0;
  });
  c.row("+", {iv, d}, ts, [](row_scope& r, span v, int32_t a) -> int64_t {
    return has_timestamp(r, a) ? shifted(r, midnight(a), v, false) : 0;
  });
  c.row("-", {d, iv}, ts, [](row_scope& r, int32_t a, span v) -> int64_t {
    return has_timestamp(r, a) ? shifted(r, midnight(a), v, true) : 0;
  });
  c.row("+", {d, i4}, d,
        [](row_scope& r, int32_t a, int32_t n) { return date(r, static_cast<int64_t>(a) + n); });
  c.row("+", {i4, d}, d,
        [](row_scope& r, int32_t n, int32_t a) { return date(r, static_cast<int64_t>(a) + n); });
  c.row("-", {d, i4}, d,
        [](row_scope& r, int32_t a, int32_t n) { return date(r, static_cast<int64_t>(a) - n); });
  c.row("-", {d, d}, i4, [](row_scope&, int32_t a, int32_t b) { return a - b; });
  c.row("+", {iv, iv}, iv, [](row_scope& r, span a, span b) { return interval(r, add(a, b)); });
  c.row("-", {iv, iv}, iv, [](row_scope& r, span a, span b) {
    auto n = negate(b);
    return interval(r, n ? add(a, *n) : std::nullopt);
  });
  c.row("-", {iv}, iv, [](row_scope& r, span a) { return interval(r, negate(a)); });
  c.row("*", {iv, f8}, iv,
        [](row_scope& r, span a, double f) { return interval(r, multiply(a, f)); });
  c.row("*", {f8, iv}, iv,
        [](row_scope& r, double f, span a) { return interval(r, multiply(a, f)); });
  c.row("/", {iv, f8}, iv, [](row_scope& r, span a, double f) {
    if (f != 0) return interval(r, multiply(a, f, true));
    r.fail(errc::division_by_zero, "division by zero");
    return span{};
  });
  c.row("age", {ts, ts}, iv, [](row_scope&, int64_t a, int64_t b) { return age(a, b); });
  c.row("justify_hours", {iv}, iv,
        [](row_scope& r, span v) { return interval(r, justify_hours(v)); });
  c.row("justify_days", {iv}, iv,
        [](row_scope& r, span v) { return interval(r, justify_days(v)); });
  c.row("justify_interval", {iv}, iv,
        [](row_scope& r, span v) { return interval(r, justify_interval(v)); });
}

struct field_state {
  std::string name;
  time_field field = time_field::unknown;
};
time_field field(row_scope& r, text name) {
  auto& s = r.state<field_state>();
  if (s.field == time_field::unknown || s.name != name) {
    s.name = name;
    s.field = field_named(name);
  }
  return s.field;
}
int128 found(row_scope& r, text name, std::string_view type, std::optional<int128> v) {
  if (v) return *v;
  bool known = field_named(name) != time_field::unknown;
  r.fail(errc::invalid_argument, "unit \"" + std::string(name) + "\" not " +
                                     (known ? "supported" : "recognized") + " for type " +
                                     std::string(type));
  return 0;
}
// Values are computed times 10^6.
int128 at_scale(row_scope& r, int128 v) {
  if (r.result_scale() <= 6) {
    for (int i = r.result_scale(); i < 6; ++i) v /= 10;
  } else {
    for (int i = 6; i < r.result_scale(); ++i) v *= 10;
  }
  return v;
}
double as_double(int128 v) {
  return static_cast<double>(v) / 1e6;
}

constexpr std::string_view tn = "timestamp", dn = "date", in = "interval";

void register_fields(catalog& c) {
  constexpr auto s = type_id::string, ts = type_id::timestamp, iv = type_id::interval,
                 d = type_id::date, dec = type_id::decimal, f8 = type_id::float64;
  c.row("extract", {s, ts}, dec, [](row_scope& r, text n, int64_t v) {
    return at_scale(r, found(r, n, tn, field_of(field(r, n), v)));
  });
  c.row("extract", {s, d}, dec, [](row_scope& r, text n, int32_t v) {
    return at_scale(r, found(r, n, dn, field_of_date(field(r, n), v)));
  });
  c.row("extract", {s, iv}, dec, [](row_scope& r, text n, span v) {
    return at_scale(r, found(r, n, in, field_of(field(r, n), v)));
  });
  c.row("date_part", {s, ts}, f8, [](row_scope& r, text n, int64_t v) {
    return as_double(found(r, n, tn, field_of(field(r, n), v)));
  });
  c.row("date_part", {s, d}, f8, [](row_scope& r, text n, int32_t v) {
    return as_double(found(r, n, tn, field_of(field(r, n), midnight(v))));
  });
  c.row("date_part", {s, iv}, f8, [](row_scope& r, text n, span v) {
    return as_double(found(r, n, in, field_of(field(r, n), v)));
  });
  c.row("date_trunc", {s, ts}, ts, [](row_scope& r, text n, int64_t v) -> int64_t {
    if (auto t = truncate(field(r, n), v)) return *t;
    found(r, n, tn, std::nullopt);
    return 0;
  });
  c.row("date_trunc", {s, iv}, iv, [](row_scope& r, text n, span v) -> span {
    if (auto t = truncate(field(r, n), v)) return *t;
    found(r, n, in, std::nullopt);
    return {};
  });
}

int64_t bin(row_scope& r, span stride, int64_t source, int64_t origin) {
  if (stride.months != 0) {
    r.fail(errc::unsupported,
           "timestamps cannot be binned into intervals containing months or years");
    return 0;
  }
  int128 step = static_cast<int128>(stride.days) * micros_per_day + stride.micros;
  if (step <= 0) {
    r.fail(errc::invalid_argument, "stride must be greater than zero");
    return 0;
  }
  int128 distance = static_cast<int128>(source) - origin;
  int128 steps = distance / step - (distance % step < 0 ? 1 : 0);
  return static_cast<int64_t>(origin + steps * step);
}

int64_t make_timestamp(row_scope& r, int32_t y, int32_t m, int32_t d, int32_t h, int32_t mi,
                       double s) {
  int32_t year = y < 0 ? y + 1 : y;
  bool good = y != 0 && m >= 1 && m <= 12 && d >= 1 &&
              static_cast<uint32_t>(d) <= days_in_month(year, static_cast<uint32_t>(m));
  bool time = h >= 0 && h <= 24 && mi >= 0 && mi < 60 && s >= 0 && s <= 60;
  if (!good || !time) {
    r.fail(errc::overflow,
           good ? "time field value out of range" : "date field value out of range");
    return 0;
  }
  return stamp(r, join(year, m, d,
                       h * micros_per_hour + mi * micros_per_minute +
                           static_cast<int64_t>(std::rint(s * 1e6))));
}

}  // namespace

void register_datetime(catalog& c) {
  constexpr auto ts = type_id::timestamp, iv = type_id::interval, i4 = type_id::int32,
                 f8 = type_id::float64;
  register_arithmetic_of_time(c);
  register_fields(c);
  c.row("date_bin", {iv, ts, ts}, ts, wrap<bin>{});
  c.row("make_timestamp", {i4, i4, i4, i4, i4, f8}, ts, wrap<make_timestamp>{});
  c.row("make_date", {i4, i4, i4}, type_id::date,
        [](row_scope& r, int32_t y, int32_t m, int32_t d) {
          int64_t year = y < 0 ? static_cast<int64_t>(y) + 1 : y;
          if (y == 0 || year < -4713 || year > 5'874'897 || m < 1 || m > 12 || d < 1 ||
              static_cast<uint32_t>(d) >
                  days_in_month(static_cast<int32_t>(year), static_cast<uint32_t>(m))) {
            r.fail(errc::overflow, "date field value out of range");
            return 0;
          }
          return date(r, days_from_civil(year, static_cast<uint32_t>(m), static_cast<uint32_t>(d)));
        });
  c.row("to_timestamp", {f8}, ts, [](row_scope& r, double v) {
    double us = std::rint(v * 1e6);
    bool good = us >= static_cast<double>(timestamp_min) && us < 9.2233720368547748e18;
    return stamp(r, good ? std::optional<int64_t>(static_cast<int64_t>(us)) : std::nullopt);
  });
  c.row("round_timestamp", {ts, i4}, ts, [](row_scope&, int64_t t, int32_t digits) {
    int64_t unit = 1;
    for (int32_t i = digits; i < 6; ++i) unit *= 10;
    int64_t half = unit / 2;
    return t >= 0 ? (t + half) / unit * unit : -((half - t) / unit * unit);
  });
  // Casts to INTERVAL with fields or a precision.
  c.row("interval_fields", {iv, i4, i4}, iv, [](row_scope& r, span v, int32_t fields, int32_t n) {
    return interval(r, kept_fields(v, fields, n));
  });
  c.row("isfinite", {ts}, type_id::boolean, [](row_scope&, int64_t) { return true; });
}

}  // namespace weir::expr
