// Rewrites of the logical graph, each a rule of its own, and of expression trees. None changes what
// a job gives. Pure functions of the planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// All rules, in the order in which each helps the next.
void rewrite(std::vector<logical_node>&);

/// Constant parts of expressions are computed; filters that always hold are gone.
void fold_constants(std::vector<logical_node>&);
/// Nodes that do the same over the same inputs become one: queries of several INSERTs have their
/// common parts computed once.
void share_equal_nodes(std::vector<logical_node>&);
/// Conditions go towards the sources: through projections of columns, unions, distinct, windows and
/// flat maps (where they do not read what those add) and into the keys of aggregates. Filters that
/// meet become one.
void push_down_filters(std::vector<logical_node>&);
/// Outer joins whose rows without a partner no condition above them lets through become inner ones.
void simplify_outer_joins(std::vector<logical_node>&);
/// Which nodes emit changes, joins or inputs having become others. In order of the graph.
void refresh_changes(std::vector<logical_node>&);
/// Inner joins below each other go in an order in which each has equal columns, where there is one
/// and the written one has joins without.
void order_joins(std::vector<logical_node>&);
/// Filters of a side that the other one's rows find by a key are asked behind the join: rows that
/// have met the one partner that they can have need not be kept.
void lift_filters(std::vector<logical_node>&);
/// A condition that bounds row_number(), rank() or dense_rank() from above keeps the first rows of
/// each partition: no other need be numbered.
void ranks_to_top_n(std::vector<logical_node>&);
/// Rows that are joined with the highest or lowest value of their own group are those of the first
/// rank: no row that is not among the best so far need be held for the join.
void max_joins_to_ranks(std::vector<logical_node>&);
/// A projection over a projection that nothing else reads becomes one, unless an expression would
/// be written more than once by it.
void merge_projections(std::vector<logical_node>&);
/// Hops, cumulating windows and sessions that aggregates group by give them slices; what else reads
/// the same windows gets windows of rows.
void slice_windows(std::vector<logical_node>&);
/// Keys whose values may be equal without being the same (canonical_keys.hpp) are compared by their
/// canonical form.
void compare_canonical_keys(std::vector<logical_node>&);
/// Nodes that reach no sink go away, and inputs stand before their readers; else the order is kept.
void tidy(std::vector<logical_node>&);

/// Hash exchanges between operators whose rows already lie by those keys become forward edges.
void drop_exchanges(physical_plan&);
/// In front of exchanges to first rows (top_n) of input that only grows: of each batch only those
/// rows go on that can be among them.
void add_preselections(physical_plan&);

/// The tree with every column i replaced by columns[i].
expr::node_ptr substitute(const expr::node_ptr&, const std::vector<named_expr>& columns);
/// How many inputs name each node; sinks have none.
std::vector<uint32_t> count_consumers(const std::vector<logical_node>&);
/// What read `from` reads `to`.
void redirect(std::vector<logical_node>&, relation from, relation to);

}  // namespace weir::planner
