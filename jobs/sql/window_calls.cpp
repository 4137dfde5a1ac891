// Calls with OVER: which functions there are, their arguments and types, windows by name.
#include "jobs/sql/window_calls.hpp"

#include <algorithm>
#include <array>

#include "jobs/plan/aggregate_call.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

using expr::binder;
using expr::bound;
using expr::window_syntax;
using f = over_function;

struct own_function {
  std::string_view name;
  over_function function;
  size_t arguments, arguments_max;
};
constexpr std::array own_functions = {
    own_function{"row_number", f::row_number, 0, 0},
    own_function{"rank", f::rank, 0, 0},
    own_function{"dense_rank", f::dense_rank, 0, 0},
    own_function{"percent_rank", f::percent_rank, 0, 0},
    own_function{"cume_dist", f::cume_dist, 0, 0},
    own_function{"ntile", f::ntile, 1, 1},
    own_function{"lag", f::lag, 1, 3},
    own_function{"lead", f::lead, 1, 3},
    own_function{"first_value", f::first_value, 1, 1},
    own_function{"last_value", f::last_value, 1, 1},
    own_function{"nth_value", f::nth_value, 2, 2},
};

/// A constant whole number that an argument must be.
result<int64_t> whole_number(const syntax& s, binder& b, const std::string& what) {
  WEIR_ASSIGN(auto value, b.bind(s));
  WEIR_ASSIGN(value, b.coerce(std::move(value), type_id::int64, expr::cast_context::implicit));
  auto n = expr::fold(value.n);
  if (n->kind != expr::node_kind::literal || n->literal.null)
    return b.fail(errc::unsupported, what + " must be a constant", expr::begin_of(s));
  return n->literal.i;
}

bool same(const expr::node_ptr& a, const expr::node_ptr& b) {
  return a && b ? expr::same_tree(*a, *b) : !a && !b;
}
bool same_offset(const scalar& a, const scalar& b) {
  return a.type == b.type && a.null == b.null && a.i == b.i && a.d == b.d && a.dec == b.dec;
}
bool same(const window_call& a, const window_call& b) {
  const auto &x = a.call, &y = b.call;
  return x.function == y.function && x.aggregate == y.aggregate && x.count == y.count &&
         x.separator == y.separator && x.frame.in == y.frame.in && x.frame.start == y.frame.start &&
         x.frame.end == y.frame.end && x.frame.without == y.frame.without &&
         same_offset(x.frame.start_offset, y.frame.start_offset) &&
         same_offset(x.frame.end_offset, y.frame.end_offset) && x.type == y.type &&
         same(a.argument, b.argument) && same(a.otherwise, b.otherwise) &&
         same(a.filter, b.filter) &&
         std::equal(a.partition.begin(), a.partition.end(), b.partition.begin(), b.partition.end(),
                    [](const auto& p, const auto& q) { return same(p, q); }) &&
         std::equal(a.order.begin(), a.order.end(), b.order.begin(), b.order.end(),
                    [](const auto& p, const auto& q) {
                      return same(p.value, q.value) && p.descending == q.descending &&
                             p.nulls_first == q.nulls_first;
                    });
}

bool comparable(const data_type& t) {
  return is_comparable(t);
}

}  // namespace

std::optional<over_function> find_window_function(std::string_view name) {
  for (const auto& o : own_functions)
    if (o.name == name) return o.function;
  return {};
}

std::vector<std::string> own_window_functions() {
  std::vector<std::string> out;
  for (const auto& o : own_functions) out.emplace_back(o.name);
  return out;
}

result<bound> window_calls::bind(const syntax& s, binder& b) {
  window_call c;
  c.location = s.location;
  if (s.distinct)
    return b.fail(errc::unsupported, "DISTINCT is not implemented for window functions",
                  s.location);
  if (s.order_location)
    return b.fail(errc::unsupported, "aggregate ORDER BY is not implemented for window functions",
                  *s.order_location);
  const auto own = find_window_function(s.name);
  if (!own && !planner::find_aggregate(s.name))
    return b.fail(
        errc::invalid_argument,
        "OVER specified, but " + s.name + " is not a window function nor an aggregate function",
        s.location);
  WEIR_ASSIGN(auto window, resolved(*s.over, b, defined_.size()));
  WEIR_TRY(bind_window(window, b, c));
  aggregate_call of;
  WEIR_TRY(own ? bind_own(s, b, *own, c) : bind_aggregate(s, b, c, of));
  WEIR_TRY(bind_frame(window, b, c));
  uint32_t k = 0;
  while (k < all_.size() && !same(all_[k], c)) ++k;
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::column;
  n->type = c.call.type;
  n->column = first + k;
  n->location = s.location;
  if (k == all_.size()) all_.push_back(std::move(c));
  if (own) return bound{std::move(n)};
  WEIR_ASSIGN(auto value, planner::made_of_items(s, of, std::move(n), b));
  return bound{std::move(value)};
}

