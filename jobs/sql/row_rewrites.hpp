// Forms of SELECT that are others in disguise, rewritten while a statement is read. Pure functions.
#pragma once

#include "jobs/sql/ast.hpp"

namespace weir::sql {

/// ARRAY (SELECT value ... ORDER BY ...): the query of one row that gathers the values. Nothing:
/// the query has not one column that its text shows; `several` tells whether that is an error of
/// PostgreSQL, too.
std::optional<query> gathered(const query&, bool& several);

/// SELECT a, unnest(b) FROM t, where one item of the select list has such a call: the call goes to
/// FROM, behind the groups and window functions of the query, which are a subquery of FROM then.
/// Other queries stay: their calls are refused where they are bound.
void move_row_functions(query&);

}  // namespace weir::sql
