// Functions of arrays, as PostgreSQL has them.
#include <re2/re2.h>

#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/expr/datetime.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/expr/pattern.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

constexpr uint32_t by_rows = flag_any | flag_non_strict;

void append_items(column_builder& out, const items_at& items) {
  for (uint32_t i = items.begin; i < items.end; ++i) out.child(0).append_from(*items.c, i);
}
int32_t number(const value_at& v) {
  return v.c->data<int32_t>()[v.i];
}
/// IS NOT DISTINCT FROM.
bool same(const items_at& items, uint32_t i, const value_at& x) {
  const bool there = items.c->is_valid(i);
  if (!there || !x.valid) return there == x.valid;
  return compare_values(*items.c, i, *x.c, x.i) == 0;
}
/// Equal and neither is NULL.
bool contains(const items_at& items, const column& c, uint32_t i) {
  if (!c.is_valid(i)) return false;
  for (uint32_t k = items.begin; k < items.end; ++k)
    if (items.c->is_valid(k) && compare_values(*items.c, k, c, i) == 0) return true;
  return false;
}
bool contains_all(const items_at& items, const items_at& wanted) {
  for (uint32_t i = wanted.begin; i < wanted.end; ++i)
    if (!contains(items, *wanted.c, i)) return false;
  return true;
}

/// f(a, b, builder) where both lists are there.
template <class F>
void two_lists(run& r, const instruction& in, F f) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), b = at_row(r, in.args[1], row);
    if (!a.valid || !b.valid) return out.append_null();
    out.append(static_cast<uint8_t>(f(items_of(a), items_of(b))));
  });
}
void includes(run& r, const instruction& in) {
  two_lists(r, in, [](auto a, auto b) { return contains_all(a, b); });
}
void included(run& r, const instruction& in) {
  two_lists(r, in, [](auto a, auto b) { return contains_all(b, a); });
}
void overlaps(run& r, const instruction& in) {
  two_lists(r, in, [](auto a, auto b) {
    for (uint32_t i = a.begin; i < a.end; ++i)
      if (contains(b, *a.c, i)) return true;
    return false;
  });
}

void cat(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), b = at_row(r, in.args[1], row);
    if (!a.valid && !b.valid) return out.append_null();
    if (a.valid) append_items(out, items_of(a));
    if (b.valid) append_items(out, items_of(b));
    out.append_list();
  });
}
void append(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row);
    if (a.valid) append_items(out, items_of(a));
    append_value(out.child(0), at_row(r, in.args[1], row));
    out.append_list();
  });
}
void prepend(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[1], row);
    append_value(out.child(0), at_row(r, in.args[0], row));
    if (a.valid) append_items(out, items_of(a));
    out.append_list();
  });
}

void cardinality(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row);
    if (!a.valid) return out.append_null();
    out.append(static_cast<int32_t>(items_of(a).size()));
  });
}
enum class measure : uint8_t { length, lower, upper, dimensions };
/// NULL of an empty array and of a dimension that is not there.
template <measure m>
void measured(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row);
    if (!a.valid || items_of(a).size() == 0) return out.append_null();
    if constexpr (m != measure::dimensions) {
      const auto d = at_row(r, in.args[1], row);
      if (!d.valid || number(d) != 1) return out.append_null();
    }
    const bool one = m == measure::lower || m == measure::dimensions;
    out.append(one ? 1 : static_cast<int32_t>(items_of(a).size()));
  });
}

void position(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), x = at_row(r, in.args[1], row);
    if (!a.valid) return out.append_null();
    int64_t start = 1;
    if (in.args.size() > 2) {
      const auto s = at_row(r, in.args[2], row);
      if (!s.valid) {
        r.fail(in, row, {errc::invalid_argument, "initial position must not be null"});
        return out.append_null();
      }
      start = std::max<int64_t>(1, number(s));
    }
    const auto items = items_of(a);
    for (int64_t k = start; k <= items.size(); ++k)
      if (same(items, items.begin + static_cast<uint32_t>(k - 1), x))
        return out.append(static_cast<int32_t>(k));
    out.append_null();
  });
}
void positions(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), x = at_row(r, in.args[1], row);
    if (!a.valid) return out.append_null();
    const auto items = items_of(a);
    for (uint32_t k = 0; k < items.size(); ++k)
      if (same(items, items.begin + k, x)) out.child(0).append(static_cast<int32_t>(k + 1));
    out.append_list();
  });
}
void remove(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), x = at_row(r, in.args[1], row);
    if (!a.valid) return out.append_null();
    const auto items = items_of(a);
    for (uint32_t i = items.begin; i < items.end; ++i)
      if (!same(items, i, x)) out.child(0).append_from(*items.c, i);
    out.append_list();
  });
}
void replace(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), x = at_row(r, in.args[1], row),
               y = at_row(r, in.args[2], row);
    if (!a.valid) return out.append_null();
    const auto items = items_of(a);
    for (uint32_t i = items.begin; i < items.end; ++i) {
      if (same(items, i, x))
        append_value(out.child(0), y);
      else
        out.child(0).append_from(*items.c, i);
    }
    out.append_list();
  });
}
void trim(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), n = at_row(r, in.args[1], row);
    if (!a.valid || !n.valid) return out.append_null();
    auto items = items_of(a);
    if (number(n) < 0 || static_cast<uint32_t>(number(n)) > items.size()) {
      r.fail(in, row,
             {errc::invalid_argument,
              "number of elements to trim must be between 0 and " + std::to_string(items.size())});
      return out.append_null();
    }
    items.end -= static_cast<uint32_t>(number(n));
    append_items(out, items);
    out.append_list();
  });
}

