// Queries -> the plan builder's logical graph: names resolved, types unified, groups checked. One
// per load; errors go to the script, so that what follows can go on, and what depends on something
// broken is skipped silently.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "jobs/plan/builder.hpp"
#include "jobs/sql/ast.hpp"
#include "jobs/sql/outer_names.hpp"
#include "jobs/sql/script.hpp"
#include "jobs/sql/select_scope.hpp"
#include "jobs/sql/window_calls.hpp"

namespace weir::sql {

/// A table or view that the script has defined.
struct definition {
  name called;
  planner::table_def table;  // of a table: without the options of the SQL front end itself
  std::vector<bool> zoned;   // by column of `table`
  std::vector<expr::node_ptr> defaults;     // the same; null: NULL
  std::vector<expr::node_ptr> constraints;  // over those columns: true or an error of the row
  std::vector<option> options;
  bool final_rows = false;  // option emit = 'final'
  query_ptr body;           // of a view
  std::vector<std::string> columns;
  bool is_table = true;
  bool broken = false;  // reported already
  bool used = false;
  std::map<bool, std::optional<rows>> bound;  // of a view, by context::final_rows
};

/// What subqueries that give values call their column, by syntax::query.
using subquery_titles = std::map<const void*, std::string>;

/// WITH: names that a query sees beside tables and views, innermost first.
struct environment {
  const environment* outer = nullptr;
  std::map<std::string, std::optional<rows>> names;  // nothing: broken
};

struct context {
  const environment* with = nullptr;
  std::string id;  // prefix of the operators' stable ids; empty: derived from what they do
  /// The reader takes the rows that stand when the input ends, not changes.
  bool final_rows = false;
  /// INSERT's columns: what literals of VALUES become.
  const std::vector<data_type>* wanted = nullptr;
  /// And what DEFAULT is there.
  const std::vector<expr::node_ptr>* defaults = nullptr;
  /// The rows whose columns a subquery may read, beside its own.
  const rows* outer = nullptr;
  /// Values of those that FROM itself reads; of one FROM, whose tables are joined to them.
  const rows* seed = nullptr;
  /// What the query's FROM gives, where that is known already.
  const rows* from = nullptr;
  /// What the columns are called from outside (CREATE VIEW v (a, b)), so that plans say so too.
  const std::vector<std::string>* titles = nullptr;
  /// The query whose rows are shown in its order, when all are there.
  const query* ordered = nullptr;
};

/// Subqueries of a select list and HAVING over groups.
struct clause_subqueries {
  /// Columns from here on stand for values that are joined to the groups.
  static constexpr uint32_t first_later = 1'000'000;
  /// For values that are joined when window functions are computed.
  static constexpr uint32_t first_windowed = 3'000'000;
  struct later {
    const syntax* of;
    std::optional<rows> inner;           // nothing: it reads the groups
    std::vector<expr::bound> left = {};  // of IN, by part: over the input and the aggregate calls
  };
  subquery_values values;
  /// Those that read keys must be asked for each group: it may leave keys out, or have no rows.
  bool of_groups = false;
  /// Outer rows without rows have groups, too: an aggregate without GROUP BY, a total.
  bool over_nothing = false;
  /// Whether GROUP BY only names what is the same for all rows of an outer row.
  bool by_outer = false;
  std::vector<correlation> outer;  // what the query is joined to others by
  subquery_values of_keys;         // of GROUP BY: columns of the input
  subquery_values of_rows;         // those of single rows, and those over groups: keys are in both
  subquery_values over_groups;
  std::vector<later> later;
  std::vector<uint32_t> keys;  // columns of the input that are the same for a whole group
  struct outer_column {
    uint32_t column, location;
  };
  std::vector<outer_column> read;  // of the query, by its subqueries: must be keys
  std::vector<std::vector<expr::node_ptr>> groupings;  // arguments of GROUPING()
  /// Calls that stand in subqueries (outer_calls): what they are, over the input and the aggregate
  /// calls, and their columns' names; `stand_in` has such columns beside the input's.
  std::vector<expr::bound> called;
  std::vector<column_name> call_columns;
  std::vector<const syntax*> windowed;     // with a window function left of them
  std::vector<column_name> group_columns;  // of the groups, when they are there
  std::optional<rows> stand_in;
};

class query_binder {
 public:
  query_binder(script& s, planner::plan_builder& b) : script_(s), builder_(b) {}

