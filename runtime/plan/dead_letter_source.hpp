// Whose dead letters an operator's are. A pure function of the plan; planners' checks and task
// builders agree by asking it.
#pragma once

#include "runtime/plan/plan.hpp"

namespace weir {

/// The table in whose dead_letter_topic the rows go that operator `i` cannot compute, when its
/// policy is dead_letter and it has no folder: the first such source above it. Null: there is none.
/// Asks nothing of a plan that is not validated yet but that operators[i] exists.
const source_spec* dead_letter_source(const physical_plan&, operator_index i);

}  // namespace weir
