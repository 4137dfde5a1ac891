// /cluster and /jobs: every node forwards to the coordinator. Handlers block; any thread.
#pragma once

#include "actors/cluster.hpp"
#include "cluster/http/target.hpp"

namespace weir::http {

/// `t.path` begins with "cluster" or "jobs"; `kafka`: address of this node's Kafka listener, which
/// /cluster tells.
http_response answer_jobs(cluster_node&, const std::string& kafka, const http_request&,
                          const target& t);

}  // namespace weir::http
