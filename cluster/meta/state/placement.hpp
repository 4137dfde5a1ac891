// Where replicas go and who leads: pure functions of their arguments, the same on every node.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <vector>

#include "cluster/meta/state/types.hpp"

namespace weir::meta {

inline bool contains(std::span<const node_id> all, node_id n) {
  return std::find(all.begin(), all.end(), n) != all.end();
}
/// Those of `all`, in their order, that are in `some`.
inline std::vector<node_id> common(std::span<const node_id> all, std::span<const node_id> some) {
  std::vector<node_id> out;
  for (node_id n : all)
    if (contains(some, n)) out.push_back(n);
  return out;
}
/// Those of `all`, in their order, that are not in `some`.
inline std::vector<node_id> without(std::span<const node_id> all, std::span<const node_id> some) {
  std::vector<node_id> out;
  for (node_id n : all)
    if (!contains(some, n)) out.push_back(n);
  return out;
}

using node_map = std::map<node_id, node_record>;

/// What a node that may get replicas carries by now.
struct node_load {
  node_id id = no_node;
  std::string rack;
  uint32_t replicas = 0;
  uint32_t preferred = 0;  // partitions of which it is the first replica
};

/// `replication` nodes for one more partition, the preferred leader first, and adds them to the
/// load. Every rack is used before one is used twice; among equals the least loaded node, then the
/// smallest id. Empty if there are fewer nodes.
std::vector<node_id> place_partition(std::vector<node_load>& nodes, uint16_t replication);

/// The best node to add to `keep`: of a rack that none of them is in if there is one, then the
/// least loaded. None if all nodes are in `keep`.
node_id place_replica(std::span<const node_load> nodes, std::span<const node_id> keep,
                      const node_map& all);

/// Distinct racks of `replicas`. A node without a rack is one of its own.
size_t rack_spread(std::span<const node_id> replicas, const node_map& all);

/// The first replica, in order, that is in sync and alive; one that is not being drained if there
/// is one. An unclean leader is never picked.
node_id pick_leader(const partition_record&, const node_map& all);

}  // namespace weir::meta
