// What always holds: checked for what a command touched after each one, and for everything on
// demand.
#include "cluster/meta/state/detail.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/base/assert.hpp"

namespace weir::meta {

const char* cluster_state::problem_of(const partition_record& p) const {
  if (p.replicas.empty() || !all_distinct(p.replicas)) return "its replicas are not distinct";
  for (node_id n : p.replicas)
    if (!nodes_.contains(n)) return "a replica is on no node";
  if (p.in_sync.empty()) return "nobody is in sync";
  if (common(p.replicas, p.in_sync) != p.in_sync)
    return "the in-sync set is no part of the replicas in their order";
  if (p.leader != no_node) {
    if (!contains(p.in_sync, p.leader)) return "the leader is not in sync";
    if (nodes_.at(p.leader).fenced) return "the leader is fenced";
  } else {
    if (pick_leader(p, nodes_) != no_node) return "there is no leader though one is in sync";
  }
  if (p.in_sync.size() > 1)
    for (node_id n : p.in_sync)
      if (nodes_.at(n).fenced) return "a fenced node is in sync beside others";
  if (p.reassigning() == p.origin.empty()) return "a move needs a target and an origin";
  if (p.reassigning()) {
    std::vector<node_id> both = p.target;
    for (node_id n : without(p.origin, p.target)) both.push_back(n);
    if (p.replicas != both) return "the replicas are not those of the move";
  }
  if (p.leader_epoch < 0 || p.version < p.leader_epoch) return "its epoch outran its version";
  return nullptr;
}

void cluster_state::assert_touched() const {
  for (const auto& [topic, i] : changes_.partitions) {
    const partition_record* p = find_partition(topic, i);
    if (!p) continue;
    const char* problem = problem_of(*p);
    weir_assert(!problem, problem);
  }
  for (const uuid& id : changes_.jobs) {
    const job_record* j = find_job(id);
    if (!j) continue;
    weir_assert(j->master.token.value <= last_token_, "a token was given");
    weir_assert(j->master.holder == no_node || !has_ended(j->phase), "who ended has no master");
    const node_record* n = find_node(j->master.holder);
    weir_assert(
        j->master.holder == no_node || (n && !n->fenced && n->epoch == j->master.holder_epoch),
        "a master lives on a live node");
  }
  for (const home_key& k : changes_.homes) {
    auto it = homes_.find(k);
    if (it == homes_.end() || it->second.holder == no_node) continue;
    const node_record* n = find_node(it->second.holder);
    weir_assert(n && !n->fenced && n->epoch == it->second.holder_epoch, "a home is on a live node");
  }
}

status cluster_state::check() const {
  auto broken = [](std::string what) -> status { return {errc::corrupt, std::move(what)}; };
  for (const auto& [id, n] : nodes_)
    if (n.id != id || id.value < 1 || id.value >= next_node_ || n.epoch.value == 0 ||
        n.identity.is_zero())
      return broken(name_of(id) + ": its id, identity or epoch was never given");
  for (const auto& [id, t] : topics_) {
    if (t.id != id || id.is_zero() || t.partitions.empty())
      return broken("topic '" + t.name + "': no id or no partitions");
    uint64_t covered = 0;
    uint32_t newest = 0;
    for (const auto& p : t.partitions) newest = std::max(newest, p.generation);
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      const partition_record& p = t.partitions[i];
      if (const char* problem = problem_of(p))
        return broken("topic '" + t.name + "', partition " + std::to_string(i) + ": " + problem);
      if (p.generation == newest) covered += uint64_t{p.keys.last} - p.keys.first + 1;
    }
    if (covered != uint64_t{1} << 32)
      return broken("topic '" + t.name + "': its newest generation does not cover the keys");
  }
  auto lease_holds = [&](const lease_record& l) {
    if (l.token.value > last_token_) return false;
    if (l.holder == no_node) return true;
    const node_record* n = find_node(l.holder);
    return n && !n->fenced && n->epoch == l.holder_epoch;
  };
  for (const auto& [id, j] : jobs_)
    if (j.id != id || !lease_holds(j.master) || j.phase > job_phase::stopped ||
        (j.master.holder != no_node && has_ended(j.phase)))
      return broken("job '" + j.name + "': its master has no right to be one");
  for (const auto& [key, l] : homes_)
    if (!lease_holds(l)) return broken("the home of '" + key.second + "' is on no live node");
  for (const auto& [id, s] : sessions_)
    if (s.request == 0 || s.used == 0 || s.used > applied_)
      return broken("session " + id.to_string() + " was never used");
  if (sessions_.size() != session_of_use_.size())
    return broken("two sessions were used by one request");
  cluster_state same = *this;
  WEIR_TRY(same.rebuild_indexes());
  if (same.node_of_identity_ != node_of_identity_ || same.topic_of_name_ != topic_of_name_ ||
      same.topic_of_folded_name_ != topic_of_folded_name_ ||
      same.session_of_use_ != session_of_use_ || same.homes_of_node_ != homes_of_node_ ||
      same.partitions_ != partitions_)
    return broken("an index does not say what the records say");
  return {};
}

status cluster_state::rebuild_indexes() {
  node_of_identity_.clear();
  topic_of_name_.clear();
  topic_of_folded_name_.clear();
  session_of_use_.clear();
  homes_of_node_.clear();
  partitions_ = 0;
  for (const auto& [id, n] : nodes_)
    if (!node_of_identity_.emplace(n.identity, id).second)
      return {errc::corrupt, name_of(id) + " has the identity of another"};
  for (const auto& [id, t] : topics_) {
    if (!topic_of_name_.emplace(t.name, id).second ||
        !topic_of_folded_name_.emplace(folded(t.name), id).second)
      return {errc::corrupt, "two topics are named '" + t.name + "'"};
    partitions_ += t.partitions.size();
  }
  for (const auto& [id, s] : sessions_) session_of_use_.emplace(s.used, id);
  for (const auto& [key, l] : homes_)
    if (l.holder != no_node) ++homes_of_node_[l.holder];
  return {};
}

}  // namespace weir::meta
