#include "cluster/meta/service/watch.hpp"

#include <algorithm>
#include <set>

#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/service/leader_orders.hpp"
#include "cluster/meta/state/placement.hpp"

namespace weir::meta {

namespace {

// A leader that was only deposed gets this long to say so to the next one.
constexpr uint64_t deposed_ms = 1'000;
// Who votes and was heard within this time answers: three signs of life.
constexpr uint64_t answering_ms = 1'500;

}  // namespace

void leader_watch::begin(uint64_t now_ms, server_id former, uint64_t former_spoke_ms) {
  began_ms_ = balanced_ms_ = now_ms;
  balanced_at_ = UINT64_MAX;
  heard_.clear();
  gone_since_.clear();
  returned_ms_.reset();
  if (former == 0) return;
  const auto silence_max = options_.silence_max_ms - std::min(options_.silence_max_ms, deposed_ms);
  heard_[former] = std::clamp(former_spoke_ms, now_ms - std::min(now_ms, silence_max), now_ms);
}

void leader_watch::heard(server_id who, uint64_t now_ms) {
  heard_[who] = now_ms;
}

uint64_t leader_watch::silent_for(server_id who, uint64_t now_ms) const {
  auto it = heard_.find(who);
  const auto last = it == heard_.end() ? began_ms_ : it->second;
  return now_ms > last ? now_ms - last : 0;
}

bool leader_watch::answers(server_id who, uint64_t now_ms) const {
  auto it = heard_.find(who);
  return it != heard_.end() && now_ms < it->second + answering_ms;
}

std::vector<command> leader_watch::due(uint64_t now_ms, const cluster_state& state) {
  std::vector<command> out;
  std::erase_if(gone_since_, [&](const auto& g) {
    const auto* n = state.find_node(g.first);
    if (n && !n->fenced) returned_ms_ = now_ms;
    return !n || !n->fenced;
  });
  for (const auto& [id, n] : state.nodes())
    if (n.fenced) gone_since_.try_emplace(id, now_ms);
  for (const auto& [id, n] : state.nodes())
    if (!n.fenced && silent_for(server_of(n.identity), now_ms) > options_.silence_max_ms)
      out.push_back(fence_node{id, n.epoch});
  return out;
}

std::vector<command> leader_watch::balance(uint64_t now_ms, const cluster_state& state) {
  if (now_ms < balanced_ms_ + options_.balance_interval_ms) return {};
  balanced_ms_ = now_ms;
  if (state.nodes().size() < 2) return {};
  uint32_t moving = 0;
  for (const auto& [id, t] : state.topics())
    for (const auto& p : t.partitions) moving += p.reassigning() ? 1 : 0;
  const auto room = options_.moves_max - std::min(moving, options_.moves_max);
  auto out = rebuild(now_ms, state, room);
  if (out.empty()) out = widen(state, room);
  if (!out.empty() || balanced_at_ == state.applied()) return out;
  auto trial = state;
  auto useful = [&trial](command c) { return trial.apply({{}, 0, std::move(c)}).reply.number > 0; };
  if (moving < options_.moves_max) {
    balance_replicas more{options_.moves_max - moving};
    if (useful(more)) out.push_back(more);
  }
  if (returned_ms_ && now_ms < *returned_ms_ + options_.leaders_back_after_ms) return out;
  if (out.empty())
    for (auto& c : even_out_leaders(state, options_.moves_max))
      if (trial.apply({{}, 0, c}).reply.ok()) out.push_back(std::move(c));
  balance_leaders leaders{options_.moves_max};
  if (useful(leaders)) out.push_back(leaders);
  if (out.empty()) balanced_at_ = state.applied();
  return out;
}

namespace {

/// Nodes that can take replicas, with what they have.
std::vector<node_load> takers(const cluster_state& state) {
  std::vector<node_load> loads;
  for (const auto& [id, n] : state.nodes())
    if (n.takes_duties()) loads.push_back({id, n.rack, state.burden_of(id).replicas, 0});
  return loads;
}

}  // namespace

std::vector<command> leader_watch::rebuild(uint64_t now_ms, const cluster_state& state,
                                           uint32_t room) const {
  auto is_lost = [&](node_id n) {
    auto it = gone_since_.find(n);
    return it != gone_since_.end() && now_ms >= it->second + options_.rebuild_delay_ms;
  };
  if (std::none_of(gone_since_.begin(), gone_since_.end(),
                   [&](const auto& g) { return is_lost(g.first); }))
    return {};
  auto loads = takers(state);
  std::vector<command> out;
  uint32_t begun = 0;  // moves
  for (const auto& [id, t] : state.topics())
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      const auto& p = t.partitions[i];
      if (begun >= room && !p.reassigning()) continue;
      // Without a live copy there is nothing to copy from.
      if (p.leader == no_node) continue;
      // One that moves already may be on its way to a node that is gone by now.
      auto target = p.reassigning() ? p.target : p.replicas;
      bool moves = false;
      for (auto& r : target) {
        if (!is_lost(r)) continue;
        const node_id gone[] = {r};
        auto to = place_replica(loads, without(target, gone), state.nodes());
        if (to == no_node && p.reassigning() && !contains(p.origin, r)) {
          // What was on its way there, and nobody else can take, stays where it was.
          const auto stays = without(p.origin, target);
          if (!stays.empty()) to = stays.front();
        }
        if (to == no_node) continue;
        r = to;
        moves = true;
        for (auto& l : loads) l.replicas += l.id == to ? 1 : 0;
      }
      if (!moves) continue;
      begun += p.reassigning() ? 0 : 1;
      out.push_back(reassign_partition{id, static_cast<int32_t>(i), std::move(target)});
    }
  return out;
}

