#include "runtime/kafka/groups/consumer_members.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"

namespace weir::kafka::membership {

bool consumer_member::same_metadata(const consumer_member& o) const {
  return id == o.id && instance_id == o.instance_id && rack_id == o.rack_id &&
         client_id == o.client_id && client_host == o.client_host &&
         rebalance_timeout_ms == o.rebalance_timeout_ms && topics == o.topics && regex == o.regex &&
         assignor == o.assignor && classic == o.classic;
}

member_ptr consumer_members::find(const std::string& id) const {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : it->second;
}

member_ptr consumer_members::find_instance(const std::optional<std::string>& instance_id) const {
  if (!instance_id) return nullptr;
  const auto it = by_instance_.find(*instance_id);
  return it == by_instance_.end() ? nullptr : find(it->second);
}

const assignment& consumer_members::target(const std::string& id) const {
  static const assignment nothing;
  const auto it = targets_.find(id);
  return it == targets_.end() ? nothing : *it->second;
}

member_ptr consumer_members::put(member_ptr m) {
  weir_assert(m != nullptr, "a member to put");
  auto& slot = members_[m->id];
  member_ptr before = std::move(slot);
  if (before) {
    count(*before, -1);
    if (before->instance_id && before->instance_id != m->instance_id) {
      const auto it = by_instance_.find(*before->instance_id);
      if (it != by_instance_.end() && it->second == m->id) by_instance_.erase(it);
    }
  }
  slot = std::move(m);
  count(*slot, +1);
  if (slot->instance_id) by_instance_[*slot->instance_id] = slot->id;
  return before;
}

member_ptr consumer_members::erase(const std::string& id) {
  const auto it = members_.find(id);
  if (it == members_.end()) return nullptr;
  member_ptr before = std::move(it->second);
  members_.erase(it);
  count(*before, -1);
  if (before->instance_id) {
    const auto instance = by_instance_.find(*before->instance_id);
    if (instance != by_instance_.end() && instance->second == id) by_instance_.erase(instance);
  }
  return before;
}

assignment_ptr consumer_members::put_target(const std::string& id, assignment_ptr target) {
  const auto it = targets_.find(id);
  assignment_ptr before = it == targets_.end() ? nullptr : it->second;
  if (!target) {
    if (it != targets_.end()) targets_.erase(it);
  } else {
    targets_[id] = std::move(target);
  }
  return before;
}

void consumer_members::count(const consumer_member& m, int change) {
  if (m.classic)
    classic_count_ = static_cast<size_t>(static_cast<int64_t>(classic_count_) + change);
  for (const assignment* a : {&m.assigned, &m.revoking}) {
    for (const auto& [topic, partitions] : *a) {
      auto& owners = owners_[topic];
      for (const int32_t p : partitions) {
        const auto i = static_cast<size_t>(p);
        if (owners.size() <= i) owners.resize(i + 1, 0);
        owners[i] = static_cast<uint16_t>(owners[i] + change);
      }
      if (change < 0 && std::all_of(owners.begin(), owners.end(), [](auto n) { return n == 0; }))
        owners_.erase(topic);
    }
  }
}

bool consumer_members::owned(const uuid& topic, int32_t partition) const {
  const auto it = owners_.find(topic);
  const auto i = static_cast<size_t>(partition);
  return it != owners_.end() && i < it->second.size() && it->second[i] != 0;
}

bool consumer_members::waits_for_others(const consumer_member& m) const {
  if (m.state != member_state::unreleased) return false;
  for (const auto& [topic, partitions] : difference(target(m.id), m.assigned))
    for (const int32_t p : partitions)
      if (owned(topic, p)) return true;
  return false;
}

size_t consumer_members::supporters(const std::string& protocol) const {
  size_t n = 0;
  for (const auto& [id, m] : members_) {
    if (!m->classic) continue;
    const auto& list = m->classic->protocols;
    if (std::any_of(list.begin(), list.end(), [&](const auto& p) { return p.name == protocol; }))
      ++n;
  }
  return n;
}

bool consumer_members::all_classic_but(const std::string& id) const {
  const member_ptr m = find(id);
  return m && !m->classic && classic_count_ + 1 == members_.size();
}

const char* consumer_members::state_name() const {
  if (members_.empty()) return "Empty";
  if (epoch > target_epoch) return "Assigning";
  for (const auto& [id, m] : members_)
    if (!m->current(target_epoch)) return "Reconciling";
  return "Stable";
}

namespace {

/// Unreported partitions count as still owned.
bool still_has(const std::optional<assignment>& reported, const assignment& revoking) {
  return !reported || intersects(*reported, revoking);
}

consumer_member next_step(const consumer_members& group, const consumer_member& member,
                          int32_t epoch, int32_t target_epoch, const assignment& target,
                          const std::optional<assignment>& reported) {
  consumer_member next = member;
  assignment kept = intersection(member.assigned, target);
  assignment revoking = difference(member.assigned, target);
  assignment wanted = difference(target, member.assigned);
  bool unreleased = false;
  for (auto& [topic, partitions] : wanted) {
    const size_t before = partitions.size();
    const uuid& id = topic;
    partitions.erase(std::remove_if(partitions.begin(), partitions.end(),
                                    [&](int32_t p) { return group.owned(id, p); }),
                     partitions.end());
    unreleased = unreleased || partitions.size() != before;
  }
  normalize(wanted);
  const auto set_epoch = [&](int32_t value) {
    next.previous_epoch = member.epoch;
    next.epoch = value;
  };
  if (!revoking.empty() && still_has(reported, revoking)) {
    next.state = member_state::unrevoked;
    set_epoch(epoch);
    next.assigned = std::move(kept);
    next.revoking = std::move(revoking);
    return next;
  }
  next.state = unreleased ? member_state::unreleased : member_state::stable;
  set_epoch(target_epoch);
  next.assigned = united(kept, wanted);
  next.revoking.clear();
  return next;
}

}  // namespace

std::optional<consumer_member> reconcile(const consumer_members& group,
                                         const consumer_member& member, int32_t target_epoch,
                                         const assignment& target,
                                         const std::optional<assignment>& reported) {
  switch (member.state) {
    case member_state::stable:
      if (member.epoch == target_epoch) return member;
      return next_step(group, member, member.epoch, target_epoch, target, reported);
    case member_state::unrevoked:
      // Everything given up: one epoch on, and if the target moved meanwhile there may be more to
      // give up in that epoch.
      if (still_has(reported, member.revoking)) return member;
      return next_step(group, member, member.epoch + 1, target_epoch, target, reported);
    case member_state::unreleased:
      return next_step(group, member, member.epoch, target_epoch, target, reported);
    case member_state::unknown:
      break;
  }
  if (!reported || !reported->empty()) return std::nullopt;
  return next_step(group, member, target_epoch, target_epoch, target, reported);
}

}  // namespace weir::kafka::membership
