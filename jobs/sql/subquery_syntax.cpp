#include "jobs/sql/subquery_syntax.hpp"

#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/nodes.hpp"

namespace weir::sql {

namespace {

using k = expr::syntax_kind;

}  // namespace

const query& query_of(const syntax& s) {
  return *static_cast<const query*>(s.query.get());
}

const syntax* first_aggregate(const syntax& s) {
  if (s.kind == expr::syntax_kind::function && !s.over_location && planner::find_aggregate(s.name))
    return &s;
  for (const auto& a : s.args)
    if (const auto* found = first_aggregate(a)) return found;
  return nullptr;
}

bool has_groups(const query& q) {
  return !q.group_by.empty() || q.having ||
         std::any_of(q.targets.begin(), q.targets.end(),
                     [](const target& t) { return !t.star && first_aggregate(t.value); });
}

void split(const syntax& s, std::vector<const syntax*>& out) {
  if (s.kind == k::special && s.name == "and")
    for (const auto& a : s.args) split(a, out);
  else
    out.push_back(&s);
}

bool has_subquery(const syntax& s) {
  return s.kind == k::subquery || std::any_of(s.args.begin(), s.args.end(), has_subquery) ||
         std::any_of(s.filter.begin(), s.filter.end(), has_subquery);
}

namespace {

void collect_from(const from_item&, std::vector<const syntax*>& out);

}  // namespace

/// Column references of an expression and of the subqueries in it.
void collect(const syntax& s, std::vector<const syntax*>& out) {
  if (s.kind == k::column) out.push_back(&s);
  for (const auto& a : s.args) collect(a, out);
  for (const auto& f : s.filter) collect(f, out);
  if (s.query) collect(query_of(s), out);
  if (s.over) {
    for (const auto& p : s.over->partition) collect(p, out);
    for (const auto& o : s.over->order) collect(o.value, out);
  }
}

namespace {

void collect_from(const from_item& f, std::vector<const syntax*>& out) {
  if (f.inner) collect(*f.inner, out);
  if (f.on) collect(*f.on, out);
  for (const auto& side : f.sides) collect_from(side, out);
}

}  // namespace

void collect(const query& q, std::vector<const syntax*>& out) {
  for (const auto& t : q.targets)
    if (!t.star) collect(t.value, out);
  for (const auto& f : q.from) collect_from(f, out);
  if (q.where) collect(*q.where, out);
  if (q.having) collect(*q.having, out);
  for (const auto& g : q.group_by) collect(g, out);
  for (const auto& d : q.distinct_on) collect(d, out);
  for (const auto& o : q.order_by) collect(o.value, out);
  for (const auto& row : q.rows)
    for (const auto& v : row) collect(v, out);
  if (q.left) collect(*q.left, out);
  if (q.right) collect(*q.right, out);
}

const column_name* named_by(const syntax& s, const rows& in) {
  for (const auto& c : in.columns)
    if (c.name == s.name && (s.qualifier.empty() ? !c.hidden || c.outer : c.table == s.qualifier))
      return &c;
  return nullptr;
}

bool reads_only(const syntax& s, const rows& in) {
  if (has_subquery(s)) return false;
  std::vector<const syntax*> all;
  collect(s, all);
  return std::all_of(all.begin(), all.end(),
                     [&in](const syntax* c) { return named_by(*c, in) != nullptr; });
}

expr::node_ptr same(const expr::node_ptr& a, const expr::node_ptr& b, bool null_safe) {
  if (!null_safe) return make_call("=", type_id::boolean, {a, b});
  return make_call("not", type_id::boolean, {make_call("is distinct", type_id::boolean, {a, b})});
}

expr::node_ptr is_null(expr::node_ptr e) {
  return make_call("is null", type_id::boolean, {std::move(e)});
}

}  // namespace weir::sql
