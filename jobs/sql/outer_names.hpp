// Names in queries of WITH and in FROM that mean columns of the query outside. What these read of
// it is joined to their tables before they are bound (a query of WITH is put where it is named), so
// it must be called by its table's name; here names without one get theirs, by PostgreSQL's rule:
// the innermost query of whose FROM one has such a column. Pure functions.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "jobs/sql/ast.hpp"
#include "jobs/sql/select_scope.hpp"

namespace weir::sql {

/// What a name in FROM stands for, beside the queries of WITH that are looked at.
struct known_relation {
  bool known = false;  // else it may have any column
  std::set<std::string> columns;
  query_ptr body = nullptr;  // of a view, whose columns have the query's names but for
  std::vector<std::string> titles = {};
};
using relation_finder = std::function<known_relation(const std::string&)>;

/// The query with the outer names in its WITH and FROM qualified; null: there are none.
/// `ambiguous`: one that means several columns.
query_ptr with_outer_names(const query&, const rows& outer, const relation_finder&,
                           std::optional<syntax>& ambiguous);

/// Calls of aggregate functions and of GROUPING in a query's subqueries that are the query's own:
/// all that they read is its columns, as PostgreSQL has it.
struct outer_calls {
  /// The title of the columns that stand for them in `body`.
  static constexpr const char* table = "aggregates outside";
  query_ptr body;             // null: there are none
  std::vector<syntax> calls;  // column k, called as its number, stands for call k
  /// One that stands where the query may not have any, and what PostgreSQL says to it.
  std::optional<syntax> misplaced = {};
  std::string why = {};
};
outer_calls with_outer_calls(const query&, const rows& in, const relation_finder&);

}  // namespace weir::sql
