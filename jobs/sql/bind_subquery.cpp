// Subqueries in expressions, and what they read of the query outside. A subquery is never computed
// row by row: it becomes a relation that carries, beside its own columns, the outer columns that it
// depends on, and is joined by them (Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015).
// Where WHERE says that an outer column equals something inside, that stands for it; for the other
// outer columns the subquery runs over the distinct values that the outer query has of them.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/outer_names.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

namespace {

using k = expr::syntax_kind;

}  // namespace

/// Rows and values of a subquery's one column, for each outer row: columns 0 and 1; with `bounds`
/// the least and the greatest value, too: columns 2 and 3.
std::optional<rows> query_binder::counted(const rows& inner, const context& c, bool bounds) {
  const auto types = types_of(inner.from);
  planner::aggregate_def def;
  def.by_window = false;
  def.final_only = c.final_rows;
  std::set<std::string> taken{"rows", "values", "least", "greatest", "window_start", "window_end"};
  rows out;
  for (const auto& x : inner.correlated) {
    out.correlated.push_back({x.outer, static_cast<uint32_t>(def.keys.size()), x.null_safe});
    def.keys.push_back(
        {unique_name(types.fields[x.own].name, taken), planner::column_ref(types, x.own)});
  }
  aggregate_call all, known;
  all.name = "rows";
  known.name = "values";
  known.function = aggregate_function::count;
  known.argument = planner::column_ref(types, inner.columns[0].index);
  def.calls = {all, known};
  if (bounds)
    for (auto f : {aggregate_function::min, aggregate_function::max}) {
      auto call = known;
      call.name = f == aggregate_function::min ? "least" : "greatest";
      call.function = f;
      def.calls.push_back(std::move(call));
    }
  const auto keys = static_cast<uint32_t>(def.keys.size());
  out.columns.resize(def.calls.size());
  for (uint32_t i = 0; i < out.columns.size(); ++i) out.columns[i].index = keys + i;
  auto made = builder_.aggregate(inner.from, std::move(def), part(c, "counts"));
  if (!made) return report(made.err().code, made.err().message, 0), std::nullopt;
  out.from = *made;
  return out;
}

/// The columns `kept` of a subquery, then those of its correlations, then true.
std::optional<rows> query_binder::marked(rows inner, std::vector<uint32_t> kept, bool distinct,
                                         const context& c) {
  const auto types = types_of(inner.from);
  std::vector<bound_target> targets;
  for (auto i : kept) targets.push_back(plain_target(planner::column_ref(types, i), "value"));
  for (auto& x : inner.correlated) {
    targets.push_back(plain_target(planner::column_ref(types, x.own), "for"));
    x.own = static_cast<uint32_t>(targets.size() - 1);
  }
  targets.push_back(plain_target(make_truth(true), "is there"));
  auto made = project(inner.from, std::move(targets), part(c, "marked"));
  if (!made) return {};
  for (auto& column : made->columns) column.literal.reset();
  made->correlated = std::move(inner.correlated);
  if (!distinct) return made;
  auto once = take(builder_.distinct(made->from, part(c, "values")), made->columns, 0);
  if (once) once->correlated = std::move(made->correlated);
  return once;
}

/// Joins what gives each row at most one partner.
bool query_binder::left_join(rows& in, const rows& inner, std::vector<expr::node_ptr> more,
                             const context& c, uint32_t location) {
  auto all = pairing(in, inner, types_of(in.from).size());
  all.insert(all.end(), more.begin(), more.end());
  const auto columns = in.columns;
  const auto correlated = in.correlated;
  auto made = combine(in, inner, join_kind::left, planner::join_and(std::move(all)), c, location);
  if (!made) return false;
  in = {made->from, columns, correlated, in.single};
  return true;
}

namespace {

/// Gives a subquery the value and the title of an equal one: GROUP BY, ORDER BY and DISTINCT ON
/// compare trees.
bool has_equal(const syntax& s, subquery_values& values, subquery_titles& titles) {
  const auto& shape = query_of(s).shape;
  const auto same = std::find_if(values.begin(), values.end(), [&shape](const auto& v) {
    return static_cast<const query*>(v.first)->shape == shape;
  });
  if (same == values.end()) return false;
  const expr::bound value = same->second;
  values[s.query.get()] = value;
  if (const auto title = titles.find(same->first); title != titles.end()) {
    auto text = title->second;
    titles[s.query.get()] = std::move(text);
  }
  return true;
}

}  // namespace

namespace {

const syntax* first_window(const syntax& s) {
  if (s.over_location) return &s;
  for (const auto& a : s.args)
    if (const auto* found = first_window(a)) return found;
  return nullptr;
}

}  // namespace

