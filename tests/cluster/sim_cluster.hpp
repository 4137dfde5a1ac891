// A cluster in one thread: real job keepers, job masters, nodes, stores and tasks on a scheduler
// that runs one message at a time, of a random actor; clocks, metadata, files and faults are
// simulated. The same seed gives the same run.
#pragma once

#include <string>
#include <vector>

#include "tests/cluster/sim_metadata.hpp"

namespace weir::sim {

struct run_options {
  uint64_t seed = 1;
  bool faults = true;
  bool lose_disks = true;  // one at most
  mistake made = mistake::none;
  bool loud = false;  // what nodes log goes to stderr
};

struct run_result {
  std::vector<std::string> problems;  // empty: all is as it should be
  uint64_t trace = 0;                 // a hash of all that happened, in order
  uint64_t steps = 0, epochs = 0, tenures = 0, refused = 0;
  uint64_t crashes = 0, stalls = 0, cuts = 0, disks_lost = 0, writes_lost = 0;
  uint64_t messages_lost = 0;    // between nodes
  timestamp_us took = 0;         // simulated
  timestamp_us stood_still = 0;  // from the end of the last fault to that of the job
};

run_result run_cluster(const run_options&);

}  // namespace weir::sim
