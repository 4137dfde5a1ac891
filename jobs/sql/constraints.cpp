// What CREATE TABLE says of its columns' values: DEFAULT, NOT NULL, CHECK, varchar(n).
#include "jobs/plan/tree.hpp"
#include "jobs/sql/loader.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::sql {
namespace {

expr::node_ptr must_hold(expr::node_ptr condition, std::string message) {
  return make_call(expr::check_function.data(), type_id::boolean,
                   {std::move(condition), make_literal(scalar::of_string(std::move(message)))});
}

/// PostgreSQL's name for a check without one: with its column, where it reads one.
std::string name_of(const constraint_clause& c, const std::string& table) {
  if (!c.called.empty()) return c.called;
  std::vector<const syntax*> refs;
  collect(*c.condition, refs);
  std::set<std::string> read;
  for (const auto* r : refs) read.insert(r->name);
  return table + (read.size() == 1 ? '_' + *read.begin() : "") + "_check";
}

}  // namespace

bool loader::constraints(const create_table& t, definition& d) {
  rows all, none;
  schema types, no_types;
  for (const auto& c : t.columns) {
    column_name column;
    column.name = c.called.text;
    column.table = t.called.text;
    column.index = static_cast<uint32_t>(types.size());
    column.zoned = c.zoned;
    all.columns.push_back(std::move(column));
    types.fields.push_back({c.called.text, c.type});
  }
  bool ok = true;
  const auto& table = t.called.text;
  for (const auto& c : t.columns) {
    d.defaults.emplace_back();
    if (!c.default_value) continue;
    select_scope names(none, no_types, "DEFAULT");
    expr::binder b(script_.text(), names);
    auto value = b.bind(*c.default_value);
    if (value) value = b.coerce(std::move(*value), c.type, expr::cast_context::assignment);
    if (value)
      d.defaults.back() = value->n;
    else
      ok = (script_.report(value.err(), c.default_value->location), false);
  }
  for (const auto& must : t.constraints) {
    using kind = constraint_clause::kind;
    if (must.what == kind::check) {
      select_scope names(all, types, "CHECK");
      expr::binder b(script_.text(), names);
      auto condition = b.bind(*must.condition);
      if (condition)
        condition = b.coerce(std::move(*condition), type_id::boolean, expr::cast_context::implicit);
      if (!condition) {
        ok = (script_.report(condition.err(), must.condition->location), false);
        continue;
      }
      d.constraints.push_back(must_hold(condition->n, "new row for relation \"" + table +
                                                          "\" violates check constraint \"" +
                                                          name_of(must, table) + '"'));
      continue;
    }
    const auto column = planner::column_ref(types, *types.find(must.column));
    if (must.what == kind::not_null)
      d.constraints.push_back(must_hold(make_call("is not null", type_id::boolean, {column}),
                                        "null value in column \"" + must.column +
                                            "\" of relation \"" + table +
                                            "\" violates not-null constraint"));
    else
      d.constraints.push_back(
          must_hold(make_call("<=", type_id::boolean,
                              {make_call("length", type_id::int32, {column}),
                               make_literal(scalar::of_int(type_id::int32, must.length))}),
                    "value too long for type character varying(" + std::to_string(must.length) +
                        "): column \"" + must.column + "\" of relation \"" + table + '"'));
  }
  return ok;
}

}  // namespace weir::sql
