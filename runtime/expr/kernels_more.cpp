// Names in SQL, the digits of numbers, intervals from their parts, OVERLAPS.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "runtime/column/nested.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/expr/numeric.hpp"
#include "runtime/expr/to_number.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;
constexpr uint32_t by_rows = flag_any | flag_non_strict;

// Words that cannot stand for a name without quotes everywhere, in PostgreSQL 15.
constexpr std::array key_words = std::to_array<text>({
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
});

int128 fails(row_scope& r, errc code, std::string_view what) {
  r.fail(code, what);
  return 0;
}
constexpr auto too_many_digits = "numeric field overflow: the result has more than 38 digits";

int128 greatest_divisor(row_scope&, decimal_value a, decimal_value b) {
  int128 x = absolute(a.v), y = absolute(b.v);
  while (y != 0) x = std::exchange(y, x % y);
  return x;
}
int128 least_multiple(row_scope& r, decimal_value a, decimal_value b) {
  if (a.v == 0 || b.v == 0) return 0;
  const int128 g = greatest_divisor(r, a, b);
  int128 v;
  if (__builtin_mul_overflow(absolute(a.v) / g, absolute(b.v), &v) || !decimal_fits(v))
    return fails(r, errc::overflow, too_many_digits);
  return v;
}
int32_t digits_needed(row_scope&, decimal_value v) {
  int32_t n = v.scale;
  for (int128 x = v.v; n > 0 && x % 10 == 0; x /= 10) --n;
  return n;
}
int32_t bucket(row_scope& r, decimal_value v, decimal_value low, decimal_value high, int32_t n) {
  if (n <= 0 || low.v == high.v) {
    r.fail(errc::invalid_argument,
           n <= 0 ? "count must be greater than zero" : "lower bound cannot equal upper bound");
    return 0;
  }
  const bool up = low.v < high.v;
  if (up ? v.v < low.v : v.v > low.v) return 0;
  if (up ? v.v >= high.v : v.v <= high.v) {
    if (n < INT32_MAX) return n + 1;
    r.fail(errc::overflow, "integer out of range");
    return 0;
  }
  int128 scaled, width = high.v - low.v;
  if (__builtin_mul_overflow(v.v - low.v, int128{n}, &scaled)) {
    r.fail(errc::overflow, too_many_digits);
    return 0;
  }
  return static_cast<int32_t>(scaled / width) + 1;
}
/// The bucket among the lower bounds in an array.
void bucket_of(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto v = at_row(r, in.args[0], row), list = at_row(r, in.args[1], row);
    if (!v.valid || !list.valid) return out.append_null();
    const auto bounds = items_of(list);
    for (uint32_t i = bounds.begin; i < bounds.end; ++i)
      if (!bounds.c->is_valid(i)) {
        r.fail(in, row, {errc::invalid_argument, "thresholds array must not contain NULLs"});
        return out.append_null();
      }
    uint32_t left = bounds.begin, right = bounds.end;
    while (left < right) {
      const uint32_t middle = left + (right - left) / 2;
      if (compare_values(*v.c, v.i, *bounds.c, middle) < 0)
        right = middle;
      else
        left = middle + 1;
    }
    out.append(static_cast<int32_t>(left - bounds.begin));
  });
}

/// value, dimensions[, lower bounds]: an array of that many values.
void fill(run& r, const instruction& in) {
  constexpr int32_t items_max = 1'000'000;
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    auto refuse = [&](std::string what) {
      r.fail(in, row, {errc::invalid_argument, std::move(what)});
      out.append_null();
    };
    const auto v = at_row(r, in.args[0], row), sizes = at_row(r, in.args[1], row);
    const auto lows = in.args.size() > 2 ? at_row(r, in.args[2], row) : sizes;
    if (!sizes.valid || !lows.valid)
      return refuse("dimension array or low bound array cannot be null");
    const auto size = items_of(sizes), low = items_of(lows);
    if (size.size() == 0 && low.size() == 0) return out.append_list();
    if (size.size() != low.size()) return refuse("wrong number of array subscripts");
    if (size.size() > 1) return refuse("an array of several dimensions is not supported");
    if (!size.c->is_valid(size.begin) || !low.c->is_valid(low.begin))
      return refuse("dimension values cannot be null");
    const int32_t n = size.c->data<int32_t>()[size.begin];
    if (n < 0 || n > items_max)
      return refuse("array size exceeds the maximum allowed (" +
                    std::to_string(n < 0 ? 134217727 : items_max) + ')');
    if (n > 0 && in.args.size() > 2 && low.c->data<int32_t>()[low.begin] != 1)
      return refuse("an array whose first index is not 1 is not supported");
    for (int32_t i = 0; i < n; ++i) append_value(out.child(0), v);
    out.append_list();
  });
}

