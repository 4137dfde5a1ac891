// The actors of a process as one node of a cluster: the node's tasks and store, and the keeper of
// jobs, published for other nodes' keepers. Used by one thread.
#pragma once

#include <memory>
#include <string>

#include "actors/job_keeper.hpp"

namespace weir {

struct cluster_options {
  node_options node;
  std::string host = "127.0.0.1";      // what others are told
  std::string listen_host;             // where keeper and rows listen; empty: `host`
  uint16_t port = 0;                   // where the keeper is published; 0 = a free one
  std::shared_ptr<job_ledger> ledger;  // may not know this node yet
  std::function<void(std::string)> log;
};

/// A node of a cluster, in this process.
class cluster_node {
 public:
  static result<std::unique_ptr<cluster_node>> start(cluster_options);
  ~cluster_node();

  uint16_t port() const noexcept { return port_; }
  caf::actor_system& system() { return node_->system(); }
  const data_exchange* exchange() const { return node_->exchange(); }
  task_environment environment() { return node_->environment(); }
  const job_keeper_actor& keeper() const { return keeper_; }
  /// The masters of jobs on this node take a last snapshot and give their leases up, for some
  /// seconds at most. While the ledger and the other nodes are still there.
  void hand_off();
  /// Actors end, the store is closed. What is left then is CAF's own: its destructor waits for
  /// whatever still holds an actor, such as time-outs of requests to lost nodes, so a process that
  /// is about to end skips it (_exit).
  void close();

 private:
  explicit cluster_node(cluster_options o) : options_(std::move(o)) {}
  status open();

  cluster_options options_;
  std::unique_ptr<node_process> node_;
  job_keeper_actor keeper_;
  uint16_t port_ = 0;
};

}  // namespace weir
