#include "cluster/meta/state/placement.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "cluster/meta/state/detail.hpp"
#include "runtime/base/assert.hpp"

namespace weir::meta {
namespace {

// A node without a rack stands for itself: losing it loses nobody else.
std::string rack_of(node_id id, const std::string& rack) {
  return rack.empty() ? std::string(1, '\0') + std::to_string(id.value) : rack;
}

std::string rack_of(node_id id, const node_map& all) {
  auto it = all.find(id);
  return rack_of(id, it == all.end() ? std::string() : it->second.rack);
}

}  // namespace

std::vector<node_id> place_partition(std::vector<node_load>& nodes, uint16_t replication) {
  std::vector<node_id> chosen;
  if (nodes.size() < replication) return chosen;
  std::map<std::string, uint32_t> used;
  for (uint16_t i = 0; i < replication; ++i) {
    node_load* best = nullptr;
    auto rank = [&](const node_load& n) {
      auto it = used.find(rack_of(n.id, n.rack));
      uint32_t in_rack = it == used.end() ? 0 : it->second;
      return i == 0 ? std::tuple(in_rack, n.preferred, n.replicas, n.id)
                    : std::tuple(in_rack, n.replicas, n.preferred, n.id);
    };
    for (auto& n : nodes) {
      if (contains(chosen, n.id)) continue;
      if (!best || rank(n) < rank(*best)) best = &n;
    }
    weir_assert(best, "there are as many nodes as replicas");
    ++used[rack_of(best->id, best->rack)];
    ++best->replicas;
    if (i == 0) ++best->preferred;
    chosen.push_back(best->id);
  }
  std::set<std::string> racks;
  for (const auto& n : nodes) racks.insert(rack_of(n.id, n.rack));
  weir_assert(used.size() == std::min<size_t>(replication, racks.size()),
              "every rack is used before one is used twice");
  return chosen;
}

node_id place_replica(std::span<const node_load> nodes, std::span<const node_id> keep,
                      const node_map& all) {
  std::map<std::string, uint32_t> used;
  for (node_id k : keep) ++used[rack_of(k, all)];
  const node_load* best = nullptr;
  auto rank = [&](const node_load& n) {
    auto it = used.find(rack_of(n.id, n.rack));
    return std::tuple(it == used.end() ? 0u : it->second, n.replicas, n.id);
  };
  for (const auto& n : nodes) {
    if (contains(keep, n.id)) continue;
    if (!best || rank(n) < rank(*best)) best = &n;
  }
  return best ? best->id : no_node;
}

size_t rack_spread(std::span<const node_id> replicas, const node_map& all) {
  std::set<std::string> racks;
  for (node_id r : replicas) racks.insert(rack_of(r, all));
  return racks.size();
}

node_id pick_leader(const partition_record& p, const node_map& all) {
  node_id second = no_node;
  for (node_id r : p.replicas) {
    auto it = all.find(r);
    if (it == all.end() || it->second.fenced || !contains(p.in_sync, r)) continue;
    if (!it->second.draining) return r;
    if (second == no_node) second = r;
  }
  return second;
}

}  // namespace weir::meta