interval_value make_interval(row_scope& r, int32_t years, int32_t months, int32_t weeks,
                             int32_t days, int32_t hours, int32_t minutes, double seconds) {
  constexpr int64_t minute = 60'000'000;
  const double micros = std::rint(seconds * 1e6);
  const int64_t all_months = int64_t{years} * 12 + months, all_days = int64_t{weeks} * 7 + days;
  int64_t time = int64_t{hours} * 60 * minute + int64_t{minutes} * minute;
  // 2^63 and beyond are no int64.
  if (all_months != static_cast<int32_t>(all_months) ||
      all_days != static_cast<int32_t>(all_days) || !(std::fabs(micros) < 0x1p63) ||
      __builtin_add_overflow(time, static_cast<int64_t>(micros), &time)) {
    r.fail(errc::overflow, "interval out of range");
    return {};
  }
  return {static_cast<int32_t>(all_months), static_cast<int32_t>(all_days), time};
}

/// A span of OVERLAPS: its ends in order, one of which may be unknown.
struct span {
  int64_t begin = 0, end = 0;
  bool known = false, open = false;  // open: one end is unknown
};
span span_of(const value_at& a, const value_at& b) {
  auto at = [](const value_at& v) { return v.c->data<int64_t>()[v.i]; };
  if (a.valid && b.valid) return {std::min(at(a), at(b)), std::max(at(a), at(b)), true, false};
  if (!a.valid && !b.valid) return {};
  const int64_t only = at(a.valid ? a : b);
  return {only, only, true, true};
}
std::optional<bool> overlap(span a, span b) {
  if (!a.known || !b.known) return {};
  if (a.begin > b.begin) std::swap(a, b);
  const bool together = a.begin == b.begin;
  if (a.open || (together && b.open)) return {};
  if (together || b.begin < a.end) return true;
  if (b.open) return {};
  return false;
}
void overlaps(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    auto end = [&](size_t i) { return at_row(r, in.args[i], row); };
    const auto answer = overlap(span_of(end(0), end(1)), span_of(end(2), end(3)));
    if (answer)
      out.append(static_cast<uint8_t>(*answer));
    else
      out.append_null();
  });
}

void register_numbers(catalog& c) {
  constexpr auto d = type_id::decimal, i4 = type_id::int32, list = type_id::list;
  c.row("scale", {d}, i4, [](row_scope&, decimal_value v) { return int32_t{v.scale}; });
  c.row("min_scale", {d}, i4, wrap<digits_needed>{});
  c.row("gcd", {d, d}, d, wrap<greatest_divisor>{}, scale_rule::common);
  c.row("lcm", {d, d}, d, wrap<least_multiple>{}, scale_rule::common);
  c.row("width_bucket", {d, d, d, i4}, i4, wrap<bucket>{}, scale_rule::common);
  for (auto t : part_types) {
    c.add("width_bucket", {t, list}, i4, bucket_of, by_rows);
    c.add("array_fill", {t, list}, list, fill, by_rows);
    c.add("array_fill", {t, list, list}, list, fill, by_rows);
  }
  if (const auto* all = c.overloads("abs"))
    for (const auto& f : std::vector<function_entry>(*all))
      c.add("@", {f.args[0]}, f.result, f.fn, f.flags, f.rule);
  c.row("to_number", {type_id::string, type_id::string}, d, wrap<number_of_text>{});
}

}  // namespace

void append_identifier(std::string& out, text name) {
  bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name)
    plain = plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
  if (plain && !std::binary_search(key_words.begin(), key_words.end(), name)) {
    out += name;
    return;
  }
  out += '"';
  for (char c : name) {
    if (c == '"') out += c;
    out += c;
  }
  out += '"';
}

void register_more(catalog& c) {
  constexpr auto s = type_id::string, i4 = type_id::int32, ts = type_id::timestamp;
  register_numbers(c);
  c.row("quote_ident", {s}, s, [](row_scope&, text_out& o, text v) {
    std::string made;
    append_identifier(made, v);
    o.append(made);
  });
  c.row("make_interval", {i4, i4, i4, i4, i4, i4, type_id::float64}, type_id::interval,
        wrap<make_interval>{});
  c.add("overlaps", {ts, ts, ts, ts}, type_id::boolean, overlaps, by_rows);
}

}  // namespace weir::expr