  /// Nothing: reported.
  std::optional<rows> bind(const query&, const context&);
  /// The rows with other names for their columns (AS t(a, b), CREATE VIEW v (a, b)).
  bool rename(rows&, const std::vector<std::string>& names, const std::string& of,
              uint32_t location);
  /// The rows with columns of these types, by casts up to `how`. `what` describes a failure.
  std::optional<rows> coerced(rows, const std::vector<data_type>& types, expr::cast_context how,
                              planner::step_options,
                              const std::function<std::string(size_t, const data_type&)>& what);
  planner::step_options named(const std::string& id) { return {id.empty() ? id : unique(id)}; }

  /// The rows, of which `columns` are the table's in its order, with its constraints asked of them.
  std::optional<planner::relation> constrained(planner::relation,
                                               const std::vector<uint32_t>& columns,
                                               const definition&, planner::step_options,
                                               uint32_t location);

  std::map<std::string, definition> definitions;
  /// Where the clause stands that makes a step emit changes, by node.
  std::map<uint32_t, uint32_t> change_locations;
  /// Why a step emits changes, where that is known better than by what it is; by node.
  std::map<uint32_t, std::string> change_reasons;
  /// Where the clause stands that a step comes from, by node.
  std::map<uint32_t, uint32_t> locations;
  /// Names of statements that could not be read: who refers to them is not told so again.
  std::set<std::string> unreadable;

 private:
  struct bound_target {
    expr::bound value;
    std::string name;
    uint32_t location = 0;
    bool hidden = false;  // only orders the rows
  };

  /// What ORDER BY and DISTINCT ON name, as places in the list of targets.
  struct ordering {
    std::vector<uint32_t> keys;
    std::vector<order_term> terms;
  };
  static bound_target plain_target(expr::node_ptr value, std::string name) {
    bound_target t;
    t.value.n = std::move(value);
    t.name = std::move(name);
    return t;
  }

  // bind_with.cpp
  known_relation known(const std::string& table, const context&) const;
  /// The query with names of the query outside as with_outer_names() says; null: as it is.
  std::optional<query_ptr> with_names_of(const query&, const rows& outer, const context&);

  // bind_from.cpp
  std::optional<rows> from(const query&, const context&);
  std::optional<rows> items(const query&, std::optional<rows> out, bool inside, const context&);
  std::optional<rows> join_seeds(rows left, rows right, const rows& seed, const context&,
                                 uint32_t location);
  /// Reports a name that is there twice.
  bool unique_titles(const from_item&, std::set<std::string>& titles);
  static bool is_row_function(const from_item&);
  std::optional<rows> item(const from_item&, const context&, const rows* left = nullptr);
  std::optional<rows> relation(const name&, const context&);
  std::optional<rows> view(definition&, const context&);
  std::optional<rows> flat_map(rows, const from_item&, const context&, bool outer);
  std::optional<rows> zipped(rows, const from_item&, const context&, bool outer);
  std::optional<rows> elements(rows, planner::flat_map_def, const from_item&,
                               std::vector<std::string> titles, const context&, bool outer);
  std::optional<rows> generated(uint64_t count, uint32_t location);

  // bind_join.cpp
  std::optional<rows> join(const from_item&, const context&);
  std::optional<rows> joined(const from_item&, const context&);
  std::optional<rows> join_seeded(rows left, rows right, const from_item&, const rows& seed,
                                  const context&);
  struct read_sides {
    bool left = false, right = false;
  };
  /// Which sides of a join an expression with subqueries reads; `both` has their columns.
  bool sides_of(const syntax&, const rows& both, uint32_t lefts, const context&, read_sides&);
  bool attach_on(const syntax& on, rows& left, rows& right, const context&, subquery_values&,
                 bool& pairs);
  std::optional<rows> join_by_pairs(rows pairs, const syntax& on, const rows& left,
                                    const rows* right, std::vector<uint32_t> told, join_kind,
                                    const context&, uint32_t location);
  std::optional<rows> join_function(rows left, const from_item&, const context&);
  /// All pairs of two tables that the condition accepts (null: all).
  std::optional<rows> combine(rows left, rows right, join_kind, expr::node_ptr condition,
                              const context&, uint32_t location);
  bool using_columns(const from_item&, const rows& left, const rows& right,
                     std::vector<std::string>& names);
  bool using_conditions(const std::vector<std::string>& names, const rows& left, const rows& right,
                        const schema& types, uint32_t location, std::vector<expr::node_ptr>& out);
  std::optional<rows> merged(rows both, size_t lefts, const std::vector<std::string>& names,
                             const from_item&, const context&);

