#include "runtime/kafka/topics/admin/admin.hpp"

#include <algorithm>

namespace weir::kafka {

node_list nodes_of(const node_facts& node, const request_facts& facts) {
  if (facts.nodes && !facts.nodes->empty()) return facts.nodes;
  node_entry self;
  self.id = node.node_id;
  self.host = node.host;
  self.port = node.port;
  self.rack = node.rack.value_or("");
  return std::make_shared<const std::vector<node_entry>>(1, std::move(self));
}

placement_facts placement_of(const partition_info& p, const node_facts& node,
                             const request_facts& facts) {
  if (p.replicas.empty()) return {node.node_id, {node.node_id}, {node.node_id}, {}};
  placement_facts out{p.leader, p.replicas, p.in_sync, {}};
  if (facts.nodes)
    for (auto r : p.replicas)
      if (const auto* n = find_node(*facts.nodes, r); !n || !n->alive) out.offline.push_back(r);
  return out;
}

int16_t default_replication(std::string_view name, const node_facts& node,
                            const request_facts& facts) {
  constexpr int64_t copies = 3;
  const auto nodes = nodes_of(node, facts);
  const auto alive = std::count_if(nodes->begin(), nodes->end(),
                                   [](const node_entry& n) { return n.alive && !n.draining; });
  int64_t wanted = copies;
  if (node.config.set_value(name)) wanted = std::max<int64_t>(1, node.config.number(name));
  return static_cast<int16_t>(std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, alive)));
}

api_error check_replicas(const std::vector<int32_t>& replicas, size_t replicas_before,
                         const std::vector<node_entry>& nodes) {
  constexpr auto code = error_code::invalid_replica_assignment;
  const std::string start = "The manual partition assignment includes ";
  if (replicas.empty()) return {code, start + "an empty replica list."};
  std::vector<int32_t> sorted = replicas;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    const std::string id = std::to_string(sorted[i]);
    if (!find_node(nodes, sorted[i]))
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
