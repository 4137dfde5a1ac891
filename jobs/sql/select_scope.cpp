#include "jobs/sql/select_scope.hpp"

#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/base/nearest.hpp"

namespace weir::sql {

using expr::binder;
using expr::bound;
using expr::syntax;

column_name seen_from_inside(column_name c) {
  if (!c.outer) c.was_hidden = c.hidden;
  c.outer = c.hidden = true;
  ++c.levels;
  return c;
}

std::string ambiguous_name(const syntax& s) {
  return "column reference \"" + s.name +
         "\" is ambiguous; name its table, or give the columns different names";
}

result<const column_name*> select_scope::find(const syntax& s, const binder& b) const {
  const column_name* found = nullptr;
  for (const auto& c : in_.columns) {
    if (c.outer) continue;
    if (c.name != s.name || (s.qualifier.empty() ? c.hidden : c.table != s.qualifier)) continue;
    if (found) return b.fail(errc::invalid_argument, ambiguous_name(s), s.location);
    found = &c;
  }
  if (found) return found;
  if (s.qualifier.empty())
    for (const auto& c : in_.columns)
      if (c.row && c.table == s.name) return &c;
  const auto outer = all_named_by(s, in_);
  if (outer.size() > 1) return b.fail(errc::invalid_argument, ambiguous_name(s), s.location);
  return outer.empty() ? nullptr : outer.front();
}

result<bound> select_scope::column(const syntax& s, const binder& b) {
  WEIR_ASSIGN(const auto* c, find(s, b));
  if (c) {
    auto n = std::make_shared<expr::node>(*planner::column_ref(types_, c->index));
    n->location = s.location;
    if (c->form_of) return bound{of_outer_form(std::move(n), *c->form_of), false, c->zoned};
    return bound{std::move(n), false, c->zoned};
  }
  std::vector<std::string> names, tables;
  for (const auto& k : in_.columns) {
    if (s.qualifier.empty() || k.table == s.qualifier) names.push_back(k.name);
    if (!k.table.empty() && std::find(tables.begin(), tables.end(), k.table) == tables.end())
      tables.push_back(k.table);
  }
  if (!s.qualifier.empty() && std::find(tables.begin(), tables.end(), s.qualifier) == tables.end())
    return b.fail(errc::unknown_name,
                  "missing FROM-clause entry for table \"" + s.qualifier + "\"" +
                      nearest_hint(s.qualifier, tables),
                  s.location);
  if (s.qualifier.empty() && std::find(tables.begin(), tables.end(), s.name) != tables.end())
    return whole_row(s, b);
  const auto shown = s.qualifier.empty() ? '"' + s.name + '"' : s.qualifier + '.' + s.name;
  return b.fail(errc::unknown_name,
                "column " + shown + " does not exist" + nearest_hint(s.name, names), s.location);
}

/// A table's name as a value: the row of its columns. Where an outer join has no row it is NULL,
/// and so is one whose columns all are.
result<bound> select_scope::whole_row(const syntax& s, const binder& b) const {
  data_type type(type_id::struct_);
  auto fields = std::make_shared<std::vector<field>>();
  std::vector<expr::node_ptr> values, missing;
  bool may_miss = false;
  for (const auto& c : in_.columns) {
    if (c.table != s.name) continue;
    if (c.outer)
      return b.fail(errc::unsupported,
                    "a whole row of table \"" + s.name +
                        "\" of the query outside is not supported; name its columns, as in ROW(" +
                        s.name + ".a, ...)",
                    s.location);
    auto n = std::make_shared<expr::node>(*planner::column_ref(types_, c.index));
    n->location = s.location;
    fields->push_back({c.name, n->type, true});
    missing.push_back(make_call("is null", type_id::boolean, {n}));
    values.push_back(std::move(n));
    may_miss |= c.may_miss;
  }
  type.fields = std::move(fields);
  auto row = make_call("()", type, std::move(values), s.location);
  if (may_miss)
    row = make_call("case", type,
                    {planner::join_and(std::move(missing)), make_null(type), std::move(row)},
                    s.location);
  return bound{std::move(row)};
}

std::optional<result<bound>> select_scope::call(const syntax& s, binder& b) {
  if (s.over_location) return window(s, b);
  if (planner::find_aggregate(s.name)) return aggregate(s, b);
  if (find_window_function(s.name))
    return b.fail(errc::invalid_argument, "window function " + s.name + " requires an OVER clause",
                  s.location);
  if (s.name == "grouping") return grouping(s, b);
  if (!s.is_plain_call())
    return b.fail(errc::unknown_name,
                  "there is no aggregate function " + s.name + "()" +
                      nearest_hint(s.name, planner::aggregate_names()),
                  s.location);
  if (is_table_function(s.name) && &s != series_)
    return b.fail(errc::unsupported,
                  clause_ == "JOIN/ON"
                      ? "set-returning functions are not allowed in JOIN conditions"
                      : s.name + "() gives rows; write it in FROM",
                  s.location);
  return {};
}

result<bound> select_scope::grouping(const syntax& s, binder& b) {
  if (!groupings_ || inside_)
    return b.fail(errc::invalid_argument,
                  "grouping operations are not allowed in " +
                      (inside_ ? std::string("aggregate functions") : std::string(clause_)),
                  s.location);
  if (s.args.size() > 31)
    return b.fail(errc::invalid_argument, "GROUPING must have fewer than 32 arguments", s.location);
  std::vector<expr::node_ptr> args;
  for (const auto& a : s.args) {
    WEIR_ASSIGN(auto value, b.bind(a));
    args.push_back(std::move(value.n));
  }
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::column;
  n->type = type_id::int32;
  n->column = first_grouping + static_cast<uint32_t>(groupings_->size());
  n->location = s.location;
  groupings_->push_back(std::move(args));
  return bound{std::move(n)};
}

result<bound> select_scope::window(const syntax& s, binder& b) {
  if (inside_)
    return b.fail(errc::invalid_argument,
                  "aggregate function calls cannot contain window function calls", s.location);
  if (inside_window_)
    return b.fail(errc::invalid_argument, "window function calls cannot be nested", s.location);
  if (!windows_)
    return b.fail(errc::invalid_argument,
                  "window functions are not allowed in " + std::string(clause_) +
                      (clause_ == "WHERE" || clause_ == "HAVING"
                           ? "; put the query into FROM (SELECT ...) and filter its rows"
                           : ""),
                  s.location);
  inside_window_ = true;
  auto made = windows_->bind(s, b);
  inside_window_ = false;
  return made;
}

/// Whether a call reads columns, and all are of the query outside.
result<bool> select_scope::reads_outer_only(const syntax& s, const binder& b) const {
  std::vector<const syntax*> refs;
  for (const auto* part : {&s.args, &s.filter})
    for (const auto& a : *part) collect(a, refs);
  for (const auto* r : refs) {
    WEIR_ASSIGN(const auto* c, find(*r, b));
    if (!c || !c->outer) return false;
  }
  return !refs.empty();
}

result<bound> select_scope::aggregate(const syntax& s, binder& b) {
  if (inside_)
    return b.fail(errc::invalid_argument, "aggregate function calls cannot be nested", s.location);
  WEIR_ASSIGN(const bool of_outer, reads_outer_only(s, b));
  if (of_outer)
    return b.fail(errc::invalid_argument,
                  "aggregate functions are not allowed in FROM clause of their own query level",
                  s.location);
  if (!calls_)
    return b.fail(errc::invalid_argument,
                  "aggregate functions are not allowed in " + std::string(clause_) +
                      (clause_ == "WHERE" ? "; write HAVING" : ""),
                  s.location);
  inside_ = true;
  auto made = planner::bind_aggregate(s, b);
  inside_ = false;
  if (!made) return std::move(made).err();
  uint32_t k = 0;
  while (k < calls_->size() && !planner::same_call((*calls_)[k], *made)) ++k;
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::column;
  n->type = made->type;
  n->column = static_cast<uint32_t>(types_.size()) + k;
  n->location = s.location;
  if (k == calls_->size()) calls_->push_back(*made);
  WEIR_ASSIGN(auto value, planner::made_of_items(s, *made, std::move(n), b));
  return bound{std::move(value)};
}

result<bound> select_scope::subquery(const syntax& s, binder& b) {
  if (subqueries_)
    if (auto known = subqueries_->find(s.query.get()); known != subqueries_->end())
      return known->second;
  return b.fail(errc::unsupported,
                (s.name.empty() || s.name == "ROW" ? std::string("a subquery as a value")
                                                   : s.name + " (SELECT ...)") +
                    " is not supported in this clause; it may stand in WHERE, HAVING, ON and the "
                    "select list",
                s.location);
}

}  // namespace weir::sql
