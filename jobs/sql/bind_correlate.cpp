// What a subquery reads of the query outside.
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

bool query_binder::correlate(const query& q, const context& c, rows& in) {
  std::vector<const syntax*> refs;
  collect(q, refs);
  std::vector<const column_name*> read;  // of the outer rows, each once
  for (const auto* s : refs) {
    if (named_by(*s, in)) continue;
    // Of an ambiguous name all, so that who reads it finds that; a subquery inside may mean its
    // own.
    for (const auto* found : all_named_by(*s, *c.outer))
      if (std::none_of(read.begin(), read.end(), [found](const column_name* other) {
            return other->index == found->index && other->name == found->name &&
                   other->table == found->table;
          }))
        read.push_back(found);
  }
  // What FROM read itself has its values there already.
  std::vector<correlation> correlated;
  for (const auto& column : in.columns) {
    if (!column.outer) continue;
    syntax s;
    s.kind = k::column;
    s.name = column.name;
    s.qualifier = column.table;
    if (const auto* found = named_by(s, *c.outer))
      correlated.push_back({found->index, column.index, true});
  }
  const auto known = correlated.size();
  if (read.empty()) {
    in.correlated = std::move(correlated);
    return true;
  }
  const auto outer_types = types_of(c.outer->from);

  // outer.x = inside: `inside` stands for outer.x.
  std::vector<expr::node_ptr> stands_for(read.size());
  std::vector<const syntax*> parts;
  if (q.where) split(*q.where, parts);
  for (const auto* p : parts) {
    if (p->kind != k::op || p->name != "=" || p->args.size() != 2) continue;
    for (size_t side : {0, 1}) {
      const auto& a = p->args[side];
      const auto& b = p->args[1 - side];
      if (a.kind != k::column || named_by(a, in) || !reads_only(b, in)) continue;
      const auto* outer = named_by(a, *c.outer);
      if (!outer) continue;
      const auto at = static_cast<size_t>(
          std::find_if(read.begin(), read.end(),
                       [outer](const column_name* r) { return r->index == outer->index; }) -
          read.begin());
      select_scope names(in, types_of(in.from), "WHERE");
      auto value = expr::binder(script_.text(), names).bind(b);
      const auto& type = outer_types.fields[outer->index].type;
      if (at < read.size() && !stands_for[at] && value && !value->unknown &&
          value->n->type == type && !has_outer_form(type))
        stands_for[at] = value->n;
    }
  }

  // With values from outside in it the relation is joined to them, and best by all that must be
  // equal.
  if (std::any_of(stands_for.begin(), stands_for.end(), [](const auto& n) { return !n; }))
    stands_for.assign(read.size(), nullptr);

  std::vector<column_name> columns;
  // Values from inside, as columns.
  const auto types = types_of(in.from);
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < types.size(); ++i)
    targets.push_back(plain_target(planner::column_ref(types, i), types.fields[i].name));
  for (size_t i = 0; i < read.size(); ++i) {
    if (!stands_for[i]) continue;
    auto column = seen_from_inside(*read[i]);
    if (auto bare = planner::bare_column(stands_for[i])) {
      column.index = *bare;
    } else {
      column.index = static_cast<uint32_t>(targets.size());
      targets.push_back(plain_target(stands_for[i], column.name));
    }
    correlated.push_back({read[i]->index, column.index, false});
    columns.push_back(std::move(column));
  }
  if (targets.size() > types.size()) {
    auto made = project(in.from, std::move(targets), part(c, "values"));
    if (!made) return false;
    in.from = made->from;
  }
  in.columns.insert(in.columns.end(), columns.begin(), columns.end());

  std::vector<const column_name*> wanted;
  for (size_t i = 0; i < read.size(); ++i) {
    if (stands_for[i]) continue;
    correlated.push_back({read[i]->index, 0, true});
    wanted.push_back(read[i]);
  }
  if (!wanted.empty()) {
    const auto inside = static_cast<uint32_t>(types_of(in.from).size());
    auto outer = outer_values(wanted, c, q.location);
    if (!outer) return false;
    auto both = combine(in, std::move(*outer), join_kind::inner, nullptr, c, q.location);
    if (!both) return false;
    in = std::move(*both);
    uint32_t next = inside;
    for (size_t i = known; i < correlated.size(); ++i)
      if (correlated[i].null_safe) correlated[i].own = next++;
  }
  in.correlated = std::move(correlated);
  return true;
}

std::optional<rows> query_binder::outer_values(const std::vector<const column_name*>& read,
                                               const context& c, uint32_t location) {
  const auto types = types_of(c.outer->from);
  std::vector<bound_target> targets;
  std::vector<column_name> columns;
  for (const auto* r : read) {
    const auto& type = types.fields[r->index].type;
    auto column = seen_from_inside(*r);
    column.index = static_cast<uint32_t>(targets.size());
    if (has_outer_form(type)) column.form_of = type;
    targets.push_back(plain_target(outer_form(planner::column_ref(types, r->index)), column.name));
    columns.push_back(std::move(column));
  }
  auto outer = project(c.outer->from, std::move(targets), part(c, "outer"));
  if (!outer) return {};
  auto out =
      take(builder_.distinct(outer->from, part(c, "outer-values")), std::move(columns), location);
  if (out) out->single = true;  // those of one row outside are one
  return out;
}

context query_binder::inside_of(context c, const rows* outer) {
  if (!c.id.empty()) c.id += "/subquery";
  c.wanted = nullptr;
  c.titles = nullptr;
  c.outer = outer;
  c.seed = nullptr;
  return c;
}

std::optional<rows> query_binder::subquery(const syntax& s, const rows& outer, const context& c) {
  return bind(query_of(s), inside_of(c, &outer));
}

/// The outer query's side of a correlation whose other side has this type.
expr::node_ptr query_binder::outer_column(const schema& outer, const correlation& x,
                                          const data_type& own) {
  auto n = planner::column_ref(outer, x.outer);
  return n->type == own ? n : outer_form(std::move(n));
}

/// Which rows of a subquery belong to which outer row, over the outer columns, then its own.
std::vector<expr::node_ptr> query_binder::pairing(const rows& outer, const rows& inner,
                                                  size_t lefts) const {
  std::vector<expr::node_ptr> out;
  for (const auto& x : inner.correlated) {
    const auto& type = types_of(inner.from).fields[x.own].type;
    out.push_back(same(outer_column(types_of(outer.from), x, type),
                       make_column(type, x.own + static_cast<uint32_t>(lefts)), x.null_safe));
  }
  return out;
}

}  // namespace weir::sql
