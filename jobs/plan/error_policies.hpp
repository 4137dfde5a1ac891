// Which error policy operators follow: that of the tables whose rows they see.
#pragma once

#include "runtime/plan/plan.hpp"

namespace weir::planner {

/// Gives every operator the strictest policy of the sources that its rows come from: one table's
/// `fail` fails the job for rows that are made of several tables' data, and nothing is left out
/// silently (`skip`) where one of them wants to see it (`dead_letter`, in the first one's folder or
/// topic).
void spread_error_policies(physical_plan&);

}  // namespace weir::planner