bool query_binder::check_nested(const syntax& s) {
  if (!s.over_location) return true;
  for (const auto& a : s.args)
    if (const auto* inner = first_window(a))
      return report(errc::invalid_argument, "window function calls cannot be nested",
                    inner->location);
  return true;
}

bool query_binder::attach(const syntax& s, rows& in, const context& c, subquery_values& values,
                          std::vector<const syntax*>* windowed) {
  if (!check_nested(s)) return false;
  for (const auto& a : s.args)
    if (!attach(a, in, c, values, windowed)) return false;
  for (const auto& f : s.filter)
    if (!attach(f, in, c, values)) return false;
  if (s.kind != k::subquery || has_equal(s, values, titles_)) return true;
  if (!s.args.empty() && has_window(s.args[0])) {
    if (!windowed)
      return report(errc::invalid_argument,
                    "window functions are not allowed left of " + s.name + " (SELECT ...) here",
                    s.args[0].location);
    values[s.query.get()] = place_of_windowed(s, *windowed);
    return true;
  }
  auto inner = subquery(s, in, c);
  return inner && attach_bound(s, std::move(*inner), in, c, values);
}

bool query_binder::attach_bound(const syntax& s, rows inner, rows& in, const context& c,
                                subquery_values& values, const std::vector<expr::bound>* left) {
  if (s.name.empty()) return attach_value(s, std::move(inner), in, c, values);
  if (s.name == "EXISTS") return attach_exists(s, std::move(inner), in, c, values);
  if (s.name == "ROW" ? !check_one_row(s, inner) : inner.when_empty.empty())
    return s.name != "ROW" && attach_in(s, std::move(inner), in, c, values, left);
  auto value = attach_single(s, std::move(inner), in, c, values, left);
  if (value) values[s.query.get()] = {value, false, false};
  return value != nullptr;
}

expr::bound query_binder::place_of_windowed(const syntax& s, std::vector<const syntax*>& windowed) {
  windowed.push_back(&s);
  return {make_column(type_id::boolean, clause_subqueries::first_windowed +
                                            static_cast<uint32_t>(windowed.size() - 1)),
          false, false};
}

bool query_binder::bind_windowed(const rows& in, std::vector<aggregate_call>& calls,
                                 window_calls& windows, const clause_subqueries& all,
                                 std::vector<bound_target>& lefts) {
  select_scope names(in, types_of(in.from), calls);
  names.know(all.values);
  names.allow(windows);
  for (const auto* s : all.windowed) {
    auto left = left_of(*s, names);
    if (!left) return false;
    for (auto& part : *left) {
      bound_target t;
      t.value = std::move(part);
      t.name = "left";
      t.location = s->location;
      t.hidden = true;
      lefts.push_back(std::move(t));
    }
  }
  return true;
}

namespace {

/// The tree with what stands for subqueries in it.
expr::node_ptr with_windowed(const expr::node_ptr& n, const std::vector<expr::node_ptr>& values) {
  if (n->kind == expr::node_kind::column) {
    const auto first = clause_subqueries::first_windowed;
    return n->column >= first && n->column < first + values.size() ? values[n->column - first] : n;
  }
  if (n->args.empty()) return n;
  auto copy = std::make_shared<expr::node>(*n);
  for (auto& a : copy->args) a = with_windowed(a, values);
  return copy;
}

}  // namespace

/// `targets` end in the left sides, from `first` on, over `in`, which has the window functions'
/// columns; they leave.
bool query_binder::attach_windowed(const clause_subqueries& all, rows& in,
                                   std::vector<bound_target>& targets, size_t first,
                                   const context& c) {
  subquery_values joined;
  std::vector<expr::node_ptr> made;
  auto next = first;
  for (const auto* s : all.windowed) {
    std::vector<expr::bound> left;
    while (left.size() < parts_of_left(*s).size()) {
      left.push_back(targets[next++].value);
      left.back().n = with_windowed(left.back().n, made);
    }
    auto inner = subquery(*s, in, c);
    if (!inner || !attach_bound(*s, std::move(*inner), in, c, joined, &left)) return false;
    made.push_back(joined.at(s->query.get()).n);
  }
  targets.resize(first);
  for (auto& t : targets) t.value.n = with_windowed(t.value.n, made);
  return true;
}

