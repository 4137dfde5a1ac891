// LATERAL subqueries in FROM.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::sql {

/// LATERAL: `right` was bound for the rows of `left`. Without a condition (null) all pairs.
std::optional<rows> query_binder::lateral(rows left, rows right, join_kind how, const syntax* on,
                                          const context& c, uint32_t location) {
  const auto lefts = types_of(left.from);
  auto columns = left.columns;
  for (uint32_t i = 0; i < right.columns.size(); ++i) {
    auto column = right.columns[i];
    column.index =
        static_cast<uint32_t>(lefts.size()) + (right.when_empty.empty() ? column.index : i);
    columns.push_back(std::move(column));
  }
  for (auto& column : columns) column.literal.reset();
  if (right.when_empty.empty()) {
    auto all = pairing(left, right, lefts.size());
    if (on) {
      const auto types = both_types(lefts, types_of(right.from));
      auto condition = truth(*on, {left.from, columns}, types, "JOIN/ON");
      if (!condition) return {};
      all.push_back(std::move(condition));
    }
    auto out = combine(std::move(left), std::move(right), how, planner::join_and(std::move(all)), c,
                       location);
    if (out) out->columns = std::move(columns);
    return out;
  }
  // One row for each on the left.
  auto values = values_of(std::move(right), left, c, location);
  if (!values) return {};
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < lefts.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(lefts, i), lefts.fields[i].name));
  for (size_t i = 0; i < values->columns.size(); ++i)
    targets.push_back(plain_target(values->columns[i], columns[left.columns.size() + i].name));
  if (values->kept) {
    targets.push_back(plain_target(values->kept, "is kept"));
  }
  auto made = project(left.from, std::move(targets), part(c, "lateral"));
  if (!made) return {};
  rows out{made->from, std::move(columns)};
  out.single = left.single;
  if (!on && !values->kept) return out;
  const auto types = types_of(out.from);
  expr::node_ptr condition;
  if (values->kept) condition = planner::column_ref(types, static_cast<uint32_t>(types.size() - 1));
  if (on) {
    auto more = truth(*on, out, types, "JOIN/ON");
    if (!more) return {};
    condition = condition ? planner::join_and({condition, more}) : more;
  }
  if (how == join_kind::inner) {
    auto o = part(c, "on");
    o.what = expr::to_sql(*condition, types);
    auto kept = builder_.filter(out.from, std::move(condition), std::move(o));
    if (!kept) return report(kept.err().code, kept.err().message, location), std::nullopt;
    out.from = *kept;
    return out;
  }
  targets.clear();
  for (uint32_t i = 0; i < types.size(); ++i) {
    auto value = planner::column_ref(types, i);
    if (i >= lefts.size())
      value = make_call("case", value->type, {condition, value, make_null(value->type)});
    targets.push_back(plain_target(std::move(value), types.fields[i].name));
  }
  made = project(out.from, std::move(targets), part(c, "on"));
  if (!made) return {};
  out.from = made->from;
  return out;
}

}  // namespace weir::sql