/// What OVER name and OVER (name ...) stand for; `known`: so many definitions come before.
result<window_syntax> window_calls::resolved(const window_syntax& w, const binder& b,
                                             size_t known) const {
  const bool whole = !w.name.empty() && known == defined_.size() && w.copied.empty() &&
                     w.partition.empty() && w.order.empty() && !w.framed;
  const auto& wanted = whole ? w.name : w.copied;
  if (wanted.empty()) return w;
  size_t i = 0;
  while (i < known && defined_[i].name != wanted) ++i;
  if (i == known)
    return b.fail(errc::unknown_name, "window \"" + wanted + "\" does not exist", w.location);
  WEIR_ASSIGN(auto base, resolved(defined_[i], b, i));
  if (whole) return base;
  auto clash = [&](const char* what) {
    return b.fail(errc::invalid_argument,
                  std::string("cannot override ") + what + " clause of window \"" + wanted + "\"",
                  w.location);
  };
  if (!w.partition.empty()) return clash("PARTITION BY");
  if (!w.order.empty() && !base.order.empty()) return clash("ORDER BY");
  if (base.framed)
    return b.fail(errc::invalid_argument,
                  "cannot copy window \"" + wanted + "\" because it has a frame clause",
                  w.location);
  auto out = w;
  out.partition = base.partition;
  if (out.order.empty()) out.order = base.order;
  return out;
}

status window_calls::bind_window(const window_syntax& w, binder& b, window_call& c) {
  for (const auto& s : w.partition) {
    WEIR_ASSIGN(auto value, b.bind(s));
    value = b.settle(std::move(value));
    if (!comparable(value.n->type))
      return b.fail(errc::type_mismatch,
                    "could not identify an equality operator for type " + to_string(value.n->type),
                    expr::begin_of(s));
    c.partition.push_back(value.n);
  }
  for (const auto& item : w.order) {
    WEIR_ASSIGN(auto value, b.bind(item.value));
    value = b.settle(std::move(value));
    if (!comparable(value.n->type))
      return b.fail(errc::type_mismatch,
                    "could not identify an ordering operator for type " + to_string(value.n->type),
                    expr::begin_of(item.value));
    c.order.push_back({value.n, item.descending, item.nulls_first});
  }
  return {};
}

status window_calls::bind_own(const syntax& s, binder& b, over_function function, window_call& c) {
  c.call.function = function;
  if (!s.filter.empty())
    return b.fail(errc::invalid_argument,
                  "FILTER is not implemented for non-aggregate window functions", s.location);
  const auto& known = *std::find_if(own_functions.begin(), own_functions.end(),
                                    [&s](const own_function& o) { return o.name == s.name; });
  if (s.star || s.args.size() < known.arguments || s.args.size() > known.arguments_max) {
    std::string takes = std::to_string(known.arguments);
    if (known.arguments_max != known.arguments)
      takes += " to " + std::to_string(known.arguments_max);
    return b.fail(
        errc::parse,
        s.name + " takes " +
            (known.arguments_max == 0 ? "no arguments"
                                      : takes + (takes == "1" ? " argument" : " arguments")),
        s.location);
  }
  switch (function) {
    case f::row_number:
    case f::rank:
    case f::dense_rank:
      c.call.type = type_id::int64;
      return {};
    case f::percent_rank:
    case f::cume_dist:
      c.call.type = type_id::float64;
      return {};
    case f::ntile: {
      WEIR_ASSIGN(c.call.count, whole_number(s.args[0], b, "the argument of ntile"));
      if (c.call.count <= 0 || c.call.count > INT32_MAX)
        return b.fail(errc::invalid_argument, "argument of ntile must be greater than zero",
                      expr::begin_of(s.args[0]));
      c.call.type = type_id::int32;
      return {};
    }
    default:
      return bind_values(s, b, c);
  }
}

/// lag, lead, first_value, last_value, nth_value: values of a column of other rows.
status window_calls::bind_values(const syntax& s, binder& b, window_call& c) {
  WEIR_ASSIGN(auto value, b.bind(s.args[0]));
  value = b.settle(std::move(value));
  c.call.type = value.n->type;
  if (c.call.function == f::nth_value) {
    WEIR_ASSIGN(c.call.count, whole_number(s.args[1], b, "the second argument of nth_value"));
    if (c.call.count <= 0)
      return b.fail(errc::invalid_argument, "argument of nth_value must be greater than zero",
                    expr::begin_of(s.args[1]));
  }
  if (c.call.function == f::lag || c.call.function == f::lead) {
    if (s.args.size() > 1) {
      WEIR_ASSIGN(c.call.count, whole_number(s.args[1], b, "the offset of " + s.name));
      if (c.call.count < 0) {  // the other way
        c.call.function = c.call.function == f::lag ? f::lead : f::lag;
        c.call.count = c.call.count == INT64_MIN ? INT64_MAX : -c.call.count;
      }
    }
    if (s.args.size() > 2) {
      WEIR_ASSIGN(auto otherwise, b.bind(s.args[2]));
      WEIR_ASSIGN(auto type, b.common_type({value, otherwise}, s.name, s.location));
      WEIR_ASSIGN(value, b.coerce(std::move(value), type, expr::cast_context::implicit));
      WEIR_ASSIGN(otherwise, b.coerce(std::move(otherwise), type, expr::cast_context::implicit));
      c.call.type = type;
      c.otherwise = otherwise.n;
    }
  }
  c.argument = value.n;
  return {};
}