void to_string(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), by = at_row(r, in.args[1], row);
    if (!a.valid || !by.valid) return out.append_null();
    const auto nulls = in.args.size() > 2 ? at_row(r, in.args[2], row) : value_at{};
    const auto items = items_of(a);
    std::string text;
    bool first = true;
    for (uint32_t i = items.begin; i < items.end; ++i) {
      const bool there = items.c->is_valid(i);
      if (!there && !nulls.valid) continue;
      if (!first) text += by.c->view(by.i);
      first = false;
      if (!there)
        text += nulls.c->view(nulls.i);
      else if (items.c->type.id == type_id::boolean && !items.c->dictionary)
        text += items.c->data<uint8_t>()[i] ? 't' : 'f';
      else
        append_text(text, *items.c, i);
    }
    out.append(std::string_view(text));
  });
}

void from_string(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto s = at_row(r, in.args[0], row), by = at_row(r, in.args[1], row);
    if (!s.valid) return out.append_null();
    const auto nulls = in.args.size() > 2 ? at_row(r, in.args[2], row) : value_at{};
    auto add = [&](std::string_view part) {
      if (nulls.valid && part == nulls.c->view(nulls.i))
        out.child(0).append_null();
      else
        out.child(0).append(part);
    };
    auto text = s.c->view(s.i);
    if (!by.valid) {
      while (!text.empty()) {
        const size_t n = char_bytes(text, 0);
        add(text.substr(0, n));
        text.remove_prefix(n);
      }
    } else if (!text.empty()) {
      const auto delimiter = by.c->view(by.i);
      for (size_t end; !delimiter.empty() && (end = text.find(delimiter)) != text.npos;) {
        add(text.substr(0, end));
        text.remove_prefix(end + delimiter.size());
      }
      add(text);
    }
    out.append_list();
  });
}

// Pieces between the matches of a regular expression. An empty match makes none at the ends of the
// text and directly behind another match.
void split_by_regex(run& r, const instruction& in) {
  std::string pattern, flags, wrong;
  std::unique_ptr<re2::RE2> regex;
  bool global = false;
  // Constants are compiled once for a batch.
  auto compile = [&](std::string_view p, std::string_view f) {
    if (regex && pattern == p && flags == f) return;
    pattern = p;
    flags = f;
    global = false;
    wrong.clear();
    regex = compile_regex(p, f, global, wrong);
    if (global) wrong = "regexp_split_to_array() does not support the \"global\" option";
  };
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto s = at_row(r, in.args[0], row), p = at_row(r, in.args[1], row);
    const auto f = in.args.size() > 2 ? at_row(r, in.args[2], row) : value_at{};
    if (!s.valid || !p.valid || (in.args.size() > 2 && !f.valid)) return out.append_null();
    compile(p.c->view(p.i), in.args.size() > 2 ? f.c->view(f.i) : std::string_view());
    if (!wrong.empty()) {
      r.fail(in, row, {errc::invalid_argument, wrong});
      return out.append_null();
    }
    const auto text = s.c->view(s.i);
    const re2::StringPiece all(text.data(), text.size());
    re2::StringPiece found;
    size_t piece = 0, last_end = 0;
    for (size_t at = 0; at <= text.size() &&
                        regex->Match(all, at, text.size(), re2::RE2::UNANCHORED, &found, 1);) {
      const auto begin = static_cast<size_t>(found.data() - text.data());
      const auto end = begin + found.size();
      if (begin < text.size() && end > last_end) {
        out.child(0).append(text.substr(piece, begin - piece));
        piece = end;
      }
      last_end = end;
      at = behind_match(text, begin, found.size());
    }
    out.child(0).append(text.substr(piece));
    out.append_list();
  });
}

// A row's series is an array before it is rows: what is more is most likely a mistake.
constexpr uint64_t series_items_max = 1'000'000;

