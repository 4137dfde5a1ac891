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

bool query_binder::report_window_left(const syntax& s) {
  return report(errc::unsupported,
                "a window function left of " + s.name +
                    " (SELECT ...) is not supported; compute it in a subquery of FROM and ask of "
                    "its column",
                s.args[0].location);
}

bool query_binder::attach(const syntax& s, rows& in, const context& c, subquery_values& values) {
  for (const auto& a : s.args)
    if (!attach(a, in, c, values)) return false;
  for (const auto& f : s.filter)
    if (!attach(f, in, c, values)) return false;
  if (s.kind != k::subquery) return true;
  if (s.name.empty())
    // GROUP BY, ORDER BY and DISTINCT ON compare trees: equal subqueries are one value. (What is
    // boolean may be the answer of an EXISTS instead.)
    for (const auto& [known, value] : values)
      if (value.n->type.id != type_id::boolean &&
          static_cast<const query*>(known)->shape ==
              static_cast<const query*>(s.query.get())->shape) {
        const expr::bound same = value;
        values[s.query.get()] = same;
        return true;
      }
  if (!s.args.empty() && has_window(s.args[0])) return report_window_left(s);
  auto inner = subquery(s, in, c);
  return inner && attach_bound(s, std::move(*inner), in, c, values);
}

bool query_binder::attach_bound(const syntax& s, rows inner, rows& in, const context& c,
                                subquery_values& values, const std::vector<expr::bound>* left) {
  if (s.name.empty()) return attach_value(s, std::move(inner), in, c, values);
  if (s.name == "EXISTS") return attach_exists(s, std::move(inner), in, c, values);
  if (inner.when_empty.empty())
    return attach_in(s, std::move(inner), in, c, values, left ? &left->front() : nullptr);
  auto value = attach_single(s, std::move(inner), in, c, values, left);
  if (value) values[s.query.get()] = {value, false, false};
  return value != nullptr;
}

bool query_binder::attach_grouped(const syntax& s, rows& in, const context& c,
                                  clause_subqueries& out) {
  if (s.kind == k::function && planner::find_aggregate(s.name))
    return attach(s, in, c, out.values);  // its arguments are those of single rows
  if (s.kind != k::subquery) {
    for (const auto& a : s.args)
      if (!attach_grouped(a, in, c, out)) return false;
    return true;
  }
  if (out.values.count(s.query.get())) return true;  // a key
  if (s.name.empty())
    for (const auto& [known, value] : out.of_keys)
      if (static_cast<const query*>(known)->shape == query_of(s).shape) {
        const expr::bound same = value;
        out.values[s.query.get()] = same;
        return true;
      }
  if (s.name.empty())
    for (const auto& l : out.later)
      if (l.of->name.empty() && query_of(*l.of).shape == query_of(s).shape) {
        const expr::bound same = out.values.at(l.of->query.get());
        out.values[s.query.get()] = same;
        return true;
      }
  const bool asks = !s.name.empty() && s.name != "EXISTS";
  if (asks && has_window(s.args[0])) return report_window_left(s);
  for (const auto& a : s.args)
    if (!attach_grouped(a, in, c, out)) return false;
  auto inner = subquery(s, in, c);
  if (!inner) return false;
  for (const auto& x : inner->correlated) out.read.push_back({x.outer, s.location});
  const bool reads = !inner->correlated.empty();
  if (asks || !reads || out.of_groups) {
    if (s.name.empty() && !check_value(s, *inner)) return false;
    const auto type = s.name.empty() ? types_of(inner->from).fields[inner->columns[0].index].type
                                     : data_type(type_id::boolean);
    const auto at = clause_subqueries::first_later + static_cast<uint32_t>(out.later.size());
    out.values[s.query.get()] = {make_column(type, at), false,
                                 s.name.empty() && inner->columns[0].zoned};
    out.later.push_back({&s, reads ? std::nullopt : std::move(inner)});
    return true;
  }
  for (const auto& x : inner->correlated) out.keys.push_back(x.outer);
  const auto columns = types_of(in.from).size();
  if (!attach_bound(s, std::move(*inner), in, c, out.values)) return false;
  // What depends on the group's keys alone is one more key of it.
  for (auto column : expr::columns_of(*out.values[s.query.get()].n))
    if (column >= columns) out.keys.push_back(column);
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
  return make_call("case", type_id::boolean, {one->kept, test, make_truth(s.name == "ALL")});
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
  for (const auto& x : one->correlated) outer.push_back({"", planner::column_ref(types, x.outer)});
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
