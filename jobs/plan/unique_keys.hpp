// What tells rows of a relation from each other: for sinks that hold one row per key. Pure
// functions of the planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// Whether no two rows that stand at a time agree in these columns. False where nothing says so.
bool unique_by(const std::vector<logical_node>&, relation, const std::vector<uint32_t>& columns);
/// Whether changes of rows that agree in these columns come from one task. Elsewhere a row's
/// successor may overtake its end.
bool in_order_by(const std::vector<logical_node>&, relation, const std::vector<uint32_t>& columns);
/// Whether rows come all at once when the input ends, in no order that means anything.
bool leaves_at_once(const std::vector<logical_node>&, relation);

}  // namespace weir::planner
