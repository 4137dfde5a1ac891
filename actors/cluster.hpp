// Several processes as one cluster: the coordinator (one node, until metadata is replicated) knows
// the members and owns the jobs; every node lends its node actor and store. Actors reach each other
// through CAF's network on the addresses that nodes publish.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/node.hpp"

namespace weir {

/// The members of a cluster as the coordinator sees them. Shared by the coordinator actor and the
/// jobs' deployments, which run on other threads.
class node_registry {
 public:
  void add(placement, node_report);
  /// The node is gone; true when it was known.
  bool remove(const caf::actor_addr& node_actor_address);
  std::vector<placement> alive() const;
  std::vector<node_report> all() const;

 private:
  struct member {
    placement where;
    node_report about;
  };
  mutable std::mutex mutex_;
  std::vector<member> members_;
};

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
  const coordinator_actor& coordinator() const { return coordinator_; }
  /// Tells the coordinator where this node's HTTP listener is.
  status join(const std::string& http);

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