  // bind_subquery.cpp
  /// Gives `in` the outer query's columns that the query reads.
  bool correlate(const query&, const context&, rows& in);
  /// The distinct values of columns of the outer query, as rows that others are joined to.
  std::optional<rows> outer_values(const std::vector<const column_name*>&, const context&,
                                   uint32_t location);
  /// Of a subquery in a query's expressions.
  static context inside_of(context, const rows* outer);
  std::optional<rows> subquery(const syntax&, const rows& outer, const context&);
  static expr::node_ptr outer_column(const schema& outer, const correlation&, const data_type& own);
  std::vector<expr::node_ptr> pairing(const rows& outer, const rows& inner, size_t lefts) const;
  /// WHERE or HAVING: conditions with subqueries become joins.
  std::optional<rows> where(rows, const syntax& condition, const context&,
                            const std::string& clause);
  std::optional<rows> semi_join(rows, const syntax& subquery, bool negated, const context&);
  /// What an EXISTS or IN over a plain SELECT asks of each pair, so that it need not be computed
  /// for each outer row; nothing: it is no such query, see subquery().
  std::optional<rows> paired(const syntax& subquery, const rows& outer, rows& from, const context&,
                             std::vector<expr::node_ptr>& conditions, bool& ok);
  /// What stands left of IN, ANY and ALL, part by part.
  std::optional<std::vector<expr::bound>> left_of(const syntax& subquery, select_scope&);
  bool same_width(const syntax& subquery, const rows& inner);
  expr::node_ptr compared(const syntax& subquery, const std::vector<expr::bound>& left,
                          const std::vector<expr::bound>& right, const std::string& op);
  std::optional<rows> not_in(rows, const syntax& subquery, rows inner, const context&);
  /// Joins what the subqueries of an expression give to `in`.
  bool attach(const syntax&, rows& in, const context&, subquery_values&,
              std::vector<const syntax*>* windowed = nullptr);
  /// Of a query with groups: what can only be joined to the groups is kept for later.
  bool attach_grouped(const syntax&, rows& in, const context&, clause_subqueries&);
  bool check_nested(const syntax&);
  /// Subqueries with window functions left of them are joined when these are computed.
  static expr::bound place_of_windowed(const syntax&, std::vector<const syntax*>& windowed);
  bool bind_windowed(const rows& in, std::vector<aggregate_call>&, window_calls&,
                     const clause_subqueries&, std::vector<bound_target>& lefts);
  bool attach_windowed(const clause_subqueries&, rows& in, std::vector<bound_target>&, size_t first,
                       const context&);
  /// What the query's own aggregates in its subqueries are.
  bool know_calls(const query&, const rows& in, const std::vector<syntax>&, const context&,
                  clause_subqueries&);
  bool bind_calls(const std::vector<syntax>&, const rows& in, std::vector<aggregate_call>&,
                  clause_subqueries&);
  /// What stands left of those that are kept for later.
  bool bind_lefts(const rows& in, std::vector<aggregate_call>&, clause_subqueries&);
  /// `left`, where it is known already.
  bool attach_bound(const syntax&, rows inner, rows& in, const context&, subquery_values&,
                    const std::vector<expr::bound>* left = nullptr);
  bool attach_value(const syntax&, rows inner, rows& in, const context&, subquery_values&);
  bool attach_exists(const syntax&, rows inner, rows& in, const context&, subquery_values&);
  bool attach_in(const syntax&, rows inner, rows& in, const context&, subquery_values&,
                 const std::vector<expr::bound>* left);
  bool attach_compared(const syntax&, rows inner, rows& in, const context&, subquery_values&,
                       const expr::bound& left);
  bool attach_asked(const syntax&, rows inner, rows& in, const context&, subquery_values&,
                    const std::vector<expr::bound>& left);
  bool has_least(const rows& inner) const;
  bool check_value(const syntax&, const rows& inner);
  bool check_one_row(const syntax&, const rows& inner);
  /// The one row that a subquery has for each outer row. `kept`, if any, says where it is there.
  struct one_row {
    std::vector<expr::node_ptr> columns;
    expr::node_ptr kept;
  };
  std::optional<one_row> values_of(rows inner, rows& in, const context&, uint32_t location);
  /// EXISTS, ANY, ALL or a comparison of rows with a subquery that has one row, or none where
  /// HAVING says so.
  expr::node_ptr attach_single(const syntax&, rows inner, rows& in, const context&,
                               const subquery_values&,
                               const std::vector<expr::bound>* left = nullptr);
  /// LATERAL (SELECT columns FROM x WHERE keys are equal AND x.t <= t ORDER BY x.t DESC LIMIT 1)
  /// over two tables that only grow; nothing: it is another query.
  std::optional<rows> as_of(const from_item&, const rows& left, join_kind how, const context&);
  /// What changes because a LATERAL subquery that looks like one is no as-of join says why.
  void tell_why(const std::optional<rows>& made, const std::string& not_as_of);
  bool is_known(const from_item&, const context&) const;
  std::optional<rows> lateral(rows left, rows right, join_kind, const syntax* on, const context&,
                              uint32_t location);
  std::optional<rows> marked(rows inner, std::vector<uint32_t> kept, bool distinct, const context&);
  std::optional<rows> counted(const rows& inner, const context&, bool bounds = false);
  bool left_join(rows& in, const rows& inner, std::vector<expr::node_ptr> more, const context&,
                 uint32_t location);

