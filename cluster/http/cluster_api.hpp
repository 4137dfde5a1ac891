// The cluster itself by HTTP: its nodes and how topics stand; draining and forgetting nodes. Any
// thread; waits for the metadata.
#pragma once

#include <chrono>
#include <optional>

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
/// How all partitions stand.
struct partition_counts {
  uint64_t all = 0, leaderless = 0, under_replicated = 0, moving = 0;
};
partition_counts count_partitions(const meta::cluster_state&);

/// The cluster as this node knows it, and what it has of it.
struct cluster_counts {
  uint64_t alive = 0, fenced = 0, draining = 0;  // nodes; those that drain are not among `alive`
  partition_counts partitions;
  bool majority = false;     // somebody coordinates
  bool coordinates = false;  // this node does
  uint64_t led = 0, replicas = 0;
};
/// Nothing: it has no state of the cluster yet, or its metadata do not answer in time.
std::optional<cluster_counts> count_cluster(membership&, std::chrono::milliseconds limit);

/// Nodes, voters and partitions, as the fields of a JSON object without its braces.
std::string cluster_json(membership&);

}  // namespace weir::http
