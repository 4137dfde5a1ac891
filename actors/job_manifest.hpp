// What the ledger keeps of a job's newest complete epoch: of which parts it consists and who has
// them. Small however large the job is; everything else (operators, split pools, state) lies in the
// nodes' stores, with every part. A plain value.
//
// As text: "WEIRMAN3", then length-prefixed texts (runtime/flow/split_list.hpp): epoch, restarts,
// whether the input was processed to its end, plan fingerprint, CRC-32C of the split pools, number
// of parts and for each its name, writer, holder of the copy; number of slots and for each the
// node; number of deployments and for each its name; number of runs of regions and for each its
// length and the index of its deployment; number of sources with places of their own and for each
// its operator's id, the number of its tasks and for each the node. "WEIRMAN2" ends before the
// sources, "WEIRMAN1" before the deployments: there is one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir {

struct job_manifest {
  struct part {
    std::string name;  // "WRITER.DEPLOYMENT"; the stores' key is "JOB@NAME"
    int32_t writer = -1, copy = -1;
    friend bool operator==(const part&, const part&) = default;
  };
  uint64_t number = 0;
  uint32_t restarts = 0;  // of the job so far, under all masters
  bool finished = false;
  uint64_t fingerprint = 0;
  uint32_t pools = 0;  // checksum_of_pools()
  std::vector<part> parts;
  std::vector<int32_t> slots;  // by subtask: the node that runs the tasks with this number
  /// But those of these sources, which are placed beside what they read: by operator id.
  std::map<std::string, std::vector<int32_t>> sources;
  /// A part has what the tasks of its deployment wrote. What it has of a region that was deployed
  /// anew since, elsewhere, is old. `regions`: by region of the task graph, index in `deployments`;
  /// empty: all are of one.
  std::vector<std::string> deployments;
  std::vector<uint32_t> regions;
  friend bool operator==(const job_manifest&, const job_manifest&) = default;
};

std::string encode_job_manifest(const job_manifest&);
/// The deployment in a part's name, and the one that a region's tasks belong to.
std::string_view deployment_of_part(std::string_view name);
std::string_view deployment_of_region(const job_manifest&, uint32_t region);
/// errc::corrupt, errc::version_mismatch.
result<job_manifest> decode_job_manifest(std::string_view);
uint32_t checksum_of_pools(const std::map<std::string, std::string>& split_pools);

}  // namespace weir
