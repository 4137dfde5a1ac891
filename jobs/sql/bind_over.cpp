// The steps that compute a SELECT's window functions, between its groups and its select list.
#include <algorithm>

#include "jobs/sql/query_binder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {
namespace {

/// The tree with the calls' places instead of what stood for them.
expr::node_ptr placed(const expr::node_ptr& n, const std::vector<uint32_t>& places) {
  if (n->kind == expr::node_kind::column && n->column >= window_calls::first) {
    auto copy = std::make_shared<expr::node>(*n);
    copy->column = places[n->column - window_calls::first];
    return copy;
  }
  if (n->args.empty()) return n;
  auto copy = std::make_shared<expr::node>(*n);
  for (auto& a : copy->args) a = placed(a, places);
  return copy;
}

std::string call_text(const over_call& c, const schema& types) {
  std::string out = c.function == over_function::aggregate ? function_name(c.aggregate)
                                                           : function_name(c.function);
  out += '(';
  if (c.argument) out += types.fields[*c.argument].name;
  if (c.function == over_function::aggregate && c.aggregate == aggregate_function::count_star)
    out += '*';
  if (c.function == over_function::lag || c.function == over_function::lead ||
      c.function == over_function::nth_value || c.function == over_function::ntile)
    out += (c.argument ? ", " : "") + std::to_string(c.count);
  if (c.otherwise) out += ", " + types.fields[*c.otherwise].name;
  if (!c.separator.empty()) out += ", '" + c.separator + '\'';
  out += ')';
  if (c.filter) out += " FILTER (" + types.fields[*c.filter].name + ')';
  using b = over_frame::bound;
  const auto& f = c.frame;
  if (f.start == b::unbounded_preceding && f.end == b::current_row &&
      f.in == over_frame::unit::range && f.without == over_frame::exclusion::none)
    return out;
  auto bound = [](b at, const scalar& offset) -> std::string {
    std::string n = offset.type.id == type_id::float64 ? std::to_string(offset.d)
                    : offset.type.id == type_id::decimal
                        ? std::to_string(static_cast<int64_t>(offset.dec))
                        : std::to_string(offset.i);
    switch (at) {
      case b::unbounded_preceding:
        return "unbounded preceding";
      case b::preceding:
        return n + " preceding";
      case b::current_row:
        return "current row";
      case b::following:
        return n + " following";
      case b::unbounded_following:
        return "unbounded following";
    }
    return {};
  };
  static constexpr const char* units[] = {"range", "rows", "groups"};
  static constexpr const char* exclusions[] = {"", " exclude current row", " exclude group",
                                               " exclude ties"};
  return out + ' ' + units[static_cast<size_t>(f.in)] + ' ' + bound(f.start, f.start_offset) +
         " to " + bound(f.end, f.end_offset) + exclusions[static_cast<size_t>(f.without)];
}

}  // namespace

/// Adds what the calls read to the targets, so that it goes through GROUP BY with them.
void query_binder::add_window_inputs(const window_calls& windows,
                                     std::vector<bound_target>& targets) {
  auto add = [&targets](const expr::node_ptr& n, uint32_t location) {
    if (!n) return;
    bound_target t;
    t.value.n = n;
    t.name = "window";
    t.location = location;
    t.hidden = true;
    targets.push_back(std::move(t));
  };
  for (const auto& w : windows.all()) {
    add(w.argument, w.location);
    add(w.otherwise, w.location);
    add(w.filter, w.location);
    for (const auto& p : w.partition) add(p, w.location);
    for (const auto& k : w.order) add(k.value, w.location);
  }
}

/// Computes the calls over `from`, whose columns keep their places; takes the targets that
/// add_window_inputs() added off their end, and puts the calls' columns into the others.
std::optional<planner::relation> query_binder::compute_windows(const window_calls& windows,
                                                               planner::relation from,
                                                               std::vector<bound_target>& targets,
                                                               size_t first_input,
                                                               const context& c) {
  const auto types = types_of(from);
  std::set<std::string> taken;
  std::vector<planner::named_expr> columns;
  for (uint32_t i = 0; i < types.size(); ++i) {
    taken.insert(types.fields[i].name);
    columns.push_back({types.fields[i].name, planner::column_ref(types, i)});
  }
  size_t next = first_input;
  auto column_of = [&](bool there) -> std::optional<uint32_t> {
    if (!there) return {};
    const auto& n = targets[next++].value.n;
    if (auto bare = planner::bare_column(n)) return bare;
    for (uint32_t i = 0; i < columns.size(); ++i)
      if (expr::same_tree(*columns[i].value, *n)) return i;
    columns.push_back({unique_name(expr::to_sql(*n, types), taken), n});
    return static_cast<uint32_t>(columns.size() - 1);
  };
  struct step {
    planner::over_def def;
    std::vector<size_t> calls;
    uint32_t location = 0;
  };
  std::vector<step> steps;
  for (size_t k = 0; k < windows.all().size(); ++k) {
    const auto& w = windows.all()[k];
    auto call = w.call;
    call.argument = column_of(w.argument != nullptr);
    call.otherwise = column_of(w.otherwise != nullptr);
    call.filter = column_of(w.filter != nullptr);
    step s;
    s.location = w.location;
    s.def.final_only = c.final_rows;
    for (size_t i = 0; i < w.partition.size(); ++i) {
      const auto key = *column_of(true);
      if (std::find(s.def.keys.begin(), s.def.keys.end(), key) == s.def.keys.end())
        s.def.keys.push_back(key);
    }
    for (const auto& o : w.order)
      s.def.order.push_back({*column_of(true), o.descending, o.nulls_first});
    auto known = std::find_if(steps.begin(), steps.end(), [&s](const step& x) {
      return x.def.keys == s.def.keys && x.def.order == s.def.order;
    });
    if (known == steps.end()) known = steps.insert(steps.end(), std::move(s));
    known->def.calls.push_back(std::move(call));
    known->calls.push_back(k);
  }
  targets.resize(first_input);
  auto location = windows.all()[0].location;
  if (columns.size() > types.size()) {
    auto o = part(c, "window-columns");
    for (size_t i = types.size(); i < columns.size(); ++i) o.what += columns[i].name + ", ";
    auto made = take(builder_.project(from, std::move(columns), std::move(o)), {}, location);
    if (!made) return {};
    from = made->from;
  }
  std::vector<uint32_t> places(windows.all().size());
  for (auto& s : steps) {
    const auto have = types_of(from);
    auto o = part(c, "over");
    for (auto k : s.def.keys) o.what += have.fields[k].name + ", ";
    o.what += "by ";
    for (const auto& t : s.def.order)
      o.what += have.fields[t.column].name + (t.descending ? " desc" : "") +
                (t.nulls_first ? " nulls first" : "") + ", ";
    for (size_t i = 0; i < s.calls.size(); ++i) {
      auto& call = s.def.calls[i];
      const auto text = call_text(call, have);
      o.what += text + ", ";
      call.name = unique_name(text, taken);
      places[s.calls[i]] = static_cast<uint32_t>(have.size() + i);
    }
    if (c.final_rows) o.what += "final";
    auto made = take(builder_.over(from, std::move(s.def), std::move(o)), {}, s.location);
    if (!made) return {};
    from = made->from;
    change_locations[from.node] = s.location;
  }
  for (auto& t : targets)
    if (t.value.n) t.value.n = placed(t.value.n, places);
  return from;
}

}  // namespace weir::sql
