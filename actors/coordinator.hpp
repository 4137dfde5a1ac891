// The coordinating actor of a cluster: its members and its jobs, which it keeps in a catalog on
// disk and takes up again when it starts. One per cluster, on the first node, until metadata is
// replicated. Detached: it may block on its catalog.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "actors/job_catalog.hpp"
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

struct coordinator_seed {
  std::shared_ptr<node_registry> registry;
  task_environment environment;
  size_t memory_bytes = 0;
  store_actor home;  // of the coordinator's own node
  job_catalog catalog;
  std::vector<catalog_entry> jobs;  // what the catalog has
};

coordinator_actor spawn_coordinator(caf::actor_system&, coordinator_seed);

}  // namespace weir