status window_calls::bind_aggregate(const syntax& s, binder& b, window_call& c,
                                    aggregate_call& of) {
  auto plain = s;
  plain.over_location.reset();
  plain.over.reset();
  WEIR_ASSIGN(of, planner::bind_aggregate(plain, b));
  if (of.function == aggregate_function::first || of.function == aggregate_function::last)
    return b.fail(errc::unsupported,
                  s.name + " with OVER is not supported; write first_value or last_value",
                  s.location);
  c.call.function = f::aggregate;
  c.call.aggregate = of.function;
  c.call.type = of.type;
  c.call.separator = of.separator;
  c.argument = of.argument;
  c.filter = of.filter;
  return {};
}

result<scalar> window_calls::frame_offset(const syntax& s, const char* which,
                                          window_syntax::unit unit, binder& b,
                                          const window_call& c) {
  const auto at = expr::begin_of(s);
  const bool range = unit == window_syntax::unit::range;
  data_type column = type_id::int64, offset = type_id::int64;
  if (range) {
    column = offset = c.order[0].value->type;
    if (column.id == type_id::int32) offset = type_id::int64;
    if (column.id == type_id::timestamp || column.id == type_id::date) offset = type_id::interval;
    if (column.id != type_id::int32 && column.id != type_id::int64 &&
        column.id != type_id::float64 && column.id != type_id::decimal &&
        offset.id != type_id::interval)
      return b.fail(errc::unsupported,
                    "RANGE with offset PRECEDING/FOLLOWING is not supported for column type " +
                        to_string(column),
                    at);
  }
  WEIR_ASSIGN(auto value, b.bind(s));
  WEIR_ASSIGN(value, b.coerce(std::move(value), offset, expr::cast_context::implicit));
  auto n = expr::fold(value.n);
  if (n->kind != expr::node_kind::literal)
    return b.fail(errc::unsupported,
                  std::string("the frame's ") + which + " offset must be a constant", at);
  auto v = n->literal;
  if (v.null)
    return b.fail(errc::invalid_argument,
                  std::string("frame ") + which + " offset must not be null", at);
  if (offset.id == type_id::interval) {
    const auto i = v.interval;
    int64_t us = 0;
    if (i.months != 0 || __builtin_mul_overflow(int64_t{i.days}, int64_t{86'400'000'000}, &us) ||
        __builtin_add_overflow(us, i.micros, &us))
      return b.fail(errc::unsupported,
                    "the offset of a frame is in days, hours or less: months have no fixed length",
                    at);
    if (column.id == type_id::date) {
      if (us % 86'400'000'000 != 0)
        return b.fail(errc::unsupported, "the offset of a frame over dates is in whole days", at);
      us /= 86'400'000'000;
    }
    v = scalar::of_int(type_id::int64, us);
  }
  const bool negative = v.type.id == type_id::float64   ? !(v.d >= 0)
                        : v.type.id == type_id::decimal ? v.dec < 0
                                                        : v.i < 0;
  if (negative)
    return b.fail(errc::invalid_argument,
                  range ? std::string("invalid preceding or following size in window function")
                        : std::string("frame ") + which + " offset must not be negative",
                  at);
  return v;
}

status window_calls::bind_frame(const window_syntax& w, binder& b, window_call& c) {
  const bool offsets = !w.start_offset.empty() || !w.end_offset.empty();
  if (w.frame == window_syntax::unit::groups && c.order.empty())
    return b.fail(errc::invalid_argument, "GROUPS mode requires an ORDER BY clause", w.location);
  if (w.frame == window_syntax::unit::range && offsets && c.order.size() != 1)
    return b.fail(errc::invalid_argument,
                  "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                  w.location);
  auto& frame = c.call.frame;
  frame.in = static_cast<over_frame::unit>(w.frame);
  frame.start = static_cast<over_frame::bound>(w.start);
  frame.end = static_cast<over_frame::bound>(w.end);
  frame.without = static_cast<over_frame::exclusion>(w.without);
  if (!w.start_offset.empty()) {
    WEIR_ASSIGN(frame.start_offset, frame_offset(w.start_offset[0], "starting", w.frame, b, c));
  }
  if (!w.end_offset.empty()) {
    WEIR_ASSIGN(frame.end_offset, frame_offset(w.end_offset[0], "ending", w.frame, b, c));
  }
  switch (c.call.function) {
    case f::first_value:
    case f::last_value:
    case f::nth_value:
    case f::aggregate:
      break;
    default:
      frame = {};  // the others look at the whole partition
  }
  return {};
}

}  // namespace weir::sql
