#include "runtime/kafka/groups/classic_group.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/consumer_protocol.hpp"

namespace weir::kafka::membership {

const std::string* classic_member::metadata(const std::string& protocol) const {
  for (const auto& p : protocols)
    if (p.name == protocol) return &p.metadata;
  return nullptr;
}

const char* to_string(classic_state s) noexcept {
  switch (s) {
    case classic_state::empty:
      return "Empty";
    case classic_state::preparing:
      return "PreparingRebalance";
    case classic_state::completing:
      return "CompletingRebalance";
    case classic_state::stable:
      return "Stable";
  }
  return "Unknown";
}

classic_member* classic_group::find(const std::string& id) {
  const auto it = members.find(id);
  return it == members.end() ? nullptr : &it->second;
}

const std::string* classic_group::instance_owner(const std::string& instance_id) const {
  const auto it = instances.find(instance_id);
  return it == instances.end() ? nullptr : &it->second;
}

size_t classic_group::waiting_joins() const {
  return static_cast<size_t>(std::count_if(members.begin(), members.end(), [](const auto& m) {
    return m.second.waiting_join.has_value();
  }));
}

bool classic_group::all_joined() const {
  return pending_joins.empty() && waiting_joins() == members.size();
}

int32_t classic_group::rebalance_timeout_ms() const {
  int32_t longest = 0;
  for (const auto& [id, m] : members) longest = std::max(longest, m.rebalance_timeout_ms);
  return longest;
}

bool classic_group::supports(const std::string& type,
                             const std::vector<classic_protocol>& protocols) const {
  if (state == classic_state::empty) return !type.empty() && !protocols.empty();
  if (protocol_type != type) return false;
  return std::any_of(protocols.begin(), protocols.end(), [&](const classic_protocol& p) {
    return std::all_of(members.begin(), members.end(),
                       [&](const auto& m) { return m.second.metadata(p.name) != nullptr; });
  });
}

error_code classic_group::validate(const std::string& member_id,
                                   const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    const std::string* owner = instance_owner(*instance_id);
    if (owner == nullptr) return error_code::unknown_member_id;
    if (*owner != member_id) return error_code::fenced_instance_id;
  }
  return members.count(member_id) != 0 ? error_code::none : error_code::unknown_member_id;
}

classic_member& classic_group::add(classic_member m, const std::string& type) {
  if (m.instance_id) instances[*m.instance_id] = m.id;
  if (members.empty()) protocol_type = type;
  if (!leader) leader = m.id;
  pending_joins.erase(m.id);
  std::string id = m.id;
  const auto [it, fresh] = members.insert_or_assign(std::move(id), std::move(m));
  weir_assert(fresh, "a member is added once");
  return it->second;
}

void classic_group::remove(const std::string& id) {
  const auto it = members.find(id);
  if (it != members.end()) {
    if (it->second.instance_id) {
      const auto instance = instances.find(*it->second.instance_id);
      if (instance != instances.end() && instance->second == id) instances.erase(instance);
    }
    members.erase(it);
  }
  if (is_leader(id)) {
    leader.reset();
    if (!members.empty()) leader = members.begin()->first;
  }
  pending_joins.erase(id);
  pending_syncs.erase(id);
}

void classic_group::move_to(classic_state next, int64_t now_ms) {
  previous = state;
  state = next;
  state_since_ms = now_ms;
}

bool classic_group::elect_joined_leader() {
  if (!leader) return false;
  const classic_member* current = find(*leader);
  weir_assert(current != nullptr, "the leader is a member");
  if (current->waiting_join) return true;
  for (const auto& [id, m] : members) {
    if (!m.waiting_join) continue;
    leader = id;
    return true;
  }
  return false;
}

std::string classic_group::select_protocol() const {
  std::map<std::string_view, size_t> supporters;
  for (const auto& [id, m] : members)
    for (const auto& p : m.protocols) ++supporters[p.name];
  std::map<std::string_view, size_t> votes;
  for (const auto& [id, m] : members) {
    const auto first = std::find_if(m.protocols.begin(), m.protocols.end(), [&](const auto& p) {
      return supporters[p.name] == members.size();
    });
    if (first != m.protocols.end()) ++votes[first->name];
  }
  weir_assert(!votes.empty(), "members of a group have a protocol in common");
  const auto most = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return std::string(most->first);
}

void classic_group::next_generation(int64_t now_ms) {
  ++generation;
  if (members.empty()) {
    protocol.reset();
    move_to(classic_state::empty, now_ms);
  } else {
    protocol = select_protocol();
    move_to(classic_state::completing, now_ms);
  }
  update_subscribed();
  pending_syncs.clear();
}

void classic_group::update_subscribed() {
  subscribed.reset();
  if (!uses_consumer_protocol()) return;
  std::set<std::string> all;
  if (!members.empty()) {
    if (!protocol) return;
    for (const auto& [id, m] : members) {
      const std::string* blob = m.metadata(*protocol);
      if (blob == nullptr) return;
      const auto subscription = parse_subscription(*blob);
      if (!subscription) return;
      all.insert(subscription->topics.begin(), subscription->topics.end());
    }
  }
  subscribed = std::move(all);
}

}  // namespace weir::kafka::membership
