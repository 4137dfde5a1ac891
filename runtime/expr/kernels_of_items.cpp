// What aggregates make of the array of a group's values, which kernels_array_agg.cpp gathers:
// ordered-set aggregates, sums and deviations of distinct values, json_object_agg.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "runtime/column/number.hpp"
#include "runtime/expr/datetime.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/expr/numeric.hpp"

namespace weir::expr {
namespace {

constexpr uint32_t by_rows = flag_any | flag_non_strict;

/// "@sum"(array): of sum(DISTINCT x). NULL of an array without a value.
template <class from, class to>
void sum_items(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row);
    if (!x.valid) return out.append_null();
    const auto items = items_of(x);
    to sum{};
    bool any = false, overflow = false;
    for (uint32_t i = items.begin; i < items.end; ++i) {
      if (!items.c->is_valid(i)) continue;
      any = true;
      const auto v = static_cast<to>(items.c->data<from>()[i]);
      if constexpr (std::is_same_v<to, double>)
        sum += v;
      else
        overflow |= __builtin_add_overflow(sum, v, &sum);
    }
    if constexpr (std::is_same_v<to, int128>) overflow |= !decimal_fits(sum);
    if (overflow) r.fail(in, row, {errc::overflow, "the sum is out of range"});
    if (any && !overflow)
      out.append(sum);
    else
      out.append_null();
  });
}
void sum_of_items(run& r, const instruction& in) {
  const auto item = item_type(r.at(in.args[0]).type).id;
  if (item == type_id::int32) return sum_items<int32_t, int64_t>(r, in);
  if (item == type_id::int64) return sum_items<int64_t, int128>(r, in);
  if (item == type_id::decimal) return sum_items<int128, int128>(r, in);
  sum_items<double, double>(r, in);
}

/// "@var_samp"(array) and the like: of stddev(DISTINCT x).
template <bool sample, bool root>
void deviation_of_items(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row);
    if (!x.valid) return out.append_null();
    const auto items = items_of(x);
    double n = 0, sum = 0, squares = 0;  // Youngs and Cramer, as PostgreSQL has it
    for (uint32_t i = items.begin; i < items.end; ++i) {
      if (!items.c->is_valid(i)) continue;
      const double v = to_double(*items.c, i);
      n += 1;
      sum += v;
      if (n > 1) {
        const double d = v * n - sum;
        squares += d * d / (n * (n - 1));
      } else if (!std::isfinite(v)) {
        squares = std::numeric_limits<double>::quiet_NaN();
      }
    }
    const double of = sample ? n - 1 : n;
    if (of <= 0) return out.append_null();
    out.append(root ? std::sqrt(squares / of) : squares / of);
  });
}

/// "@bit_xor"(array): of bit_xor(DISTINCT x).
template <class T>
void xor_items(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row);
    if (!x.valid) return out.append_null();
    const auto items = items_of(x);
    T bits = 0;
    bool any = false;
    for (uint32_t i = items.begin; i < items.end; ++i) {
      if (!items.c->is_valid(i)) continue;
      any = true;
      bits ^= items.c->data<T>()[i];
    }
    if (any)
      out.append(bits);
    else
      out.append_null();
  });
}

// Ordered-set aggregates: "@percentile_cont"(array, fraction or array of them, descending) and the
// others, over values that were sorted in ascending order, none of them NULL.

struct sorted_items {
  items_at items;
  bool descending;
  uint32_t size() const { return items.size(); }
  uint32_t at(uint32_t k) const { return descending ? items.end - 1 - k : items.begin + k; }
};

void discrete(const sorted_items& s, double fraction, column_builder& out) {
  const auto n = static_cast<uint32_t>(std::ceil(fraction * s.size()));
  out.append_from(*s.items.c, s.at(n > 0 ? n - 1 : 0));
}

/// Between two neighbours; false: out of range.
bool continuous(const sorted_items& s, double fraction, column_builder& out) {
  const double place = fraction * (s.size() - 1), first = std::floor(place);
  const uint32_t low = s.at(static_cast<uint32_t>(first)),
                 high = s.at(static_cast<uint32_t>(std::ceil(place)));
  if (s.items.c->type.id == type_id::float64) {
    const auto* v = s.items.c->data<double>();
    out.append(low == high ? v[low] : v[low] + (place - first) * (v[high] - v[low]));
    return true;
  }
  const auto* v = s.items.c->data<interval_value>();
  if (low == high) return out.append(v[low]), true;
  const auto minus = negate(v[low]);
  const auto apart = minus ? add(v[high], *minus) : std::nullopt;
  const auto part = apart ? multiply(*apart, place - first) : std::nullopt;
  const auto sum = part ? add(v[low], *part) : std::nullopt;
  if (sum) out.append(*sum);
  return sum.has_value();
}

