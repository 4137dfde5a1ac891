// The cluster itself by HTTP: its nodes and how topics stand; draining and forgetting nodes. Any
// thread; waits for the metadata.
#pragma once

#include "cluster/http/server.hpp"
#include "cluster/http/target.hpp"
#include "cluster/node/membership.hpp"

namespace weir::http {

/// POST /cluster/nodes/NODE/drain[?undo=true], DELETE /cluster/nodes/NODE; NODE is a name or
/// number.
http_response answer_cluster(membership&, const http_request&, const target&);
/// GET /readyz?in_sync=true of a node that is ready: 503 while replicas that it has are not in
/// sync.
http_response answer_in_sync(membership&);
/// Nodes, voters and partitions, as the fields of a JSON object without its braces.
std::string cluster_json(membership&);

}  // namespace weir::http
