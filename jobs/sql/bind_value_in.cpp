// IN, ANY and ALL of a subquery as values, inside larger expressions.
#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/operators/aggregate_schema.hpp"

namespace weir::sql {

using k = expr::syntax_kind;

namespace {

std::string operator_of(const syntax& s) {
  return s.text.empty() ? "=" : s.text;
}
/// = ANY or <> ALL.
bool asks_equality(const syntax& s) {
  return operator_of(s) == (s.name == "ALL" ? "<>" : "=");
}
/// Whether the least and the greatest value of a subquery decide.
bool has_bounds(const syntax& s) {
  const auto op = operator_of(s);
  return op == "<" || op == "<=" || op == ">" || op == ">=" || op == (s.name == "ALL" ? "=" : "<>");
}

}  // namespace

bool query_binder::has_least(const rows& inner) const {
  const auto& type = types_of(inner.from).fields[inner.columns[0].index].type;
  return aggregate_result_type(aggregate_function::min, &type).ok();
}

/// x < ANY (...) and the like as a value: true, false or, where NULL hides the answer, NULL.
bool query_binder::attach_compared(const syntax& s, rows inner, rows& in, const context& c,
                                   subquery_values& values, const expr::bound& x) {
  const bool every = s.name == "ALL";
  const auto op = operator_of(s);
  const auto zoned = inner.columns[0].zoned;
  auto counts = counted(inner, c, true);
  if (!counts) return false;
  const auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  if (!left_join(in, *counts, {}, c, s.location)) return false;
  const auto types = types_of(in.from);
  auto column = [&](size_t i) {
    return planner::column_ref(types, lefts + counts->columns[i].index);
  };
  auto against = [&](size_t i) {
    two_values two(x, {column(i), false, zoned});
    return expr::binder(script_.text(), two).bind(two_values::of(k::op, op, s.location));
  };
  constexpr size_t least = 2, greatest = 3;
  // Whether some value, or every one, is on this side of x: the nearest or the farthest one says.
  const bool below = op[0] == '>';
  const auto first = against(below != every ? least : greatest);
  const auto second = against(below != every ? greatest : least);
  if (!first || !second) return report((first ? second : first).err(), s.location);
  auto answer = first->n;
  if (op == "=" || op == "<>")  // all are x, or some is not: both ends say
    answer = make_call(every ? "and" : "or", type_id::boolean, {answer, second->n});
  const auto all = column(0);
  auto empty = make_call("or", type_id::boolean,
                         {is_null(all), make_call("=", type_id::boolean, {all, make_number(0)})});
  auto hidden = make_call("or", type_id::boolean,
                          {is_null(x.n), make_call("<>", type_id::boolean, {all, column(1)})});
  auto decided = make_call(every ? "is false" : "is true", type_id::boolean, {std::move(answer)});
  values[s.query.get()] = {
      make_call("case", type_id::boolean,
                {std::move(empty), make_truth(every), std::move(decided), make_truth(!every),
                 std::move(hidden), make_null(type_id::boolean), make_truth(every)}),
      false, false};
  return true;
}

/// (x, y) IN (...) and other comparisons by ANY and ALL that no counts and no bounds decide, as a
/// value: what is asked is asked of the distinct values of its left side, each with all rows that
/// do not say no (ANY) or yes (ALL); what these say together is joined back.
bool query_binder::attach_asked(const syntax& s, rows inner, rows& in, const context& c,
                                subquery_values& values, const std::vector<expr::bound>& left) {
  const bool every = s.name == "ALL";
  const auto types = types_of(in.from);
  std::vector<bound_target> targets;
  std::vector<expr::bound> asked = left;
  auto add = [&](expr::node_ptr n) {
    const auto type = n->type;
    targets.push_back(plain_target(std::move(n), "asked"));
    return make_column(type, static_cast<uint32_t>(targets.size() - 1));
  };
  for (auto& x : asked) {
    if (x.n->kind == expr::node_kind::literal) continue;
    if (!comparable(x.n->type, s.location)) return false;
    x.n = add(x.n);
  }
  std::vector<expr::node_ptr> outer;
  const auto inner_types = types_of(inner.from);
  for (const auto& x : inner.correlated)
    outer.push_back(add(outer_column(types, x, inner_types.fields[x.own].type)));
  if (targets.empty()) add(make_truth(true));
  const auto width = static_cast<uint32_t>(targets.size());
  std::vector<expr::node_ptr> pairs, back;
  for (uint32_t i = 0; i < width; ++i)
    back.push_back(
        same(targets[i].value.n,
             make_column(targets[i].value.n->type, static_cast<uint32_t>(types.size()) + i), true));
  auto all = project(in.from, std::move(targets), part(c, "asked"));
  if (!all) return false;
  auto once = take(builder_.distinct(all->from, part(c, "asked-values")), {}, s.location);
  if (!once) return false;
  auto of_inner = [&](uint32_t column) {
    return make_column(inner_types.fields[column].type, width + column);
  };
  for (size_t i = 0; i < outer.size(); ++i) {
    const auto& x = inner.correlated[i];
    pairs.push_back(same(outer[i], of_inner(x.own), x.null_safe));
  }
  std::vector<expr::bound> right;
  for (const auto& column : inner.columns)
    right.push_back({of_inner(column.index), false, column.zoned});
  const auto test = compared(s, asked, right, operator_of(s));
  if (!test) return false;
  pairs.push_back(make_call(every ? "is not true" : "is not false", type_id::boolean, {test}));
  auto made = combine(std::move(*once), std::move(inner), join_kind::inner,
                      planner::join_and(std::move(pairs)), c, s.location);
  if (!made) return false;
  planner::aggregate_def def;
  def.by_window = false;
  def.final_only = c.final_rows;
  const auto pair_types = types_of(made->from);
  std::set<std::string> taken{"rows", "answer", "window_start", "window_end"};
  for (uint32_t i = 0; i < width; ++i)
    def.keys.push_back(
        {unique_name(pair_types.fields[i].name, taken), planner::column_ref(pair_types, i)});
  aggregate_call count, answer;
  count.name = "rows";
  answer.name = "answer";
  answer.function = every ? aggregate_function::bool_and : aggregate_function::bool_or;
  answer.argument = test;
  def.calls = {count, answer};
  auto grouped =
      take(builder_.aggregate(made->from, std::move(def), part(c, "answers")), {}, s.location);
  if (!grouped || !left_join(in, *grouped, std::move(back), c, s.location)) return false;
  const auto joined = types_of(in.from);
  const auto first = static_cast<uint32_t>(types.size()) + width;
  values[s.query.get()] = {make_call("case", type_id::boolean,
                                     {is_null(planner::column_ref(joined, first)),
                                      make_truth(every), planner::column_ref(joined, first + 1)}),
                           false, false};
  return true;
}

/// x IN (...) as a value: true, false or, where NULL hides the answer, NULL.
bool query_binder::attach_in(const syntax& s, rows inner, rows& in, const context& c,
                             subquery_values& values, const std::vector<expr::bound>* given) {
  const bool negated = s.name == "ALL";
  if (!same_width(s, inner)) return false;
  select_scope names(in, types_of(in.from), "here");
  names.know(values);
  const auto left = given ? std::optional(*given) : left_of(s, names);
  if (!left) return false;
  if (left->size() > 1 || (!asks_equality(s) && (!has_bounds(s) || !has_least(inner))))
    return attach_asked(s, std::move(inner), in, c, values, *left);
  const auto& x = left->front();
  if (!asks_equality(s)) return attach_compared(s, std::move(inner), in, c, values, x);
  const auto zoned = inner.columns[0].zoned;
  auto counts = counted(inner, c);
  auto once = marked(inner, {inner.columns[0].index}, true, c);
  if (!counts || !once) return false;
  auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  two_values two(x, {make_column(types_of(once->from).fields[0].type, lefts), false, zoned});
  auto equal = expr::binder(script_.text(), two).bind(two_values::of(k::op, "=", s.location));
  if (!equal) return report(equal.err(), s.location);
  if (!left_join(in, *once, {equal->n}, c, s.location)) return false;
  const auto there = static_cast<uint32_t>(types_of(in.from).size() - 1);
  lefts = there + 1;
  if (!left_join(in, *counts, {}, c, s.location)) return false;
  const auto types = types_of(in.from);
  const auto all = planner::column_ref(types, lefts + counts->columns[0].index);
  const auto known = planner::column_ref(types, lefts + counts->columns[1].index);
  auto hidden = make_call("or", type_id::boolean,
                          {is_null(x.n), make_call("<>", type_id::boolean, {all, known})});
  auto empty = make_call("or", type_id::boolean,
                         {is_null(all), make_call("=", type_id::boolean, {all, make_number(0)})});
  auto found = make_call("is not null", type_id::boolean, {planner::column_ref(types, there)});
  auto value = make_call("case", type_id::boolean,
                         {std::move(found), make_truth(true), std::move(empty), make_truth(false),
                          std::move(hidden), make_null(type_id::boolean), make_truth(false)});
  if (negated) value = make_call("not", type_id::boolean, {std::move(value)});
  values[s.query.get()] = {std::move(value), false, false};
  return true;
}

}  // namespace weir::sql