  // bind_window.cpp
  std::optional<rows> window(const from_item&, const context&);
  std::optional<int64_t> window_size(const syntax&, const std::string& what);
  bool window_time(const syntax&, const rows&, const std::string& function);

  // bind_select.cpp
  expr::node_ptr truth(const syntax& condition, const rows&, const schema& types,
                       const std::string& clause, const subquery_values* = nullptr);
  std::optional<rows> select(const query&, const context&);
  std::optional<rows> distinct(const query&, const context&, rows, const ordering&, bool grouped);
  bool copy_outer(rows& in, std::vector<correlation>&, const context&);
  std::optional<rows> without_hidden(rows, planner::step_options);
  std::optional<rows> filter(rows, const syntax& condition, planner::step_options,
                             const std::string& clause, const subquery_values&);
  bool bind_targets(const query&, const rows&, std::vector<aggregate_call>&, window_calls&,
                    std::vector<bound_target>&, clause_subqueries&);
  bool bind_fields(const target&, expr::binder&, std::vector<bound_target>&);
  std::optional<rows> project(planner::relation, std::vector<bound_target>, planner::step_options);

  // bind_group.cpp
  std::optional<planner::relation> group(const query&, rows& in, std::vector<bound_target>&,
                                         std::vector<aggregate_call>&, const context&,
                                         clause_subqueries&, bool having = true);
  /// One aggregate for each grouping, put together: keys, calls, and the number of the grouping.
  std::optional<planner::relation> grouping_sets(const query&, const rows& in,
                                                 const planner::aggregate_def&,
                                                 const std::vector<std::vector<uint32_t>>& sets,
                                                 const clause_subqueries&, const context&);
  /// Groups by what the query is joined by alone, with those of outer rows that have no rows.
  std::optional<planner::relation> with_empty_groups(planner::relation groups,
                                                     const planner::aggregate_def&,
                                                     const clause_subqueries&, const context&,
                                                     uint32_t location);
  std::optional<planner::relation> without_null(planner::relation groups,
                                                const planner::aggregate_def&,
                                                const clause_subqueries&, const context&,
                                                uint32_t location);
  bool add_calls(const rows& in, rows& groups, const std::vector<planner::named_expr>& keys,
                 uint32_t first_call, const std::vector<expr::node_ptr>& groupings,
                 const clause_subqueries&, const context&);
  /// Joins the subqueries that were kept for later; their values, over `groups`.
  std::optional<std::vector<expr::node_ptr>> attach_later(
      clause_subqueries&, const rows& in, rows& groups,
      const std::vector<planner::named_expr>& keys, uint32_t first_call,
      const std::vector<expr::node_ptr>& groupings, const context&);
  std::optional<std::vector<expr::node_ptr>> grouping_values(
      const std::vector<std::vector<expr::node_ptr>>& calls,
      const std::vector<planner::named_expr>& keys, const std::vector<std::vector<uint32_t>>& sets,
      uint32_t number_column, uint32_t location);
  /// `places`: which key each item of GROUP BY is.
  bool bind_keys(const query&, const rows&, const std::vector<bound_target>&,
                 const subquery_values&, std::vector<planner::named_expr>&,
                 std::vector<uint32_t>& places);
  result<expr::bound> key_of(const syntax&, select_scope&, const std::vector<bound_target>&);
  /// Reports a column that is neither a key nor in an aggregate.
  bool ungrouped(const rows& in, const expr::node& column);
  bool bind_having(const query&, const rows&, std::vector<aggregate_call>&, clause_subqueries&,
                   expr::bound&);

