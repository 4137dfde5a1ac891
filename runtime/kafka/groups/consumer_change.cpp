// Changes to the members of a consumer group. Each changes memory at once and notes the record to
// write and the way back; the target assignment is made anew whenever the group's epoch rose.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

template <class TopicPartition>
std::vector<TopicPartition> to_list(const assignment& a) {
  std::vector<TopicPartition> out;
  for (const auto& [topic, partitions] : a) {
    auto& entry = out.emplace_back();
    entry.topic_id = topic;
    entry.partitions = partitions;
  }
  return out;
}

consumer_group_member_metadata_value metadata_value(const consumer_member& m) {
  consumer_group_member_metadata_value v;
  v.instance_id = m.instance_id;
  v.rack_id = m.rack_id;
  v.client_id = m.client_id;
  v.client_host = m.client_host;
  v.subscribed_topic_names = m.topics;
  if (!m.regex.empty()) v.subscribed_topic_regex = m.regex;
  v.rebalance_timeout_ms = m.rebalance_timeout_ms;
  v.server_assignor = m.assignor;
  if (m.classic) {
    auto& c = v.classic_member_metadata.emplace();
    c.session_timeout_ms = m.classic->session_timeout_ms;
    for (const auto& p : m.classic->protocols)
      c.supported_protocols.push_back({p.name, p.metadata});
  }
  return v;
}

consumer_group_current_member_assignment_value current_value(const consumer_member& m) {
  using value = consumer_group_current_member_assignment_value;
  value v;
  v.member_epoch = m.epoch;
  v.previous_member_epoch = m.previous_epoch;
  v.state = static_cast<int8_t>(m.state);
  v.assigned_partitions = to_list<value::topic_partition>(m.assigned);
  v.partitions_pending_revocation = to_list<value::topic_partition>(m.revoking);
  return v;
}

bool same_assignment(const consumer_member& a, const consumer_member& b) {
  return a.epoch == b.epoch && a.previous_epoch == b.previous_epoch && a.state == b.state &&
         a.assigned == b.assigned && a.revoking == b.revoking;
}

/// Mixes a value into a running hash (splitmix64's finaliser).
uint64_t mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15 + (h << 6) + (h >> 2);
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
  h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
  return h ^ (h >> 31);
}

uint64_t half(const uuid& u, size_t at) {
  uint64_t v = 0;
  for (size_t i = 0; i < sizeof(v); ++i) v = v << 8 | u.bytes[at + i];
  return v;
}

}  // namespace

void group::impl::put_member(consumer_member m, bool metadata, bool current, change& c) {
  if (metadata)
    c.records.push_back(make_record(consumer_group_member_metadata_key{group_id, m.id},
                                    metadata_value(m), consumer_record_version));
  if (current)
    c.records.push_back(make_record(consumer_group_current_member_assignment_key{group_id, m.id},
                                    current_value(m), consumer_record_version));
  auto now = std::make_shared<const consumer_member>(std::move(m));
  member_ptr before = consumer->put(now);
  c.undo.push_back([where = consumer, member_id = now->id, before = std::move(before)] {
    if (before) {
      where->put(before);
    } else {
      where->erase(member_id);
    }
  });
}

void group::impl::erase_member(const std::string& member_id, change& c) {
  c.records.push_back(
      make_tombstone(consumer_group_current_member_assignment_key{group_id, member_id}));
  c.records.push_back(
      make_tombstone(consumer_group_target_assignment_member_key{group_id, member_id}));
  c.records.push_back(make_tombstone(consumer_group_member_metadata_key{group_id, member_id}));
  assignment_ptr target = consumer->put_target(member_id, nullptr);
  member_ptr before = consumer->erase(member_id);
  c.undo.push_back(
      [where = consumer, member_id, target = std::move(target), before = std::move(before)] {
        if (before) where->put(before);
        where->put_target(member_id, target);
      });
}

void group::impl::put_target(const std::string& member_id, assignment target, change& c) {
  consumer_group_target_assignment_member_value v;
  v.topic_partitions =
      to_list<consumer_group_target_assignment_member_value::topic_partition>(target);
  c.records.push_back(make_record(consumer_group_target_assignment_member_key{group_id, member_id},
                                  v, consumer_record_version));
  assignment_ptr before =
      consumer->put_target(member_id, std::make_shared<const assignment>(std::move(target)));
  c.undo.push_back([where = consumer, member_id, before = std::move(before)] {
    where->put_target(member_id, before);
  });
}

void group::impl::bump_epoch(change& c) {
  c.undo.push_back([this, where = consumer, epoch = consumer->epoch, hash = consumer->topics_hash] {
    where->epoch = epoch;
    where->topics_hash = hash;
    topics_stale = true;
  });
  ++consumer->epoch;
  consumer->topics_hash = hash_topics();
  topics_stale = false;
  record_epoch(c);
}

void group::impl::record_epoch(change& c) {
  consumer_group_metadata_value v;
  v.epoch = consumer->epoch;
  v.metadata_hash = static_cast<int64_t>(consumer->topics_hash);
  c.records.push_back(
      make_record(consumer_group_metadata_key{group_id}, v, consumer_record_version));
}

void group::impl::set_target_epoch(change& c) {
  c.undo.push_back(
      [where = consumer, epoch = consumer->target_epoch] { where->target_epoch = epoch; });
  consumer->target_epoch = consumer->epoch;
  c.records.push_back(
      make_record(consumer_group_target_assignment_metadata_key{group_id},
                  consumer_group_target_assignment_metadata_value{consumer->target_epoch},
                  consumer_record_version));
}

