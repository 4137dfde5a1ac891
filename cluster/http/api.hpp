// The HTTP API of one node: which path is answered by whom. Owned by the node's main thread;
// answers on any thread. The node and the endpoint outlive it.
#pragma once

#include <memory>

#include "actors/cluster.hpp"
#include "actors/gateway/endpoint.hpp"
#include "cluster/http/server.hpp"
#include "cluster/node/membership.hpp"

namespace weir::http {

struct api_options {
  /// Metrics have a label for the partition as long as there are at most so many partitions; above,
  /// one series a topic; with more topics than this, one for all.
  size_t metrics_partitions_max = 1'000;
  /// Groups whose lag the metrics show, by name.
  size_t metrics_groups_max = 200;
};

class api {
 public:
  api(cluster_node&, kafka_endpoint&, membership&, api_options = {});
  ~api();
  /// Health, at once; nothing for everything else.
  std::optional<http_response> at_once(const http_request&);
  http_response answer(const http_request&);
  /// From now on the node can do its work; before, /readyz says 503.
  void set_ready();

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weir::http
