// Partitions: in-sync sets, leaders, reassignment, balance.
#include <set>

#include "cluster/meta/state/detail.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/base/assert.hpp"

namespace weir::meta {

answer cluster_state::find(const uuid& topic, int32_t partition, topic_record** out) {
  auto it = topics_.find(topic);
  if (it == topics_.end()) return no_topic(topic);
  if (partition < 0 || static_cast<size_t>(partition) >= it->second.partitions.size())
    return refuse(verdict::not_found,
                  "topic '" + it->second.name + "' has no partition " + std::to_string(partition));
  *out = &it->second;
  return done();
}

void cluster_state::edit(topic_record& t, int32_t partition, partition_record next) {
  partition_record& now = t.partitions[static_cast<size_t>(partition)];
  weir_assert(next.leader_epoch == now.leader_epoch && next.version == now.version,
              "epoch and version are given here");
  if (next == now) return;
  // Who is no replica any more must not be taken for one: a new leader epoch tells everybody.
  const bool shrunk = !without(now.replicas, next.replicas).empty();
  if (next.leader != now.leader || shrunk) ++next.leader_epoch;
  ++next.version;
  now = std::move(next);
  changes_.partitions.emplace_back(t.id, partition);
}

void cluster_state::renew(topic_record& t, int32_t partition) {
  ++t.partitions[static_cast<size_t>(partition)].version;
  changes_.partitions.emplace_back(t.id, partition);
}

void cluster_state::repair_leader(partition_record& p) const {
  const node_record* leader = find_node(p.leader);
  if (leader && leader->takes_duties() && contains(p.in_sync, p.leader)) return;
  p.leader = pick_leader(p, nodes_);
}

// A reassignment is over when every new replica is in sync and the target has as many in-sync
// replicas as those have among whom it began, as far as it can: a move must not make records less
// safe, and one with a replica that is gone must end.
void cluster_state::finish_if_done(partition_record& p) const {
  if (!p.reassigning()) return;
  for (node_id n : without(p.target, p.origin))
    if (!contains(p.in_sync, n)) return;
  std::vector<node_id> left = common(p.target, p.in_sync);
  const auto before = common(p.origin, p.in_sync).size();
  if (left.empty() || left.size() < std::min(p.target.size(), before)) return;
  p.replicas = std::move(p.target);
  p.in_sync = std::move(left);
  p.target.clear();
  p.origin.clear();
  repair_leader(p);
}

// False: the partition's in-sync replicas would all be lost by that.
bool cluster_state::retarget(partition_record& p, std::vector<node_id> target) const {
  const std::vector<node_id> origin = p.reassigning() ? p.origin : p.replicas;
  std::vector<node_id> replicas = target;
  for (node_id n : without(origin, target)) replicas.push_back(n);
  const bool back = target == origin;
  std::vector<node_id> in_sync = common(replicas, p.in_sync);
  if (in_sync.empty()) return false;
  p.replicas = std::move(replicas);
  p.in_sync = std::move(in_sync);
  p.target = back ? std::vector<node_id>() : std::move(target);
  p.origin = back ? std::vector<node_id>() : origin;
  finish_if_done(p);
  repair_leader(p);
  return true;
}

answer cluster_state::check_leads(const partition_record& p, node_id leader,
                                  int32_t leader_epoch) const {
  if (p.leader == leader && p.leader_epoch == leader_epoch) return done();
  return refuse(verdict::stale, "the partition is led by " + name_of(p.leader) +
                                    " in leader epoch " + std::to_string(p.leader_epoch));
}

answer cluster_state::run(const confirm_leader& c) {
  topic_record* t = nullptr;
  if (answer bad = find(c.topic, c.partition, &t); !bad.ok()) return bad;
  if (answer bad = check_live(c.leader, c.leader_node_epoch, false); !bad.ok()) return bad;
  return check_leads(t->partitions[static_cast<size_t>(c.partition)], c.leader, c.leader_epoch);
}

answer cluster_state::run(const alter_in_sync& c) {
  topic_record* t = nullptr;
  if (answer bad = find(c.topic, c.partition, &t); !bad.ok()) return bad;
  if (answer bad = check_live(c.leader, c.leader_node_epoch, false); !bad.ok()) return bad;
  partition_record next = t->partitions[static_cast<size_t>(c.partition)];
  if (answer bad = check_leads(next, c.leader, c.leader_epoch); !bad.ok()) return bad;
  if (next.version != c.version)
    return refuse(verdict::stale, "the partition is at version " + std::to_string(next.version) +
                                      ", not " + std::to_string(c.version) + ": read it anew");
  if (!all_distinct(c.in_sync) || !without(c.in_sync, next.replicas).empty())
    return refuse(verdict::invalid, "the in-sync set has to be distinct replicas");
  if (!contains(c.in_sync, c.leader))
    return refuse(verdict::invalid, "the leader is in sync with itself");
  if (!c.epochs.empty() && c.epochs.size() != c.in_sync.size())
    return refuse(verdict::invalid, "each node of the in-sync set has an epoch");
  for (size_t i = 0; i < c.in_sync.size(); ++i) {
    const node_id n = c.in_sync[i];
    const node_record& r = nodes_.at(n);
    if (r.fenced) return refuse(verdict::conflict, name_of(n) + " is not alive");
    // Who is in sync has not registered since: that would have taken it out.
    if (!c.epochs.empty() && c.epochs[i].value != 0 && c.epochs[i] != r.epoch &&
        !contains(next.in_sync, n))
      return refuse(verdict::conflict, name_of(n) + " was registered anew since it has fetched");
  }
  next.in_sync = common(next.replicas, c.in_sync);
  finish_if_done(next);
  // What holds already makes a new version, too: whatever named the old one is void by that.
  if (next == t->partitions[static_cast<size_t>(c.partition)])
    renew(*t, c.partition);
  else
    edit(*t, c.partition, std::move(next));
  const auto& now = t->partitions[static_cast<size_t>(c.partition)];
  return done(static_cast<uint64_t>(now.version), static_cast<uint64_t>(now.leader_epoch));
}

answer cluster_state::run(const reassign_partition& c) {
  topic_record* t = nullptr;
  if (answer bad = find(c.topic, c.partition, &t); !bad.ok()) return bad;
  partition_record next = t->partitions[static_cast<size_t>(c.partition)];
  std::vector<node_id> target = c.target;
  if (target.empty()) {
    if (!next.reassigning()) return refuse(verdict::conflict, "the partition is not being moved");
    target = next.origin;
  } else {
    if (answer bad = check_assignment({target}); !bad.ok()) return bad;
    for (node_id n : without(target, next.replicas)) {
      const node_record& r = nodes_.at(n);
      if (r.fenced || r.draining)
        return refuse(verdict::conflict,
                      name_of(n) + " is not alive or is being drained: choose another");
    }
  }
  if (!retarget(next, std::move(target)))
    return refuse(verdict::conflict,
                  "all in-sync replicas would be left: wait until one that stays is in sync");
  edit(*t, c.partition, std::move(next));
  return done();
}

answer cluster_state::run(const elect_leader& c) {
  topic_record* t = nullptr;
  if (answer bad = find(c.topic, c.partition, &t); !bad.ok()) return bad;
  partition_record next = t->partitions[static_cast<size_t>(c.partition)];
  const node_id wanted = c.leader == no_node ? next.replicas[0] : c.leader;
  const node_record* r = find_node(wanted);
  if (!r || !contains(next.replicas, wanted))
    return refuse(verdict::invalid, name_of(wanted) + " is no replica of the partition");
  if (r->fenced) return refuse(verdict::fenced, name_of(wanted) + " is not alive");
  if (!contains(next.in_sync, wanted))
    return refuse(verdict::conflict, name_of(wanted) + " is not in sync: it lacks records");
  next.leader = wanted;
  edit(*t, c.partition, std::move(next));
  const auto& now = t->partitions[static_cast<size_t>(c.partition)];
  return done(static_cast<uint64_t>(now.leader.value), static_cast<uint64_t>(now.leader_epoch));
}

answer cluster_state::run(const balance_leaders& c) {
  uint64_t moved = 0;
  for (auto& [id, t] : topics_) {
    for (size_t i = 0; i < t.partitions.size() && moved < c.moves_max; ++i) {
      const partition_record& p = t.partitions[i];
      const node_id wanted = p.replicas[0];
      const node_record& r = nodes_.at(wanted);
      if (p.leader == wanted || r.fenced || r.draining || !contains(p.in_sync, wanted)) continue;
      partition_record next = p;
      next.leader = wanted;
      edit(t, static_cast<int32_t>(i), std::move(next));
      ++moved;
    }
  }
  return done(moved);
}

answer cluster_state::run(const balance_replicas& c) {
  uint64_t moved = 0;
  std::vector<node_load> loads = candidates();
  // Off draining nodes first: their replicas had nowhere to go when the drain began.
  for (auto& [id, t] : topics_) {
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      const partition_record& p = t.partitions[i];
      for (node_id n : std::vector<node_id>(p.reassigning() ? p.target : p.replicas)) {
        if (moved >= c.moves_max) return done(moved);
        if (nodes_.at(n).draining &&
            move_off(t, static_cast<int32_t>(i), n, loads) == move_start::begun)
          ++moved;
      }
    }
  }
  auto fewer = [](const node_load& a, const node_load& b) {
    return std::tuple(a.replicas, a.id) < std::tuple(b.replicas, b.id);
  };
  // One move off `from` to a node with at least two fewer, of a partition whose racks stay as many.
  auto move_one = [&](const node_load& from) {
    for (auto& [id, t] : topics_) {
      for (size_t i = 0; i < t.partitions.size(); ++i) {
        const partition_record& p = t.partitions[i];
        auto place = std::find(p.replicas.begin(), p.replicas.end(), from.id);
        if (p.reassigning() || place == p.replicas.end()) continue;
        for (auto& to : loads) {
          if (to.replicas + 1 >= from.replicas) break;  // loads are sorted
          if (contains(p.replicas, to.id)) continue;
          std::vector<node_id> target = p.replicas;
          target[static_cast<size_t>(place - p.replicas.begin())] = to.id;
          if (rack_spread(target, nodes_) < rack_spread(p.replicas, nodes_)) continue;
          partition_record next = p;
          if (!retarget(next, target)) continue;
          edit(t, static_cast<int32_t>(i), std::move(next));
          ++to.replicas;
          return true;
        }
      }
    }
    return false;
  };
  std::set<node_id> settled;  // nothing of theirs can move
  while (moved < c.moves_max && loads.size() > settled.size()) {
    std::sort(loads.begin(), loads.end(), fewer);
    auto from = std::find_if(loads.rbegin(), loads.rend(),
                             [&](const auto& l) { return !settled.contains(l.id); });
    if (from->replicas <= loads.front().replicas + 1) break;
    if (move_one(*from)) {
      --from->replicas;
      ++moved;
    } else {
      settled.insert(from->id);
    }
  }
  return done(moved);
}

}  // namespace weir::meta
