// Windows of FROM: TUMBLE, HOP, CUMULATE and SESSION over a table or view.
#include <algorithm>
#include <array>

#include "jobs/sql/query_binder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

struct window_function {
  std::string_view name;
  window_kind kind;
  size_t sizes;  // arguments behind the table and its column
  std::string_view usage;
};
constexpr std::array window_kinds = {
    window_function{"tumble", window_kind::tumble, 1,
                    "TUMBLE takes a table, its event-time column and a size: TUMBLE(flights, "
                    "sched, INTERVAL '1 hour')"},
    window_function{"hop", window_kind::hop, 2,
                    "HOP takes a table, its event-time column, a slide and a size: HOP(flights, "
                    "sched, INTERVAL '5 minutes', INTERVAL '1 hour')"},
    window_function{"cumulate", window_kind::cumulate, 2,
                    "CUMULATE takes a table, its event-time column, a step and a size: "
                    "CUMULATE(flights, sched, INTERVAL '1 hour', INTERVAL '1 day')"},
    window_function{"session", window_kind::session, 1,
                    "SESSION takes a table, its event-time column, a gap and perhaps the column "
                    "whose values have sessions of their own: SESSION(flights, sched, INTERVAL '30 "
                    "minutes', carrier)"},
};

const window_function* find_window(std::string_view name) {
  for (const auto& w : window_kinds)
    if (w.name == name) return &w;
  return nullptr;
}

std::string upper(std::string_view s) {
  std::string out;
  for (char c : s) out += static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return out;
}

/// The join behind which a column is no event time any more, though it is one in front of it.
bool lost_in_join(const planner::plan_builder& b, planner::relation at, uint32_t column) {
  using kind = planner::logical_node::kind;
  for (;;) {
    const auto& n = b.node(at);
    if (at.port != 0 || n.inputs.empty() || n.what == kind::unite || n.what == kind::custom)
      return false;
    auto below = n.inputs[0];
    if (n.what == kind::project || n.what == kind::aggregate) {
      const auto from =
          column < n.columns.size() ? planner::bare_column(n.columns[column].value) : std::nullopt;
      if (!from) return false;
      column = *from;
    } else if (const auto firsts = static_cast<uint32_t>(b.schema_of(below)->size());
               column >= firsts) {
      if (n.what != kind::join) return false;
      below = n.inputs[1];
      column -= firsts;
    }
    if (b.schema_of(below)->event_time == column) return n.what == kind::join;
    at = below;
  }
}

}  // namespace

bool is_window_function(std::string_view name) {
  return find_window(name) != nullptr;
}

std::vector<std::string> window_functions() {
  std::vector<std::string> out;
  for (const auto& w : window_kinds) out.emplace_back(w.name);
  return out;
}

/// Whether an argument is the event-time column of the rows.
bool query_binder::window_time(const syntax& s, const rows& in, const std::string& function) {
  const auto& types = types_of(in.from);
  select_scope names(in, types, function);
  expr::binder b(script_.text(), names);
  auto column = b.bind(s);
  if (!column) return report(column.err(), s.location);
  const auto index = planner::bare_column(column->n);
  if (index == types.event_time) return true;
  auto why = "\"" + s.name +
             "\" is no event time; name the table's timestamp column with the option event_time, "
             "and keep it in the queries before the window";
  if (types.event_time)
    why = "the window must be on the event-time column, \"" + types.fields[*types.event_time].name +
          "\": watermarks say when its windows end";
  else if (index && lost_in_join(builder_, in.from, *index))
    why =
        "\"" + s.name +
        "\" is no event time behind this join: its rows leave when they find each other, and the "
        "watermark may have passed them by then; bound in its ON how far apart in time they are "
        "(a.t BETWEEN b.t - INTERVAL '1 hour' AND b.t; of a FULL JOIN select coalesce(a.t, b.t)), "
        "or make the windows in front of it and join those (ON a.window_start = b.window_start AND "
        "a.window_end = b.window_end)";
  return report(errc::invalid_argument, why, s.location);
}

