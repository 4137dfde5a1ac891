// Keys of types whose values may be equal without being the same: intervals, and what contains
// some. Pure functions of the planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// Whether values of the type can be equal and yet not the same.
bool has_equal_forms(const data_type&);
/// The same value for all that are equal; of other types the tree as it is.
expr::node_ptr canonical(const expr::node_ptr&);

}  // namespace weir::planner
