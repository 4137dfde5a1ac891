// A node's share of the cluster's jobs: connections to the actors of all nodes that live, and the
// masters of those jobs whose leases this node holds. One actor per node; who is there, which jobs
// run and who is the master of each is what the ledger says, so all keepers decide alike. Any
// node's keeper answers for any job.
//
// Of two nodes the one with the higher id connects to the other's keeper; both then know each
// other's actors. A job without a live master is taken by the node that has the fewest masters (of
// those the lowest id); others follow one by one, should that one not.
#pragma once

#include <caf/io/all.hpp>

#include <functional>
#include <memory>
#include <string>

#include "actors/job_ledger.hpp"
#include "actors/node.hpp"

namespace weir {

struct keeper_seed {
  std::shared_ptr<job_ledger> ledger;  // may not know this node yet: self is -1 until it does
  placement here;                      // of this process (node_process::self())
  task_environment environment;
  size_t memory_bytes = 0;
  caf::io::middleman_actor connector;  // middleman().actor_handle(), or that of the TLS module
  std::function<void(std::string)> log;
};

/// Publish it where ledger_node.actors says.
job_keeper_actor spawn_job_keeper(caf::actor_system&, keeper_seed);

/// Listens for other nodes' keepers; gives the port. `port` 0: a free one.
result<uint16_t> publish_job_keeper(caf::actor_system&, const job_keeper_actor&,
                                    const std::string& host, uint16_t port);

/// Before the process ends: jobs take a snapshot, and their masters and the leases are given up.
/// Blocks for some seconds at most; the ledger has to be there still. Then the keeper is ended.
void close_job_keeper(caf::actor_system&, job_keeper_actor&);

}  // namespace weir
