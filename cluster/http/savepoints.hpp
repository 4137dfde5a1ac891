// A job that starts from a savepoint of another one: what it finds there, and whether it keeps all
// of it. Handlers block; any thread.
#pragma once

#include "actors/cluster.hpp"
#include "cluster/http/target.hpp"

namespace weir::http {

struct savepoint_start {
  std::string job;     // id of the job that made it
  uint64_t epoch = 0;  // the savepoint's
};
/// Refused (the response says why) when there is no such savepoint, or the plan cannot use state or
/// rows in flight that it has, unless `drop_state`.
result<savepoint_start> find_start(cluster_node&, const std::string& job, uint64_t epoch,
                                   const physical_plan&, bool drop_state);

}  // namespace weir::http
