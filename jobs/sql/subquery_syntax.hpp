// What subqueries look like before they are bound: the parts of conditions, what refers to which
// rows. Pure functions.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "jobs/sql/ast.hpp"
#include "jobs/sql/select_scope.hpp"

namespace weir::sql {

const query& query_of(const syntax& subquery);
/// The first call of an aggregate function that is not one over a window; null: none.
const syntax* first_aggregate(const syntax&);
/// Whether the query is one over groups.
bool has_groups(const query&);
/// What stands left of IN, ANY and ALL: the parts of a row, or the one value.
std::vector<const syntax*> parts_of_left(const syntax& subquery);
/// The parts that AND puts together.
void split(const syntax&, std::vector<const syntax*>& out);
bool has_subquery(const syntax&);
/// Whether a call with OVER is in it.
bool has_window(const syntax&);
/// Column references of an expression, or a query, and of the subqueries in it.
void collect(const syntax&, std::vector<const syntax*>& out);
void collect(const query&, std::vector<const syntax*>& out);
/// Whether an item of ORDER BY, GROUP BY or DISTINCT ON is the name of a column of the result.
bool names_result(const syntax&, const query&);
/// Names of tables that FROM gives.
void collect_titles(const from_item&, std::set<std::string>& out);
/// FROM a, b JOIN c ON p is FROM (a CROSS JOIN b) JOIN c ON p, so that c may read a: item `i` takes
/// those before it as its left side. False: a RIGHT or FULL JOIN is in the way.
bool join_behind_comma(std::vector<from_item>& items, size_t i);
/// The same for all joins to functions and LATERAL subqueries that read what stands before the
/// comma.
void join_laterals(query&);
/// Inner joins' conditions that read something that FROM does not give, by its table's name, or
/// have subqueries, go to WHERE: there what they read is of the query outside.
void move_outer_conditions(query&);
/// Columns of the query outside that FROM itself reads, by their tables' names: in its subqueries
/// and in what joins ask. Each once.
std::vector<const column_name*> read_by(const from_item&, const std::set<std::string>& titles,
                                        const rows& outer);
std::vector<const column_name*> read_by_from(const query&, const rows& outer);
/// The query with those of WITH that read the query outside, by its tables' names, where they are
/// named: each reader has rows of its own then. Nothing: there are none.
query_ptr with_in_place(const query&, const rows& outer);
/// The column of the rows that a reference names; null: none.
const column_name* named_by(const syntax&, const rows&);
/// All that it may mean, of the nearest query that has any: several are ambiguous.
std::vector<const column_name*> all_named_by(const syntax&, const rows&);
/// Whether all that an expression reads is of these rows.
bool reads_only(const syntax&, const rows&);

/// a = b, or a IS NOT DISTINCT FROM b.
expr::node_ptr same(const expr::node_ptr& a, const expr::node_ptr& b, bool null_safe);
expr::node_ptr is_null(expr::node_ptr);

}  // namespace weir::sql