bool query_binder::attach_grouped(const syntax& s, rows& in, const context& c,
                                  clause_subqueries& out) {
  if (!check_nested(s)) return false;
  if (s.kind == k::function && planner::find_aggregate(s.name)) {
    // Its arguments are those of single rows.
    const bool ok = attach(s, in, c, out.of_rows);
    out.values.insert(out.of_rows.begin(), out.of_rows.end());
    return ok;
  }
  if (s.kind != k::subquery) {
    for (const auto& a : s.args)
      if (!attach_grouped(a, in, c, out)) return false;
    return true;
  }
  const auto put = [&](expr::bound value) {
    out.over_groups[s.query.get()] = value;
    out.values[s.query.get()] = std::move(value);
  };
  if (has_equal(s, out.over_groups, titles_)) return put(out.over_groups.at(s.query.get())), true;
  const bool asks = !s.name.empty() && s.name != "EXISTS";
  for (const auto& a : s.args)
    if (!attach_grouped(a, in, c, out)) return false;
  if (asks && has_window(s.args[0])) return put(place_of_windowed(s, out.windowed)), true;
  auto inner = subquery(s, out.stand_in ? *out.stand_in : in, c);
  if (!inner) return false;
  bool calls = false;
  for (const auto& x : inner->correlated) {
    const bool is_call =
        std::any_of(out.call_columns.begin(), out.call_columns.end(),
                    [&x](const column_name& column) { return column.index == x.outer; });
    calls |= is_call;
    if (!is_call) out.read.push_back({x.outer, s.location});
  }
  const bool reads = !inner->correlated.empty();
  if (asks || !reads || calls || out.of_groups) {
    if (s.name.empty() && !check_value(s, *inner)) return false;
    const auto type = s.name.empty() ? types_of(inner->from).fields[inner->columns[0].index].type
                                     : data_type(type_id::boolean);
    const auto at = clause_subqueries::first_later + static_cast<uint32_t>(out.later.size());
    put({make_column(type, at), false, s.name.empty() && inner->columns[0].zoned});
    out.later.push_back({&s, reads ? std::nullopt : std::move(inner)});
    return true;
  }
  for (const auto& x : inner->correlated) out.keys.push_back(x.outer);
  const auto columns = types_of(in.from).size();
  if (!attach_bound(s, std::move(*inner), in, c, out.values)) return false;
  put(out.values.at(s.query.get()));
  // What depends on the group's keys alone is one more key of it.
  for (auto column : expr::columns_of(*out.values[s.query.get()].n))
    if (column >= columns) out.keys.push_back(column);
  return true;
}

