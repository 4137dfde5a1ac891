// /cluster and /jobs: every node answers for all jobs. Handlers block; any thread.
#pragma once

#include "actors/cluster.hpp"
#include "cluster/http/target.hpp"
#include "cluster/node/membership.hpp"

namespace weir::http {

/// `t.path` begins with "cluster" or "jobs".
http_response answer_jobs(cluster_node&, membership&, const http_request&, const target& t);

}  // namespace weir::http