  // bind_over.cpp
  void add_window_inputs(const window_calls&, std::vector<bound_target>&);
  std::optional<planner::relation> compute_windows(const window_calls&, planner::relation,
                                                   std::vector<bound_target>&, size_t first_input,
                                                   const context&);

  // bind_order.cpp
  bool bind_ordering(const query&, select_scope&, size_t listed, std::vector<bound_target>&,
                     ordering&);
  std::optional<size_t> sort_target(const syntax&, std::string_view clause, select_scope&,
                                    size_t listed, std::vector<bound_target>&);
  bool sortable(const data_type&, uint32_t location);
  std::optional<std::pair<uint64_t, uint64_t>> bounds_of(const query&);
  std::optional<rows> limited(const query&, const context&, rows, std::vector<order_term>,
                              planner::step_options);
  std::optional<rows> distinct_on(const query&, const context&, rows, const ordering&,
                                  planner::step_options);
  std::optional<rows> ordered(const query&, const context&, rows);

  // bind_set.cpp
  std::optional<rows> values(const query&, const context&);
  std::optional<rows> set_operation(const query&, const context&);
  std::optional<rows> with_empty_rows(rows, const context&, uint32_t location);
  std::optional<std::vector<correlation>> correlate_parts(std::vector<rows>&, const context&,
                                                          uint32_t location);
  void branches(const query&, bool all, std::vector<const query*>&) const;
  std::optional<std::vector<data_type>> unified(const std::vector<rows>&, bool distinct,
                                                const std::string& what);
  /// INTERSECT and EXCEPT of two inputs of the same types.
  std::optional<rows> intersect(const query&, const std::vector<planner::relation>&,
                                std::vector<column_name>, const context&);

  std::optional<rows> take(result<planner::relation>, std::vector<column_name>, uint32_t location);
  bool report(const error& e, uint32_t location) { return script_.report(e, location), false; }
  bool report(errc code, const std::string& what, uint32_t location) {
    return report(expr::error_at(code, what, script_.text(), location), location);
  }
  const schema& types_of(planner::relation r) const { return *builder_.schema_of(r); }
  planner::step_options part(const context& c, const char* what) {
    return named(c.id.empty() ? c.id : c.id + '/' + what);
  }
  std::string unique(const std::string& id);
  /// Reports a column whose values cannot be compared.
  bool comparable(const data_type&, uint32_t location);

  script& script_;
  planner::plan_builder& builder_;
  std::set<std::string> ids_;
  subquery_titles titles_;
  std::string not_as_of_;  // why the LATERAL subquery that as_of() saw last is none
};

/// The option of a table that a message is about, as far as it names one.
uint32_t blamed(const definition&, const std::string& message, uint32_t otherwise);
/// "a", "a_2", ...: names of columns for the engine, where each is there once.
std::string unique_name(const std::string& wanted, std::set<std::string>& taken);
/// The call that stands for several in FROM, which run side by side: ROWS FROM (...).
inline constexpr std::string_view rows_from = "rows from";
/// TUMBLE, HOP, CUMULATE and SESSION of FROM, as PostgreSQL writes their names.
bool is_window_function(std::string_view name);
std::vector<std::string> window_functions();
/// Those of FROM that give rows.
std::vector<std::string> row_function_names();
/// What PostgreSQL calls a column of a select list without AS. Where `known` lacks a subquery that
/// selects *, its column has no name.
std::string column_title(const syntax&, const subquery_titles* known = nullptr);

}  // namespace weir::sql