bool query_binder::know_calls(const query& q, const rows& in, const std::vector<syntax>& called,
                              const context& c, clause_subqueries& out) {
  if (std::any_of(q.from.begin(), q.from.end(), [](const auto& f) { return f.unlisted; }))
    return report(errc::unsupported,
                  "an aggregate of this query in a subquery, beside a function that gives rows in "
                  "the select list, is not supported; write the function in FROM",
                  called[0].location);
  std::vector<aggregate_call> calls;
  std::vector<bound_target> targets;
  const auto types = types_of(in.from);
  for (uint32_t i = 0; i < types.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
  if (!bind_calls(called, in, calls, out)) return false;
  out.groupings.clear();
  for (size_t i = 0; i < called.size(); ++i) {
    column_name column;
    column.table = outer_calls::table;
    column.name = std::to_string(i);
    column.index = static_cast<uint32_t>(targets.size());
    column.zoned = out.called[i].zoned;
    column.hidden = true;
    out.call_columns.push_back(std::move(column));
    targets.push_back(plain_target(make_null(out.called[i].n->type), called[i].name));
  }
  auto made = project(in.from, std::move(targets), part(c, "calls"));
  if (!made) return false;
  out.stand_in = rows{made->from, in.columns};
  out.stand_in->columns.insert(out.stand_in->columns.end(), out.call_columns.begin(),
                               out.call_columns.end());
  return true;
}

bool query_binder::bind_calls(const std::vector<syntax>& called, const rows& in,
                              std::vector<aggregate_call>& calls, clause_subqueries& out) {
  const auto types = types_of(in.from);
  select_scope names(in, types, calls);
  names.know(out.values);
  names.know(out.groupings);
  out.called.clear();
  for (const auto& s : called) {
    expr::binder b(script_.text(), names);
    auto value = b.bind(s);
    if (!value) return report(value.err(), s.location);
    out.called.push_back(b.settle(std::move(*value)));
  }
  return true;
}

bool query_binder::bind_lefts(const rows& in, std::vector<aggregate_call>& calls,
                              clause_subqueries& all) {
  select_scope names(in, types_of(in.from), calls);
  names.know(all.values);
  names.know(all.groupings);
  for (auto& l : all.later) {
    if (l.of->args.empty()) continue;
    auto left = left_of(*l.of, names);
    if (!left) return false;
    l.left = std::move(*left);
  }
  return true;
}

bool query_binder::check_value(const syntax& s, const rows& inner) {
  if (inner.columns.size() != 1)
    return report(errc::type_mismatch, "subquery must return only one column", s.location);
  titles_[s.query.get()] = inner.columns[0].name;
  return check_one_row(s, inner);
}

bool query_binder::check_one_row(const syntax& s, const rows& inner) {
  std::vector<uint32_t> outer;
  for (const auto& x : inner.correlated) outer.push_back(x.own);
  return inner.single || builder_.unique_by(inner.from, outer) ||
         report(errc::unsupported,
                "a subquery that is used as a value must give one row at most; aggregate it, as in "
                "(SELECT max(x) FROM ...)",
                s.location);
}

bool query_binder::attach_value(const syntax& s, rows inner, rows& in, const context& c,
                                subquery_values& values) {
  if (!check_value(s, inner)) return false;
  const auto zoned = inner.columns[0].zoned;
  auto all = values_of(std::move(inner), in, c, s.location);
  if (!all) return false;
  auto value = all->columns.front();
  if (all->kept) value = make_call("case", value->type, {all->kept, value, make_null(value->type)});
  values[s.query.get()] = {std::move(value), false, zoned};
  return true;
}

expr::node_ptr query_binder::attach_single(const syntax& s, rows inner, rows& in, const context& c,
                                           const subquery_values& values,
                                           const std::vector<expr::bound>* known) {
  if (s.name != "EXISTS" && !same_width(s, inner)) return nullptr;
  const auto columns = inner.columns;
  auto one = values_of(std::move(inner), in, c, s.location);
  if (!one) return nullptr;
  if (s.name == "EXISTS")
    return one->kept ? make_call("is true", type_id::boolean, {one->kept}) : make_truth(true);
  select_scope names(in, types_of(in.from), "here");
  names.know(values);
  const auto left = known ? std::optional(*known) : left_of(s, names);
  if (!left) return nullptr;
  std::vector<expr::bound> right;
  for (size_t i = 0; i < columns.size(); ++i)
    right.push_back({one->columns[i], false, columns[i].zoned});
  auto test = compared(s, *left, right, s.text.empty() ? "=" : s.text);
  if (!test || !one->kept) return test;
  auto otherwise = s.name == "ROW" ? make_null(type_id::boolean) : make_truth(s.name == "ALL");
  return make_call("case", type_id::boolean, {one->kept, test, std::move(otherwise)});
}

/// Joins a subquery of one row to `in`; its columns, over what `in` is then.
std::optional<query_binder::one_row> query_binder::values_of(rows inner, rows& in, const context& c,
                                                             uint32_t location) {
  std::vector<uint32_t> kept;
  for (const auto& column : inner.columns) kept.push_back(column.index);
  if (inner.kept) kept.push_back(*inner.kept);
  const bool marks = inner.kept.has_value();
  const auto empty = inner.when_empty;
  auto one = marked(std::move(inner), kept, false, c);
  const auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  if (!one || !left_join(in, *one, {}, c, location)) return {};
  const auto types = types_of(in.from);
  std::vector<planner::named_expr> outer;
  const auto own = types_of(one->from);
  for (const auto& x : one->correlated)
    outer.push_back({"", outer_column(types, x, own.fields[x.own].type)});
  const auto there = planner::column_ref(types, static_cast<uint32_t>(types.size() - 1));
  one_row out;
  for (uint32_t i = 0; i < kept.size(); ++i) {
    auto value = planner::column_ref(types, lefts + i);
    if (i < empty.size() && !(empty[i]->kind == expr::node_kind::literal && empty[i]->literal.null))
      value = make_call("case", value->type,
                        {is_null(there), planner::substitute(empty[i], outer), value});
    out.columns.push_back(std::move(value));
  }
  if (marks) {
    out.kept = std::move(out.columns.back());
    out.columns.pop_back();
  }
  return out;
}

bool query_binder::attach_exists(const syntax& s, rows inner, rows& in, const context& c,
                                 subquery_values& values) {
  if (!inner.when_empty
           .empty()) {  // a total: there is a row of it when there are none below it, too
    auto value = attach_single(s, std::move(inner), in, c, values);
    if (value) values[s.query.get()] = {value, false, false};
    return value != nullptr;
  }
  auto once = marked(std::move(inner), {}, true, c);
  if (!once || !left_join(in, *once, {}, c, s.location)) return false;
  const auto types = types_of(in.from);
  const auto there = planner::column_ref(types, static_cast<uint32_t>(types.size() - 1));
  values[s.query.get()] = {make_call("is not null", type_id::boolean, {there}), false, false};
  return true;
}

}  // namespace weir::sql
