// Rewrites of the logical graph and of expression trees. Pure functions of the planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// The tree with every column i replaced by columns[i].
expr::node_ptr substitute(const expr::node_ptr&, const std::vector<named_expr>& columns);
/// A projection over a projection that nothing else reads becomes one, unless an expression would
/// be written more than once by it.
void merge_projections(std::vector<logical_node>&);

}  // namespace weir::planner
