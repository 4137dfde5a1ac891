// What `weir job submit` does with the libraries of a job's custom operators: the cluster gets
// those that it does not have, and the plan names all of them by their content. One thread.
#pragma once

#include "cluster/cli/cluster.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

/// Prints what went wrong and returns the exit code.
int ship_libraries(const cluster_verb_options&, physical_plan&);

}  // namespace weir::cli
