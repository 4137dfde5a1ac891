// Nodes that benchmarks measure: this binary as `weir node`, a few processes of one cluster on
// loopback, asked by HTTP like any other cluster. Used by one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

/// What a cluster has done so far; differences of two samples are rates.
struct nodes_sample {
  double wall_seconds = 0;
  double cpu_seconds = 0;                 // of all processes, user and system
  uint64_t switches = 0;                  // between threads, of all processes
  uint64_t rows = 0;                      // out of the job's sources
  size_t nodes_used = 0;                  // that have tasks of the job
  uint64_t loopback_bytes = 0;            // sent by the whole machine over the device lo
  std::map<std::string, double> metrics;  // sums over nodes, by name without labels
};

class bench_nodes {
 public:
  /// Starts `count` nodes in folders under `folder` and waits until they are ready.
  static result<std::unique_ptr<bench_nodes>> start(const std::string& folder, uint32_t count,
                                                    size_t memory_bytes);
  bench_nodes(const bench_nodes&) = delete;
  bench_nodes& operator=(const bench_nodes&) = delete;
  /// Ends the processes.
  ~bench_nodes();

  /// Submits a job; sample() then speaks of it.
  status submit(const physical_plan&, int64_t snapshot_interval_us);
  /// errc::internal when the job has failed.
  result<nodes_sample> sample();
  status cancel();

 private:
  bench_nodes() = default;
  status spawn(const std::string& folder, uint32_t number, size_t memory_bytes);

  struct node {
    pid_t pid = 0;
    std::string http, peers;
  };
  std::vector<node> nodes_;
  std::vector<std::string> sources_;  // operator ids
  std::string job_;
};

}  // namespace weir::cli