std::vector<command> leader_watch::widen(const cluster_state& state, uint32_t room) const {
  auto loads = takers(state);
  std::vector<command> out;
  for (const auto& [id, t] : state.topics()) {
    const auto wanted = options_.replicas_wanted.find(t.name);
    if (wanted == options_.replicas_wanted.end()) continue;
    for (size_t i = 0; i < t.partitions.size() && out.size() < room; ++i) {
      const auto& p = t.partitions[i];
      if (p.reassigning() || p.leader == no_node || p.replicas.size() >= wanted->second) continue;
      const auto to = place_replica(loads, p.replicas, state.nodes());
      if (to == no_node) continue;
      auto target = p.replicas;
      target.push_back(to);
      for (auto& l : loads) l.replicas += l.id == to ? 1 : 0;
      out.push_back(reassign_partition{id, static_cast<int32_t>(i), std::move(target)});
    }
  }
  return out;
}

size_t voters_wanted(size_t alive, size_t voters_max) {
  return alive == 0 ? 1 : std::min(voters_max, alive - (alive + 1) % 2);
}

server_id leader_watch::successor(uint64_t now_ms, const configuration& servers, server_id self,
                                  const cluster_state& state) const {
  std::pair<uint64_t, server_id> best{options_.silence_max_ms, 0};  // who was heard last
  for (const auto& s : servers) {
    if (s.role != server_role::voter || s.id == self) continue;
    const auto stays = [&](const auto& n) {
      return server_of(n.second.identity) == s.id && n.second.takes_duties();
    };
    if (std::none_of(state.nodes().begin(), state.nodes().end(), stays)) continue;
    best = std::min(best, std::pair(silent_for(s.id, now_ms), s.id));
  }
  return best.second;
}

std::optional<membership_change> leader_watch::membership(uint64_t now_ms,
                                                          const configuration& servers,
                                                          server_id self,
                                                          const cluster_state& state) const {
  // Racks of registered nodes; a server without a node has none of its own.
  std::map<server_id, const node_record*> nodes;
  for (const auto& [id, n] : state.nodes()) nodes[server_of(n.identity)] = &n;
  auto usable = [&](const server& s) {
    auto it = nodes.find(s.id);
    return it != nodes.end() && it->second->takes_duties() &&
           (s.id == self || silent_for(s.id, now_ms) <= options_.silence_max_ms);
  };
  std::vector<const server*> voters, dead, spare;
  std::set<std::string> racks;
  size_t alive = 0, handing_on = 0;
  for (const auto& s : servers) {
    const bool good = usable(s);
    alive += good ? 1 : 0;
    if (s.role != server_role::voter) {
      if (good && s.role == server_role::learner && answers(s.id, now_ms)) spare.push_back(&s);
      continue;
    }
    voters.push_back(&s);
    if (good) racks.insert(nodes[s.id]->rack);
    const bool drains = nodes.count(s.id) && nodes[s.id]->draining;
    if (s.id != self && (drains || silent_for(s.id, now_ms) > options_.voter_silence_max_ms))
      dead.push_back(&s);
    handing_on += s.id == self && drains ? 1 : 0;  // as soon as there is somebody else
  }
  const size_t wanted = voters_wanted(alive, options_.voters_max);
  const auto good_voters = voters.size() - dead.size() - handing_on;
  auto leaves = [&](const server* v) {
    auto it = nodes.find(v->id);
    return it != nodes.end() && it->second->draining;
  };
  // Whether those who vote without it are a majority that answers now: else nobody could lead, and
  // nothing could be undone.
  auto is_dispensable = [&](const server* gone) {
    size_t left = 0, answering = 0;
    for (const auto* v : voters) {
      if (v == gone) continue;
      ++left;
      answering += v->id == self || answers(v->id, now_ms) ? 1 : 0;
    }
    return 2 * answering > left;
  };
  const bool one_cannot_leave = std::any_of(
      dead.begin(), dead.end(), [&](const auto* v) { return leaves(v) && !is_dispensable(v); });
  if ((good_voters < wanted || one_cannot_leave) && !spare.empty()) {
    auto best = std::min_element(spare.begin(), spare.end(), [&](auto* a, auto* b) {
      bool ra = racks.count(nodes[a->id]->rack) > 0, rb = racks.count(nodes[b->id]->rack) > 0;
      if (ra != rb) return rb;
      return nodes[a->id]->id < nodes[b->id]->id;
    });
    return membership_change{(*best)->id, server_role::voter, false};
  }
  // A silent voter goes when others have taken its place; without that it would be one voter less
  // and as many needed. One that leaves for good goes at once; when it cannot because another one
  // is silent, that one goes first.
  const bool replaced = good_voters >= 3 && good_voters % 2 == 1;
  for (const auto* v : dead)
    if (is_dispensable(v) && (replaced || one_cannot_leave || (leaves(v) && good_voters >= 1)))
      return membership_change{v->id, server_role::learner, false};
  // Nodes that the cluster forgot (remove_node), or that never registered.
  for (const auto& s : servers)
    if (s.id != self && s.role != server_role::voter && nodes.count(s.id) == 0 &&
        silent_for(s.id, now_ms) > options_.voter_silence_max_ms * 6)
      return membership_change{s.id, s.role, true};
  return std::nullopt;
}

}  // namespace weir::meta
