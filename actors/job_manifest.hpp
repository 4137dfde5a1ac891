// What the ledger keeps of a job's newest complete epoch: of which parts it consists and who has
// them. Small however large the job is; everything else (operators, split pools, state) lies in the
// nodes' stores, with every part. A plain value.
//
// As text: "WEIRMAN5", then length-prefixed texts (runtime/flow/split_list.hpp): epoch, tenure of
// the master that completed it, restarts, whether the input was processed to its end, plan
// fingerprint, CRC-32C of the split pools, number of parts and for each its name, writer, holder of
// the copy; number of slots and for each the node; number of sources with places of their own and
// for each its operator's id, the number of its tasks and for each the node; the tasks' parts, each
// a number in 7 bits a byte, lowest first. "WEIRMAN4" has no tenure. "WEIRMAN3" has deployments and
// regions before the sources, and no tasks; "WEIRMAN2" ends before the sources, "WEIRMAN1" before
// the deployments: there is one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/plan/task_graph.hpp"

namespace weir {

/// An epoch that is complete by the cluster's word. Two masters may have begun epochs of the same
/// number, of which one is complete: a store that was out of reach can still have the other.
struct agreed_epoch {
  agreed_epoch(uint64_t n = 0, uint64_t t = 0) : number(n), tenure(t) {}
  uint64_t number;
  uint64_t tenure;  // of the master that completed it; 0: whichever is here
};

struct job_manifest {
  struct part {
    std::string name;  // "NODE.DEPLOYMENT", of its first writer; the stores' key is "JOB@NAME"
    int32_t writer = -1, copy = -1;
    friend bool operator==(const part&, const part&) = default;
  };
  uint64_t number = 0;
  uint64_t tenure = 0;    // of the master that completed it; 0: of a text before WEIRMAN5
  uint32_t restarts = 0;  // of the job so far, under all masters
  bool finished = false;
  uint64_t fingerprint = 0;
  uint32_t pools = 0;  // checksum_of_pools()
  std::vector<part> parts;
  std::vector<int32_t> slots;  // by subtask: the node that runs the tasks with this number
  /// But those of these sources, which are placed beside what they read: by operator id.
  std::map<std::string, std::vector<int32_t>> sources;
  /// By task of the graph: index in `parts` of the one that has its state. What other parts have of
  /// it is old: it went on elsewhere since.
  std::vector<uint32_t> tasks;
  /// Of a text before WEIRMAN4, instead: the parts' deployments, and by region of the graph which
  /// its tasks are of (tell_tasks()); empty: all are of one.
  std::vector<std::string> deployments;
  std::vector<uint32_t> regions;
  agreed_epoch epoch_of() const { return {number, tenure}; }
  friend bool operator==(const job_manifest&, const job_manifest&) = default;
};

/// In which order nodes are asked for a part: its writer, the holder of its copy, others.
inline int asking_rank(int32_t node, int32_t writer, int32_t copy) {
  return node == writer ? 0 : node == copy ? 1 : 2;
}

std::string encode_job_manifest(const job_manifest&);
/// errc::corrupt, errc::version_mismatch.
result<job_manifest> decode_job_manifest(std::string_view);
/// Makes sure that `tasks` has the part of every task of the plan that the epoch is of.
/// errc::corrupt: it is of another plan.
status tell_tasks(job_manifest&, const physical_plan&, const task_graph&);
uint32_t checksum_of_pools(const std::map<std::string, std::string>& split_pools);

}  // namespace weir
