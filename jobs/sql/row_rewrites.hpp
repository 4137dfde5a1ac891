// Forms of SELECT that are others in disguise, rewritten while a statement is read. Pure functions.
#pragma once

#include "jobs/sql/ast.hpp"

namespace weir::sql {

/// ARRAY (SELECT value ... ORDER BY ...): the query of one row that gathers the values. Nothing:
/// the query has several columns.
std::optional<query> gathered(const query&);

/// SELECT a, unnest(b) FROM t: calls of functions that give rows go from the select list to FROM,
/// several side by side, behind the groups and window functions of the query, which are a subquery
/// of FROM then. What PostgreSQL refuses is an error; other queries stay: their calls are refused
/// where they are bound.
status move_row_functions(query&, std::string_view sql);

/// Whether two expressions are written alike. False where they have subqueries.
bool same_syntax(const expr::syntax&, const expr::syntax&);

}  // namespace weir::sql
