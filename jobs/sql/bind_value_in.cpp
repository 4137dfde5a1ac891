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

bool query_binder::is_value_in(const syntax& s, const rows& inner) {
  if (!same_width(s, inner)) return false;
  const std::string wrong = inner.columns.size() != 1 ? "a row left of " + s.name
                            : !asks_equality(s) && (!has_bounds(s) || !has_least(inner))
                                ? s.text + ' ' + s.name
                                : "";
  return wrong.empty() || report(errc::unsupported,
                                 wrong +
                                     " (SELECT ...) inside a larger expression is not supported; "
                                     "it may stand in WHERE, between ANDs",
                                 s.location);
}

bool query_binder::has_least(const rows& inner) const {
  const auto& type = types_of(inner.from).fields[inner.columns[0].index].type;
  return aggregate_result_type(aggregate_function::min, &type).ok();
}

/// What stands left of a subquery, over `in`.
std::optional<expr::bound> query_binder::value_left(const syntax& s, const rows& in,
                                                    const subquery_values& values,
                                                    const expr::bound* known) {
  if (known) return *known;
  select_scope names(in, types_of(in.from), "here");
  names.know(values);
  auto x = expr::binder(script_.text(), names).bind(*parts_of_left(s)[0]);
  if (!x) return report(x.err(), s.args[0].location), std::nullopt;
  return *x;
}

/// x < ANY (...) and the like as a value: true, false or, where NULL hides the answer, NULL.
bool query_binder::attach_compared(const syntax& s, rows inner, rows& in, const context& c,
                                   subquery_values& values, const expr::bound* left) {
  const bool every = s.name == "ALL";
  const auto op = operator_of(s);
  const auto zoned = inner.columns[0].zoned;
  auto counts = counted(inner, c, true);
  const auto x = counts ? value_left(s, in, values, left) : std::nullopt;
  if (!x) return false;
  const auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  if (!left_join(in, *counts, {}, c, s.location)) return false;
  const auto types = types_of(in.from);
  auto column = [&](size_t i) {
    return planner::column_ref(types, lefts + counts->columns[i].index);
  };
  auto against = [&](size_t i) {
    two_values two(*x, {column(i), false, zoned});
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
                          {is_null(x->n), make_call("<>", type_id::boolean, {all, column(1)})});
  auto decided = make_call(every ? "is false" : "is true", type_id::boolean, {std::move(answer)});
  values[s.query.get()] = {
      make_call("case", type_id::boolean,
                {std::move(empty), make_truth(every), std::move(decided), make_truth(!every),
                 std::move(hidden), make_null(type_id::boolean), make_truth(every)}),
      false, false};
  return true;
}

/// x IN (...) as a value: true, false or, where NULL hides the answer, NULL.
bool query_binder::attach_in(const syntax& s, rows inner, rows& in, const context& c,
                             subquery_values& values, const expr::bound* left) {
  const bool negated = s.name == "ALL";
  if (!is_value_in(s, inner)) return false;
  if (!asks_equality(s)) return attach_compared(s, std::move(inner), in, c, values, left);
  const auto zoned = inner.columns[0].zoned;
  auto counts = counted(inner, c);
  auto once = marked(inner, {inner.columns[0].index}, true, c);
  if (!counts || !once) return false;
  const auto x = value_left(s, in, values, left);
  if (!x) return false;
  auto lefts = static_cast<uint32_t>(types_of(in.from).size());
  two_values two(*x, {make_column(types_of(once->from).fields[0].type, lefts), false, zoned});
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
                          {is_null(x->n), make_call("<>", type_id::boolean, {all, known})});
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
