#include "runtime/kafka/topics/admin/admin.hpp"

#include <algorithm>

namespace weir::kafka {

api_error check_replicas(const std::vector<int32_t>& replicas, size_t replicas_before,
                         const node_facts& node) {
  constexpr auto code = error_code::invalid_replica_assignment;
  const std::string start = "The manual partition assignment includes ";
  if (replicas.empty()) return {code, start + "an empty replica list."};
  std::vector<int32_t> sorted = replicas;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    const std::string id = std::to_string(sorted[i]);
    if (sorted[i] != node.node_id)
      return {code, start + "broker " + id + ", but no such broker is registered."};
    if (i > 0 && sorted[i] == sorted[i - 1])
      return {code, start + "the broker " + id + " more than once."};
  }
  if (replicas_before != 0 && sorted.size() != replicas_before)
    return {code, start + "a partition with " + std::to_string(sorted.size()) +
                      " replica(s), but this is not consistent with previous partitions, which "
                      "have " +
                      std::to_string(replicas_before) + " replica(s)."};
  return {};
}

}  // namespace weir::kafka