int sign_of(int64_t v) {
  return (v > 0) - (v < 0);
}
/// As PostgreSQL orders intervals: months have 30 days, days 24 hours.
int sign_of(const interval_value& v) {
  constexpr int64_t day = 86'400'000'000;
  const auto us = static_cast<int128>(v.months * int64_t{30} + v.days) * day + v.micros;
  return (us > 0) - (us < 0);
}
/// Items begin, begin + step ... up to `end`, in the way `next` counts; NULL where an argument is.
template <class T, class Step, class Next>
void series(run& r, const instruction& in, Step step_of, Next next) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto from = at_row(r, in.args[0], row), to = at_row(r, in.args[1], row);
    const auto by = in.args.size() > 2 ? at_row(r, in.args[2], row) : value_at{};
    if (!from.valid || !to.valid || (in.args.size() > 2 && !by.valid)) return out.append_null();
    const auto step = step_of(by);
    const int direction = sign_of(step);
    if (direction == 0) {
      r.fail(in, row, {errc::invalid_argument, "step size cannot equal zero"});
      return out.append_null();
    }
    const T end = to.c->data<T>()[to.i];
    uint64_t items = 0;
    std::optional<T> at = from.c->data<T>()[from.i];
    // What is beyond the type's range ends a series, too.
    for (; at && (direction > 0 ? *at <= end : *at >= end); at = next(*at, step)) {
      if (++items > series_items_max) {
        r.fail(in, row,
               {errc::overflow, "generate_series gives more than " +
                                    std::to_string(series_items_max) + " rows for one row"});
        break;
      }
      out.child(0).append(*at);
    }
    out.append_list();
  });
}
template <class T>
void number_series(run& r, const instruction& in) {
  series<T>(
      r, in, [](const value_at& by) { return by.c ? int64_t{by.c->data<T>()[by.i]} : int64_t{1}; },
      [](T at, int64_t step) -> std::optional<T> {
        T sum;
        if (__builtin_add_overflow(at, step, &sum)) return {};
        return sum;
      });
}
void time_series(run& r, const instruction& in) {
  series<int64_t>(
      r, in, [](const value_at& by) { return by.c->data<interval_value>()[by.i]; },
      [](int64_t at, const interval_value& step) { return add(at, step); });
}

}  // namespace

void register_arrays(catalog& c) {
  constexpr auto list = type_id::list, i4 = type_id::int32, b = type_id::boolean,
                 s = type_id::string;
  c.add("@>", {list, list}, b, includes, by_rows);
  c.add("<@", {list, list}, b, included, by_rows);
  c.add("&&", {list, list}, b, overlaps, by_rows);
  c.add("array_cat", {list, list}, list, cat, by_rows);
  c.add("cardinality", {list}, i4, cardinality, by_rows);
  c.add("array_length", {list, i4}, i4, measured<measure::length>, by_rows);
  c.add("array_lower", {list, i4}, i4, measured<measure::lower>, by_rows);
  c.add("array_upper", {list, i4}, i4, measured<measure::upper>, by_rows);
  c.add("array_ndims", {list}, i4, measured<measure::dimensions>, by_rows);
  for (auto t : part_types) {
    c.add("array_append", {list, t}, list, append, by_rows);
    c.add("array_prepend", {t, list}, list, prepend, by_rows);
    c.add("array_position", {list, t}, i4, position, by_rows);
    c.add("array_position", {list, t, i4}, i4, position, by_rows);
    c.add("array_positions", {list, t}, list, positions, by_rows);
    c.add("array_remove", {list, t}, list, remove, by_rows);
    c.add("array_replace", {list, t, t}, list, replace, by_rows);
  }
  c.add("trim_array", {list, i4}, list, trim, by_rows);
  c.add("array_to_string", {list, s}, s, to_string, by_rows);
  c.add("array_to_string", {list, s, s}, s, to_string, by_rows);
  c.add("string_to_array", {s, s}, list, from_string, by_rows);
  c.add("string_to_array", {s, s, s}, list, from_string, by_rows);
  c.add("regexp_split_to_array", {s, s}, list, split_by_regex, by_rows);
  c.add("regexp_split_to_array", {s, s, s}, list, split_by_regex, by_rows);
  constexpr auto i8 = type_id::int64, ts = type_id::timestamp;
  c.add("generate_series", {i4, i4}, list, number_series<int32_t>, by_rows);
  c.add("generate_series", {i4, i4, i4}, list, number_series<int32_t>, by_rows);
  c.add("generate_series", {i8, i8}, list, number_series<int64_t>, by_rows);
  c.add("generate_series", {i8, i8, i8}, list, number_series<int64_t>, by_rows);
  c.add("generate_series", {ts, ts, type_id::interval}, list, time_series, by_rows);
}

}  // namespace weir::expr
