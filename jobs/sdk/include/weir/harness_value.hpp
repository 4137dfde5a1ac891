// Values and rows of the test harness: what tests write down and compare. Included by
// <weir/harness.hpp>.
#pragma once

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <ostream>
#include <variant>

#include <weir/operator.hpp>

namespace weir {
inline namespace sdk1 {
namespace detail {

/// Days since 1970-01-01 of a civil date and back (Howard Hinnant's algorithms, public domain).
inline int64_t days_from_civil(int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  return era * 146097 + static_cast<int64_t>(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}
inline std::string date_text(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto doe = static_cast<unsigned>(days - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned m = mp < 10 ? mp + 3 : mp - 9;
  char b[48];
  std::snprintf(b, sizeof b, "%04" PRId64 "-%02u-%02u", yoe + era * 400 + (m <= 2), m,
                doy - (153 * mp + 2) / 5 + 1);
  return b;
}
/// "2013-01-01 10:00:00", a fraction without trailing zeros.
inline std::string timestamp_text(timestamp_us t) {
  constexpr int64_t day = 86'400'000'000;
  int64_t days = t / day - (t % day < 0), in_day = t - days * day;
  char b[64];
  auto s = in_day / 1'000'000;
  std::snprintf(b, sizeof b, " %02d:%02d:%02d", int(s / 3600), int(s / 60 % 60), int(s % 60));
  std::string r = date_text(days) + b;
  if (auto us = in_day % 1'000'000) {
    std::snprintf(b, sizeof b, ".%06d", int(us));
    r += b;
    while (r.back() == '0') r.pop_back();
  }
  return r;
}
inline timestamp_us parse_timestamp(const std::string& s) {
  int y = 0, m = 0, d = 0, hh = 0, mm = 0;
  double ss = 0;
  int n = std::sscanf(s.c_str(), "%d-%d-%d %d:%d:%lf", &y, &m, &d, &hh, &mm, &ss);
  if (n != 3 && n < 5)
    throw error("'" + s + "' is not a timestamp such as 2013-01-01 10:00:00",
                abi::invalid_argument);
  return (days_from_civil(y, unsigned(m), unsigned(d)) * 86400 + hh * 3600 + mm * 60) * 1'000'000 +
         std::llround(ss * 1e6);
}
inline int128 parse_decimal(std::string_view s, uint8_t scale) {
  bool negative = s.starts_with('-');
  if (negative) s.remove_prefix(1);
  int128 v = 0;
  int digits = -1;  // after the point
  for (char c : s) {
    if (c == '.' && digits < 0) {
      digits = 0;
    } else if (c >= '0' && c <= '9' && digits < scale) {
      v = v * 10 + (c - '0');
      digits += digits >= 0;
    } else {
      throw error("'" + str(s) + "' is not a decimal with scale " + std::to_string(scale),
                  abi::invalid_argument);
    }
  }
  for (int i = std::max(digits, 0); i < scale; ++i) v *= 10;
  return negative ? -v : v;
}
inline std::string decimal_text(decimal d) {
  bool negative = d.unscaled < 0;
  auto u = negative ? -static_cast<uint128>(d.unscaled) : static_cast<uint128>(d.unscaled);
  std::string s;
  for (int i = 0; u || i <= d.scale; ++i, u /= 10) {
    if (i == d.scale && i) s.push_back('.');
    s.push_back(static_cast<char>('0' + static_cast<int>(u % 10)));
  }
  if (negative) s.push_back('-');
  return {s.rbegin(), s.rend()};
}

}  // namespace detail

/// A cell: null, bool, integer, double or text. Timestamps, dates and decimals are compared by
/// their text form: value("2013-01-01 10:00:00") equals that timestamp.
class value {
 public:
  value() = default;
  value(std::nullptr_t) {}                           // NOLINT: implicit on purpose, here and below
  value(std::nullopt_t) {}                           // NOLINT
  value(bool v) : v_(v) {}                           // NOLINT
  value(double v) : v_(v) {}                         // NOLINT
  value(const char* v) : v_(std::string(v)) {}       // NOLINT
  value(std::string v) : v_(std::move(v)) {}         // NOLINT
  value(std::string_view v) : v_(std::string(v)) {}  // NOLINT
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) value(T v)  // NOLINT
      : v_(static_cast<int64_t>(v)) {}
  static value timestamp(timestamp_us t) {
    value v(t);
    v.text_ = detail::timestamp_text(t);
    return v;
  }
  static value date(int32_t days) {
    value v(days);
    v.text_ = detail::date_text(days);
    return v;
  }

  bool is_null() const { return v_.index() == 0; }
  const bool* as_bool() const { return std::get_if<bool>(&v_); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&v_); }
  const double* as_double() const { return std::get_if<double>(&v_); }
  const std::string* as_text() const { return std::get_if<std::string>(&v_); }

  std::string text() const {
    if (!text_.empty()) return text_;
    if (auto* b = as_bool()) return *b ? "true" : "false";
    if (auto* i = as_int()) return std::to_string(*i);
    if (auto* s = as_text()) return *s;
    if (is_null()) return "null";
    char b[64];
    return std::string(b, std::to_chars(b, b + sizeof b, *as_double()).ptr);
  }
  friend bool operator==(const value& a, const value& b) {
    if (a.v_.index() == b.v_.index()) return a.v_ == b.v_;
    auto number = [](const value& v, double& d) {
      if (auto* i = v.as_int()) return d = static_cast<double>(*i), true;
      if (auto* x = v.as_double()) return d = *x, true;
      return false;
    };
    double x = 0, y = 0;
    if (number(a, x) && number(b, y)) return x == y;
    const value& formatted = a.as_text() ? b : a;
    return !formatted.text_.empty() && a.text() == b.text();
  }
  friend bool operator<(const value& a, const value& b) {
    return a.v_.index() != b.v_.index() ? a.v_.index() < b.v_.index() : a.v_ < b.v_;
  }
  friend std::ostream& operator<<(std::ostream& o, const value& v) {
    return v.as_text() ? o << '"' << *v.as_text() << '"' : o << v.text();
  }

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string> v_;
  std::string text_;  // of a value that has a form of its own
};

struct row {
  std::vector<value> cells;
  int32_t weight = 1;
  row() = default;
  row(std::initializer_list<value> c) : cells(c) {}
  /// The same row with a change weight.
  row operator*(int32_t w) const {
    row r = *this;
    r.weight = w;
    return r;
  }
  const value& operator[](size_t i) const { return cells.at(i); }
  friend bool operator==(const row&, const row&) = default;
  friend bool operator<(const row& a, const row& b) {
    return std::tie(a.cells, a.weight) < std::tie(b.cells, b.weight);
  }
  friend std::ostream& operator<<(std::ostream& o, const row& r) {
    o << '{';
    for (size_t i = 0; i < r.cells.size(); ++i) o << (i ? ", " : "") << r.cells[i];
    o << '}';
    return r.weight == 1 ? o : o << " * " << r.weight;
  }
};

/// Rows in order: `CHECK(h.take() == weir::rows{{"AA", 3}, {"UA", 1}})`.
class rows {
 public:
  rows() = default;
  rows(std::initializer_list<row> r) : rows_(r) {}
  void push_back(row r) { rows_.push_back(std::move(r)); }
  size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  const row& operator[](size_t i) const { return rows_.at(i); }
  auto begin() const { return rows_.begin(); }
  auto end() const { return rows_.end(); }
  /// For outputs whose order does not matter.
  rows sorted() const {
    rows r = *this;
    std::sort(r.rows_.begin(), r.rows_.end());
    return r;
  }
  rows& operator+=(const rows& more) {
    rows_.insert(rows_.end(), more.begin(), more.end());
    return *this;
  }
  friend bool operator==(const rows&, const rows&) = default;
  friend std::ostream& operator<<(std::ostream& o, const rows& r) {
    for (const auto& x : r.rows_) o << "\n    " << x;
    return r.empty() ? o << "no rows" : o;
  }

 private:
  std::vector<row> rows_;
};

/// A row by column names; columns that are not named are null.
using named_row = std::vector<std::pair<std::string, value>>;
/// A point in event or processing time: microseconds or text.
struct time_point {
  timestamp_us us;
  template <class T>
  requires std::is_integral_v<T> time_point(T t)  // NOLINT
      : us(static_cast<timestamp_us>(t)) {}
  time_point(const char* text) : us(detail::parse_timestamp(text)) {}         // NOLINT
  time_point(const std::string& text) : us(detail::parse_timestamp(text)) {}  // NOLINT
};

namespace detail {

/// The value in a row of a column that the operator emitted.
inline value value_at(const abi::column& c, uint32_t r) {
  row_index i{r};
  switch (static_cast<type_id>(c.type)) {
    case type_id::boolean:
      return column_view<bool>(c)[i];
    case type_id::int32:
      return column_view<int32_t>(c)[i];
    case type_id::date:
      return value::date(column_view<int32_t>(c)[i]);
    case type_id::int64:
      return column_view<int64_t>(c)[i];
    case type_id::timestamp:
      return value::timestamp(column_view<int64_t>(c)[i]);
    case type_id::float64:
      return column_view<double>(c)[i];
    case type_id::decimal:
      return decimal_text(column_view<decimal>(c)[i]);
    case type_id::interval: {
      auto v = column_view<interval>(c)[i];
      return std::to_string(v.months) + " months " + std::to_string(v.days) + " days " +
             std::to_string(v.micros) + " us";
    }
    default:
      return column_view<std::string_view>(c)[i];
  }
}

/// Appends a value that a test wrote to a column of the input.
inline void append_input(column_builder& c, const value& v) {
  const field& f = c.declared();
  if (v.is_null()) return c.append_null();
  const std::string* text = v.as_text();
  switch (f.type) {
    case type_id::timestamp:
      if (text) return c.append<int64_t>(parse_timestamp(*text));
      break;
    case type_id::date:
      if (text)
        return c.append<int32_t>(static_cast<int32_t>(parse_timestamp(*text) / 86'400'000'000));
      break;
    case type_id::decimal:
      return c.append<decimal>({parse_decimal(v.text(), f.scale), f.scale});
    default:
      break;
  }
  if (auto* b = v.as_bool()) return append_value(c, *b);
  if (auto* i = v.as_int()) return append_value(c, *i);
  if (auto* d = v.as_double()) return append_value(c, *d);
  append_value(c, *text);
}

}  // namespace detail
}  // namespace sdk1
}  // namespace weir
