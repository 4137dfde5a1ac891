// Nodes: registration, fencing, drain.
#include "cluster/meta/state/detail.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/io/address.hpp"

namespace weir::meta {
namespace {

constexpr size_t endpoints_max = 64;  // a handful of listeners in a few networks

answer check_shape(const register_node& c) {
  if (c.identity.is_zero()) return refuse(verdict::invalid, "a node needs an identity (a UUID)");
  if (c.name.empty() || c.name.size() > name_bytes_max || c.rack.size() > name_bytes_max)
    return refuse(verdict::invalid, "a node's name has 1 to " + std::to_string(name_bytes_max) +
                                        " bytes, its rack at most as many");
  if (c.endpoints.size() > endpoints_max)
    return refuse(verdict::invalid,
                  "a node has at most " + std::to_string(endpoints_max) + " endpoints");
  for (const auto& e : c.endpoints)
    if (e.listener.size() > name_bytes_max || e.host.size() > name_bytes_max)
      return refuse(verdict::invalid, "an endpoint's listener or host is too long");
  return done();
}

}  // namespace

answer cluster_state::check_live(node_id n, node_epoch e, bool for_new_duties) const {
  const node_record* r = find_node(n);
  if (!r) return refuse(verdict::not_found, name_of(n) + " is not registered");
  if (r->epoch != e)
    return refuse(verdict::stale, name_of(n) + " is in epoch " + std::to_string(r->epoch.value) +
                                      ", not " + std::to_string(e.value) +
                                      ": it was registered anew since");
  if (r->fenced) return refuse(verdict::fenced, name_of(n) + " is fenced: it has to register");
  if (for_new_duties && r->draining)
    return refuse(verdict::conflict, name_of(n) + " is being drained: ask another node");
  return done();
}

std::vector<node_load> cluster_state::candidates() const {
  std::map<node_id, node_load> loads;
  for (const auto& [id, n] : nodes_)
    if (n.takes_duties()) loads.emplace(id, node_load{id, n.rack, 0, 0});
  for (const auto& [id, t] : topics_) {
    for (const auto& p : t.partitions) {
      const auto& replicas = p.reassigning() ? p.target : p.replicas;
      for (size_t i = 0; i < replicas.size(); ++i) {
        auto it = loads.find(replicas[i]);
        if (it == loads.end()) continue;
        ++it->second.replicas;
        it->second.preferred += i == 0;
      }
    }
  }
  std::vector<node_load> out;
  for (auto& [id, l] : loads) out.push_back(std::move(l));
  return out;
}

std::string address_of(const node_record& n, std::string_view listener) {
  for (const auto& e : n.endpoints)
    if (e.listener == listener) return join_address(e.host, e.port);
  return {};
}

answer cluster_state::run(const register_node& c) {
  if (answer bad = check_shape(c); !bad.ok()) return bad;
  for (const auto& [id, n] : nodes_)
    if (n.name == c.name && n.identity != c.identity && !n.fenced)
      return refuse(verdict::already_exists,
                    name_of(id) + " is alive under the name '" + c.name + "': choose another");
  auto it = node_of_identity_.find(c.identity);
  if (it == node_of_identity_.end()) {
    if (nodes_.size() >= limits_.nodes_max)
      return refuse(verdict::limit, "the cluster has " + std::to_string(nodes_.size()) +
                                        " nodes already: remove those that are gone");
    node_id id(next_node_++);
    it = node_of_identity_.emplace(c.identity, id).first;
    node_record fresh;
    fresh.id = id;
    fresh.identity = c.identity;
    nodes_.emplace(id, std::move(fresh));
  }
  node_record& n = nodes_.at(it->second);
  // A node that comes back unnoticed has lost what it held in memory, its leases too.
  if (!n.fenced && n.epoch.value != 0) lose(n);
  n.name = c.name;
  n.rack = c.rack;
  n.endpoints = c.endpoints;
  n.fenced = false;
  ++n.epoch.value;
  touch_node(n.id);
  elect_leaderless();
  return done(static_cast<uint64_t>(n.id.value), n.epoch.value);
}

answer cluster_state::run(const fence_node& c) {
  if (answer bad = check_live(c.node, c.epoch, false); !bad.ok()) return bad;
  lose(nodes_.at(c.node));
  return done();
}

void cluster_state::lose(node_record& n) {
  n.fenced = true;
  touch_node(n.id);
  for (auto& [id, t] : topics_) {
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      partition_record next = t.partitions[i];
      if (next.leader != n.id && !contains(next.in_sync, n.id)) continue;
      const node_id gone[] = {n.id};
      if (next.in_sync.size() > 1) next.in_sync = without(next.in_sync, gone);
      repair_leader(next);
      edit(t, static_cast<int32_t>(i), std::move(next));
    }
  }
  drop_leases(n.id);
}