std::vector<uuid> group::impl::topics_of(const consumer_member& m) {
  std::vector<uuid> ids;
  for (const std::string& name : m.topics)
    if (const auto facts = topics->find(std::string_view(name))) ids.push_back(facts->id);
  if (!m.regex.empty()) {
    const auto& matched = regexes.matches(m.regex, *topics);
    ids.insert(ids.end(), matched.begin(), matched.end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

/// Changes whenever a subscribed topic appears, goes, or gets more partitions. Never 0.
uint64_t group::impl::hash_topics() {
  std::set<uuid> all;
  for (const auto& [member_id, m] : consumer->all())
    for (const uuid& topic : topics_of(*m)) all.insert(topic);
  uint64_t h = 1;
  for (const uuid& topic : all) {
    const auto facts = topics->find(topic);
    h = mix(h, half(topic, 0));
    h = mix(h, half(topic, sizeof(uint64_t)));
    h = mix(h, facts ? static_cast<uint64_t>(facts->partitions) : 0);
  }
  return h == 0 ? 1 : h;
}

void group::impl::update_membership(const consumer_member& before, const consumer_member& after,
                                    change& c) {
  const bool fresh = consumer->find(after.id) == nullptr;
  bool changed = fresh || before.topics != after.topics || before.regex != after.regex;
  if (fresh || !after.same_metadata(before)) put_member(after, true, false, c);
  if (!changed && topics_stale) {
    changed = hash_topics() != consumer->topics_hash;
    topics_stale = false;
  }
  if (changed) bump_epoch(c);
  if (consumer->epoch > consumer->target_epoch) assign_all(c);
}

void group::impl::assign_all(change& c) {
  std::map<std::string, size_t> votes;
  std::vector<assignor_member> members;
  assignor_topics partitions;
  members.reserve(consumer->size());
  for (const auto& [member_id, m] : consumer->all()) {
    if (m->assignor) ++votes[*m->assignor];
    auto& entry = members.emplace_back();
    entry.id = m->id;
    if (m->instance_id) entry.instance_id = *m->instance_id;
    entry.topics = topics_of(*m);
    entry.current = &consumer->target(member_id);
    for (const uuid& topic : entry.topics)
      if (const auto facts = topics->find(topic)) partitions[topic] = facts->partitions;
  }
  const auto next =
      assign(parse_assignor(assignor_name()).value_or(assignor::uniform), members, partitions);
  size_t i = 0;
  std::vector<std::string> ids;
  for (const auto& [member_id, m] : consumer->all()) ids.push_back(member_id);
  for (const std::string& member_id : ids) {
    const assignment& target = next[i++];
    if (target != consumer->target(member_id) || consumer->targets().count(member_id) == 0)
      put_target(member_id, target, c);
  }
  set_target_epoch(c);
}

/// What most members ask for, else the default.
std::string group::impl::assignor_name() const {
  std::map<std::string, size_t> votes;
  for (const auto& [member_id, m] : consumer->all())
    if (m->assignor) ++votes[*m->assignor];
  if (votes.empty()) return options.default_assignor;
  return std::max_element(votes.begin(), votes.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

refusal group::impl::step_member(consumer_member& m, const std::optional<assignment>& owned,
                                 int64_t now_ms, change& c) {
  if (m.current(consumer->target_epoch)) return {};
  auto next = reconcile(*consumer, m, consumer->target_epoch, consumer->target(m.id), owned);
  if (!next)
    return {error_code::fenced_member_epoch,
            "The member is in an unknown state. It must abandon all its partitions and rejoin."};
  if (same_assignment(*next, m)) return {};
  m = std::move(*next);
  put_member(m, false, true, c);
  if (!m.classic) {
    if (m.state == member_state::unrevoked) {
      timers.set(timer_kind::rebalance, m.id, now_ms + m.rebalance_timeout_ms);
    } else {
      timers.cancel(timer_kind::rebalance, m.id);
    }
  }
  return {};
}

void group::impl::session(const consumer_member& m, int64_t now_ms) {
  timers.set(
      timer_kind::session, m.id,
      now_ms + (m.classic ? m.classic->session_timeout_ms : options.consumer_session_timeout_ms));
}

void group::impl::cancel_member_timers(const std::string& member_id) {
  for (const timer_kind kind :
       {timer_kind::session, timer_kind::rebalance, timer_kind::mixed_join, timer_kind::mixed_sync})
    timers.cancel(kind, member_id);
}

/// After loading, or when changes were taken back: every member gets its time anew.
void group::impl::reset_timers(int64_t now_ms) {
  for (const timer_kind kind :
       {timer_kind::session, timer_kind::rebalance, timer_kind::mixed_join, timer_kind::mixed_sync})
    timers.cancel_all(kind);
  if (consumer) {
    for (const auto& [member_id, m] : consumer->all()) {
      session(*m, now_ms);
      if (m->state == member_state::unrevoked && !m->classic)
        timers.set(timer_kind::rebalance, member_id, now_ms + m->rebalance_timeout_ms);
    }
  }
  if (classic) {
    const int64_t phase_end = now_ms + classic->rebalance_timeout_ms();
    for (const auto& [member_id, m] : classic->members) touch(m, now_ms);
    for (const std::string& member_id : classic->pending_joins)
      timers.set_if_absent(timer_kind::classic_session, member_id, phase_end);
    if (classic->state == classic_state::preparing) {
      timers.set_if_absent(classic->previous == classic_state::empty ? timer_kind::classic_initial
                                                                     : timer_kind::classic_join,
                           {}, phase_end);
    } else if (!classic->pending_syncs.empty()) {
      timers.set_if_absent(timer_kind::classic_sync, {}, phase_end);
    }
  }
}

}  // namespace weir::kafka
