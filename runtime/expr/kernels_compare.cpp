// = <> < <= over every type; > and >= are compiled with their sides exchanged.
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/dense.hpp"

namespace weir::expr {
namespace {

// PostgreSQL orders NaN above every number and equal to itself.
bool is_nan(double v) {
  return v != v;
}
// Total length with months of 30 days, as PostgreSQL compares intervals.
int128 length_of(interval_value v) {
  return (static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros;
}

struct equal {
  template <class T>
  static uint8_t apply(T a, T b) {
    return a == b;
  }
  static uint8_t apply(double a, double b) { return (a == b) | (is_nan(a) & is_nan(b)); }
  static uint8_t apply(interval_value a, interval_value b) { return length_of(a) == length_of(b); }
};
struct not_equal {
  template <class T>
  static uint8_t apply(T a, T b) {
    return a != b;
  }
  static uint8_t apply(double a, double b) { return (a != b) & !(is_nan(a) & is_nan(b)); }
  static uint8_t apply(interval_value a, interval_value b) { return length_of(a) != length_of(b); }
};
struct less {
  template <class T>
  static uint8_t apply(T a, T b) {
    return a < b;
  }
  static uint8_t apply(double a, double b) { return (a < b) | (is_nan(b) & !is_nan(a)); }
  static uint8_t apply(interval_value a, interval_value b) { return length_of(a) < length_of(b); }
};
struct less_equal {
  template <class T>
  static uint8_t apply(T a, T b) {
    return a <= b;
  }
  static uint8_t apply(double a, double b) { return (a <= b) | is_nan(b); }
  static uint8_t apply(interval_value a, interval_value b) { return length_of(a) <= length_of(b); }
};

template <class T>
void add_type(catalog& c, type_id t) {
  constexpr auto b = type_id::boolean;
  c.add("=", {t, t}, b, dense2<equal, uint8_t, T, T>, flag_infallible, scale_rule::common);
  c.add("<>", {t, t}, b, dense2<not_equal, uint8_t, T, T>, flag_infallible, scale_rule::common);
  c.add("<", {t, t}, b, dense2<less, uint8_t, T, T>, flag_infallible, scale_rule::common);
  c.add("<=", {t, t}, b, dense2<less_equal, uint8_t, T, T>, flag_infallible, scale_rule::common);
}

template <class F>
void add_text(catalog& c, std::string_view name, F f) {
  for (auto t : {type_id::string, type_id::bytes}) c.row(name, {t, t}, type_id::boolean, f);
}

// An overload to bind to; it has no kernel, since the compiler exchanges the sides.
void add_exchanged(catalog& c) {
  for (auto t :
       {type_id::boolean, type_id::int32, type_id::int64, type_id::float64, type_id::decimal,
        type_id::string, type_id::bytes, type_id::date, type_id::timestamp, type_id::interval}) {
    c.add(">", {t, t}, type_id::boolean, nullptr, 0, scale_rule::common);
    c.add(">=", {t, t}, type_id::boolean, nullptr, 0, scale_rule::common);
  }
}

}  // namespace

void register_compare(catalog& c) {
  add_type<uint8_t>(c, type_id::boolean);
  add_type<int32_t>(c, type_id::int32);
  add_type<int32_t>(c, type_id::date);
  add_type<int64_t>(c, type_id::int64);
  add_type<int64_t>(c, type_id::timestamp);
  add_type<double>(c, type_id::float64);
  add_type<int128>(c, type_id::decimal);
  add_type<interval_value>(c, type_id::interval);
  using text = std::string_view;
  add_text(c, "=", [](row_scope&, text a, text b) { return a == b; });
  add_text(c, "<>", [](row_scope&, text a, text b) { return a != b; });
  add_text(c, "<", [](row_scope&, text a, text b) { return a < b; });
  add_text(c, "<=", [](row_scope&, text a, text b) { return a <= b; });
  add_exchanged(c);
}

}  // namespace weir::expr
