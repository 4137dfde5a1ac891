// Which parts of a logical graph a job uses: nodes that reach a sink, columns that somebody reads,
// and whether somebody goes by event time. Pure functions of the planner.
#pragma once

#include <vector>

#include "jobs/plan/builder.hpp"

namespace weir::planner {

struct needed_columns {
  std::vector<bool> live;                  // by node: reaches a sink
  std::vector<bool> time;                  // by node: a consumer below needs watermarks
  std::vector<std::vector<bool>> columns;  // by node and column of its main output
};
needed_columns find_needs(const std::vector<logical_node>&);
/// Schema of a relation, before pruning.
schema_ptr output_of(const std::vector<logical_node>&, relation);

}  // namespace weir::planner
