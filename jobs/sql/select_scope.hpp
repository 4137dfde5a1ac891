// What names mean inside one SELECT: the columns that FROM gives, by name or table.name, and
// aggregate calls where the clause may have them. Lives while its clause is bound; one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/plan/builder.hpp"
#include "jobs/sql/window_calls.hpp"
#include "runtime/expr/binder.hpp"

namespace weir::sql {

/// A column of a relation as SQL sees it.
struct column_name {
  std::string table;  // what may stand in front of the name, or empty
  std::string name;
  uint32_t index = 0;   // in the relation
  bool zoned = false;   // timestamp with time zone
  bool row = false;     // all that its table has: the table's name stands for it, too
  bool outer = false;   // of the query outside: found when nothing inside has the name
  bool hidden = false;  // of USING: found with its table's name only, and not in *
  /// Of the query outside: how many queries further out it stands, and whether it was hidden there.
  uint32_t levels = 0;
  bool was_hidden = false;
  bool may_miss = false;  // of a table that an outer join may have no row of
  /// Of the query outside: the column has the forms (outer_form) of values of this type.
  std::optional<data_type> form_of;
  /// A literal of a select list that has no type yet: who reads the column chooses it.
  std::optional<expr::bound> literal;
  uint32_t location = 0;  // in the select list that made it
};
/// The column as a subquery of the query that has it sees it.
column_name seen_from_inside(column_name);
/// A column of a subquery's rows that says for which rows of the outer query they are.
struct correlation {
  uint32_t outer = 0;      // column of the outer query's relation
  uint32_t own = 0;        // of the subquery's
  bool null_safe = false;  // NULL is a value like others
};
/// Rows with names, in the order that * gives. Names may repeat: then they are ambiguous.
struct rows {
  planner::relation from;
  std::vector<column_name> columns;

  // Of a query that was bound as a subquery:
  std::vector<correlation> correlated = {};
  /// At most one row (for each row of the query outside).
  bool single = false;
  /// An aggregate without GROUP BY, which has a row even over nothing; then its columns are these,
  /// and the relation need not have it. Columns number the entries of `correlated`.
  std::vector<expr::node_ptr> when_empty = {};
  /// Of such an aggregate with HAVING: the column that says whether the row is there; it is the
  /// last entry of when_empty, too.
  std::optional<uint32_t> kept = {};
  /// Of a query whose reader keeps the order (context::ordered): columns of the relation, some of
  /// which may have no name.
  std::vector<order_term> order = {};
};
/// Values of subqueries in expressions, by syntax::query, over the relation that the clause reads.
using subquery_values = std::map<const void*, expr::bound>;

class select_scope final : public expr::scope {
 public:
  /// `clause` names the place for messages ("WHERE").
  select_scope(const rows& in, const schema& types, std::string_view clause)
      : in_(in), types_(types), clause_(clause) {}
  /// Subqueries that stand in the clause.
  void know(const subquery_values& values) { subqueries_ = &values; }
  /// Calls of GROUPING() are allowed: the arguments of call k; it reads as column
  /// first_grouping + k.
  void know(std::vector<std::vector<expr::node_ptr>>& calls) { groupings_ = &calls; }
  static constexpr uint32_t first_grouping = 2'000'000;
  /// Aggregates are allowed: call k of `calls` reads as column types.size() + k.
  select_scope(const rows& in, const schema& types, std::vector<aggregate_call>& calls)
      : in_(in), types_(types), clause_("HAVING"), calls_(&calls) {}

  /// This call of a function that gives rows is bound, as the array of them.
  void allow_series(const expr::syntax* s) { series_ = s; }
  /// Window functions are allowed too: see window_calls.
  void allow(window_calls& w) { windows_ = &w; }

  result<expr::bound> column(const expr::syntax&, const expr::binder&) override;
  std::optional<result<expr::bound>> call(const expr::syntax&, expr::binder&) override;
  result<expr::bound> subquery(const expr::syntax&, expr::binder&) override;

  /// The one column of that name; null when there is none, an error when there are several.
  result<const column_name*> find(const expr::syntax&, const expr::binder&) const;
  result<bool> reads_outer_only(const expr::syntax&, const expr::binder&) const;

 private:
  result<expr::bound> whole_row(const expr::syntax&, const expr::binder&) const;
  result<expr::bound> aggregate(const expr::syntax&, expr::binder&);
  result<expr::bound> grouping(const expr::syntax&, expr::binder&);
  result<expr::bound> window(const expr::syntax&, expr::binder&);

  const rows& in_;
  const schema& types_;
  std::string_view clause_;
  std::vector<aggregate_call>* calls_ = nullptr;
  const subquery_values* subqueries_ = nullptr;
  std::vector<std::vector<expr::node_ptr>>* groupings_ = nullptr;
  window_calls* windows_ = nullptr;
  const expr::syntax* series_ = nullptr;
  bool inside_ = false;         // an aggregate's arguments
  bool inside_window_ = false;  // a window function's
};

/// What is said of a name that several columns have.
std::string ambiguous_name(const expr::syntax&);

/// Functions of FROM: TUMBLE and those that give several rows.
bool is_table_function(std::string_view name);

}  // namespace weir::sql