std::optional<rows> query_binder::window(const from_item& f, const context& c) {
  using k = expr::syntax_kind;
  const auto& s = f.call;
  const auto& known = *find_window(s.name);
  const auto name = upper(s.name);
  const size_t least = 2 + known.sizes;
  const bool session = known.kind == window_kind::session;
  if (s.args.size() < least || (s.args.size() > least && !session) || s.args[0].kind != k::column ||
      s.args[1].kind != k::column) {
    report(errc::parse, std::string(known.usage), s.location);
    return {};
  }
  auto in = relation({s.args[0].name, s.args[0].location}, c);
  if (!in) return {};
  for (auto& column : in->columns) column.table = s.args[0].name;
  if (!window_time(s.args[1], *in, name)) return {};
  planner::window_def def;
  def.shape.kind = known.kind;
  std::vector<int64_t> sizes;
  for (size_t i = 2; i < least; ++i) {
    auto us = window_size(s.args[i], name);
    if (!us) return {};
    sizes.push_back(*us);
  }
  def.shape.size_us = sizes.back();
  if (sizes.size() > 1) def.shape.step_us = sizes[0];
  auto o = part(c, "window");
  for (auto us : sizes) o.what += (o.what.empty() ? "" : " ") + std::to_string(us);
  for (size_t i = least; i < s.args.size(); ++i) {
    select_scope names(*in, types_of(in->from), name);
    expr::binder b(script_.text(), names);
    auto key = b.bind(s.args[i]);
    if (!key) return report(key.err(), s.args[i].location), std::nullopt;
    const auto column = planner::bare_column(key->n);
    if (!column) {
      report(errc::unsupported,
             "the key of SESSION is a column; compute it in a view or a query in FROM",
             s.args[i].location);
      return {};
    }
    if (!comparable(key->n->type, s.args[i].location)) return {};
    if (!def.keys) def.keys.emplace();
    def.keys->push_back(*column);
    o.what += ' ' + types_of(in->from).fields[*column].name;
  }
  auto columns = in->columns;
  auto out = builder_.window(in->from, std::move(def), std::move(o));
  if (!out) return report(out.err().code, out.err().message, s.location), std::nullopt;
  locations.try_emplace(out->node, s.location);
  for (const auto& text : {"window_start", "window_end"}) {
    column_name w;
    w.name = text;
    w.index = *types_of(*out).find(text);
    columns.push_back(std::move(w));
  }
  return rows{*out, std::move(columns)};
}

/// An interval of fixed length; microseconds.
std::optional<int64_t> query_binder::window_size(const syntax& s, const std::string& what) {
  rows nothing;
  schema no_types;
  select_scope none(nothing, no_types, what);
  expr::binder constants(script_.text(), none);
  auto size = constants.bind(s);
  if (!size) return report(size.err(), s.location), std::nullopt;
  if (size->unknown)
    size = constants.coerce(*size, type_id::interval, expr::cast_context::implicit);
  if (!size) return report(size.err(), s.location), std::nullopt;
  auto value = expr::fold(size->n);
  if (value->kind != expr::node_kind::literal || value->literal.null ||
      value->type.id != type_id::interval) {
    report(errc::type_mismatch, "the size of a window is an interval: INTERVAL '1 hour'",
           s.location);
    return {};
  }
  const auto& i = value->literal.interval;
  int64_t us = 0;
  if (i.months || __builtin_mul_overflow(int64_t{i.days}, int64_t{86'400'000'000}, &us) ||
      __builtin_add_overflow(us, i.micros, &us)) {
    report(errc::invalid_argument,
           "a window's size is in days, hours or less: months have no "
           "fixed length",
           s.location);
    return {};
  }
  return us;
}

}  // namespace weir::sql