template <bool between>
void percentile(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row), f = at_row(r, in.args[1], row),
               d = at_row(r, in.args[2], row);
    const bool several = r.at(in.args[1]).type.id == type_id::list;
    auto good = [&](double fraction) {
      if (fraction >= 0 && fraction <= 1) return true;
      char text[32];
      std::snprintf(text, sizeof text, "%g", fraction);
      r.fail(in, row,
             {errc::overflow, std::string("percentile value ") + text + " is not between 0 and 1"});
      return false;
    };
    // A wrong fraction is an error without a value, too.
    if (!f.valid || (!several && !good(f.c->data<double>()[f.i]))) return out.append_null();
    if (!x.valid || items_of(x).size() == 0) return out.append_null();
    const sorted_items values{items_of(x), d.valid && d.c->data<uint8_t>()[d.i] != 0};
    auto one = [&](double fraction, column_builder& into) {
      if constexpr (between) {
        if (continuous(values, fraction, into)) return;
        r.fail(in, row, {errc::overflow, "interval out of range"});
        into.append_null();
      } else {
        discrete(values, fraction, into);
      }
    };
    if (!several) return one(f.c->data<double>()[f.i], out);
    const auto fractions = items_of(f);
    const auto* v = fractions.c->data<double>();
    for (uint32_t i = fractions.begin; i < fractions.end; ++i)
      if (fractions.c->is_valid(i) && !good(v[i])) return out.append_null();
    for (uint32_t i = fractions.begin; i < fractions.end; ++i)
      if (fractions.c->is_valid(i))
        one(v[i], out.child(0));
      else
        out.child(0).append_null();
    out.append_list();
  });
}

/// "@mode"(array, descending): the most frequent value, the first one of several.
void mode(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row), d = at_row(r, in.args[1], row);
    if (!x.valid || items_of(x).size() == 0) return out.append_null();
    const sorted_items values{items_of(x), d.valid && d.c->data<uint8_t>()[d.i] != 0};
    const auto& c = *values.items.c;
    uint32_t best = 0, most = 0, begin = 0;
    for (uint32_t i = 1; i <= values.size(); ++i) {
      if (i < values.size() && compare_values(c, values.at(begin), c, values.at(i)) == 0) continue;
      if (i - begin > most) {
        most = i - begin;
        best = begin;
      }
      begin = i;
    }
    out.append_from(c, values.at(best));
  });
}

/// "@json_object"(array of rows of a name and a value).
void json_object(run& r, const instruction& in) {
  std::string text;
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row);
    if (!x.valid) return out.append_null();
    const auto items = items_of(x);
    const auto &names = *items.c->children[0], &values = *items.c->children[1];
    text.assign(1, '{');
    for (uint32_t i = items.begin; i < items.end; ++i) {
      if (!names.is_valid(i)) {
        r.fail(in, row, {errc::invalid_argument, "field name must not be null"});
        return out.append_null();
      }
      if (i > items.begin) text += ',';
      append_json(text, names, i);
      text += ':';
      append_json(text, values, i);
    }
    text += '}';
    out.append(std::string_view(text));
  });
}

/// "@pair"(y, x): both numbers' bytes; NULL where one is NULL.
void make_pair(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto y = at_row(r, in.args[0], row), x = at_row(r, in.args[1], row);
    if (!y.valid || !x.valid) return out.append_null();
    const double both[2] = {y.c->data<double>()[y.i], x.c->data<double>()[x.i]};
    out.append(std::string_view(reinterpret_cast<const char*>(both), sizeof both));
  });
}

}  // namespace

void register_of_items(catalog& c) {
  constexpr auto list = type_id::list;
  constexpr auto number = type_id::float64, truth = type_id::boolean;
  for (auto t : {type_id::int64, type_id::decimal, number})
    c.add("@sum", {list}, t, sum_of_items, by_rows);
  c.add("@var_samp", {list}, number, deviation_of_items<true, false>, by_rows);
  c.add("@var_pop", {list}, number, deviation_of_items<false, false>, by_rows);
  c.add("@stddev_samp", {list}, number, deviation_of_items<true, true>, by_rows);
  c.add("@stddev_pop", {list}, number, deviation_of_items<false, true>, by_rows);
  c.add("@bit_xor", {list}, type_id::int32, xor_items<int32_t>, by_rows);
  c.add("@bit_xor", {list}, type_id::int64, xor_items<int64_t>, by_rows);
  for (auto t : part_types) {
    c.add("@percentile_disc", {list, number, truth}, t, percentile<false>, by_rows);
    c.add("@mode", {list, truth}, t, mode, by_rows);
  }
  for (auto t : {number, type_id::interval})
    c.add("@percentile_cont", {list, number, truth}, t, percentile<true>, by_rows);
  c.add("@percentile_disc", {list, list, truth}, list, percentile<false>, by_rows);
  c.add("@percentile_cont", {list, list, truth}, list, percentile<true>, by_rows);
  c.add("@json_object", {list}, type_id::json, json_object, by_rows);
  c.add("@pair", {number, number}, type_id::bytes, make_pair, by_rows);
}

}  // namespace weir::expr