void cluster_state::drop_leases(node_id n) {
  for (auto& [id, j] : jobs_) {
    if (j.master.holder != n) continue;
    j.master.holder = no_node;
    changes_.jobs.push_back(id);
  }
  if (homes_of_node_.erase(n) == 0) return;
  for (auto& [key, h] : homes_) {
    if (h.holder != n) continue;
    h.holder = no_node;
    changes_.homes.push_back(key);
  }
}

void cluster_state::elect_leaderless() {
  for (auto& [id, t] : topics_) {
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      if (t.partitions[i].leader != no_node) continue;
      partition_record next = t.partitions[i];
      repair_leader(next);
      edit(t, static_cast<int32_t>(i), std::move(next));
    }
  }
}

answer cluster_state::run(const drain_node& c) {
  auto it = nodes_.find(c.node);
  if (it == nodes_.end()) return refuse(verdict::not_found, name_of(c.node) + " is not registered");
  if (c.drain && it->second.takes_duties() && candidates().size() == 1)
    return refuse(verdict::conflict,
                  "no other node is alive and stays, which could take over what " +
                      name_of(c.node) + " has: start one, or undo the drain of another one first");
  it->second.draining = c.drain;
  touch_node(c.node);
  if (!c.drain) {
    elect_leaderless();
    return done();
  }
  drop_leases(c.node);
  uint64_t moving = 0, stuck = 0;
  std::vector<node_load> loads = candidates();
  for (auto& [id, t] : topics_) {
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      if (!contains(t.partitions[i].replicas, c.node)) continue;
      const bool stays = move_off(t, static_cast<int32_t>(i), c.node, loads) == move_start::nowhere;
      ++(stays ? stuck : moving);
    }
  }
  return done(moving, stuck);
}

cluster_state::move_start cluster_state::move_off(topic_record& t, int32_t partition,
                                                  node_id leaving, std::vector<node_load>& loads) {
  partition_record next = t.partitions[static_cast<size_t>(partition)];
  // Leading ends at once, whether or not there is room for another replica.
  if (next.leader == leaving) repair_leader(next);
  std::vector<node_id> target = next.reassigning() ? next.target : next.replicas;
  // On its way there and in sync already, it would be out at once: replicas are the target and
  // those that had it before. The loss of the one that is left may not be known yet.
  if (next.reassigning() && !contains(next.origin, leaving) && contains(next.in_sync, leaving) &&
      next.in_sync.size() <= 2) {
    edit(t, partition, std::move(next));
    return move_start::waits;
  }
  bool moves = true;
  if (auto place = std::find(target.begin(), target.end(), leaving); place != target.end()) {
    const node_id gone[] = {leaving};
    node_id to = place_replica(loads, without(target, gone), nodes_);
    moves = to != no_node;
    if (moves) {
      *place = to;
      moves = retarget(next, target);
    }
    if (moves) {
      auto load = std::find_if(loads.begin(), loads.end(), [&](auto& l) { return l.id == to; });
      weir_assert(load != loads.end(), "the place came from the candidates");
      ++load->replicas;
    }
  }
  edit(t, partition, std::move(next));
  return moves ? move_start::begun : move_start::nowhere;
}

answer cluster_state::run(const remove_node& c) {
  auto it = nodes_.find(c.node);
  if (it == nodes_.end()) return refuse(verdict::not_found, name_of(c.node) + " is not registered");
  if (!it->second.fenced)
    return refuse(verdict::conflict, name_of(c.node) + " is alive: stop it first");
  for (const auto& [id, t] : topics_)
    for (const auto& p : t.partitions)
      if (contains(p.replicas, c.node) || contains(p.origin, c.node))
        return refuse(verdict::conflict,
                      name_of(c.node) + " has replicas of topic '" + t.name + "': drain it first");
  node_of_identity_.erase(it->second.identity);
  nodes_.erase(it);
  touch_node(c.node);
  return done();
}

}  // namespace weir::meta
