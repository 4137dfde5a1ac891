// A process as one node of a cluster: it publishes its actors, joins the coordinator (or is it) and
// connects to the other nodes. Used by one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/coordinator.hpp"

namespace weir {

struct cluster_options {
  node_options node;
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // where actors are published; 0 = a free one
  std::string join;   // HOST:PORT of the coordinator; empty: this node coordinates
  std::string http;   // HOST:PORT of this node's HTTP listener, for others to know
};

/// A node of a cluster, in this process.
class cluster_node {
 public:
  static result<std::unique_ptr<cluster_node>> start(cluster_options);
  ~cluster_node();

  uint16_t port() const noexcept { return port_; }
  caf::actor_system& system() { return node_->system(); }
  task_environment environment() { return node_->environment(); }
  const coordinator_actor& coordinator() const { return coordinator_; }
  /// Tells the coordinator where this node's HTTP and Kafka listeners are (kafka: may be empty).
  status join(const std::string& http, const std::string& kafka = {});
  /// Jobs take their last snapshot (on the coordinator's node), actors end, the store is closed.
  /// What is left then is CAF's own: its destructor waits for whatever still holds an actor, such
  /// as time-outs of requests to lost nodes, so a process that is about to end skips it (_exit).
  void close();

 private:
  explicit cluster_node(cluster_options o) : options_(std::move(o)) {}
  status open();

  cluster_options options_;
  std::unique_ptr<node_process> node_;
  std::shared_ptr<node_registry> registry_;
  coordinator_actor coordinator_;
  uint16_t port_ = 0;
  std::vector<node_actor> peers_;  // keeps the direct connections to other nodes
};

}  // namespace weir
