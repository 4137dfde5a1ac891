// A classic group becomes a consumer group when its first KIP-848 member joins, and a classic one
// again when the last of them leaves. In both directions members keep what they own.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/consumer_protocol.hpp"
#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

/// In the middle of a rebalance a cooperative member may have more than its last assignment says:
/// it told so when it joined.
void claim_reported(consumer_members& to, assignment& claimed, const topic_view& topics) {
  const auto members = to.all();
  for (const auto& [member_id, m] : members) {
    const auto subscription = parse_subscription(m->classic->protocols.front().metadata);
    if (!subscription) continue;
    const assignment more =
        difference(to_assignment(subscription->owned_partitions, topics), claimed);
    if (more.empty()) continue;
    claimed = united(claimed, more);
    consumer_member next = *m;
    next.assigned = united(m->assigned, more);
    to.put_target(member_id, std::make_shared<const assignment>(next.assigned));
    to.put(std::make_shared<const consumer_member>(std::move(next)));
  }
}

}  // namespace

/// Tombstones for all records of the membership, in the order that Kafka expects on replay.
void group::impl::tombstones(change& c) {
  if (classic && classic->recorded)
    c.records.push_back(make_tombstone(group_metadata_key{group_id}));
  if (!consumer) return;
  for (const auto& [member_id, m] : consumer->all())
    c.records.push_back(
        make_tombstone(consumer_group_current_member_assignment_key{group_id, member_id}));
  for (const auto& [member_id, m] : consumer->all())
    c.records.push_back(
        make_tombstone(consumer_group_target_assignment_member_key{group_id, member_id}));
  c.records.push_back(make_tombstone(consumer_group_target_assignment_metadata_key{group_id}));
  for (const auto& [member_id, m] : consumer->all())
    c.records.push_back(make_tombstone(consumer_group_member_metadata_key{group_id, member_id}));
  c.records.push_back(make_tombstone(consumer_group_metadata_key{group_id}));
}

refusal group::impl::upgrade(int64_t now_ms, change& c, group_effects& out) {
  classic_group& from = *classic;
  const refusal no{error_code::group_id_not_found,
                   "Group " + group_id + " is not a consumer group."};
  if (!options.online_upgrade || !from.uses_consumer_protocol()) return no;
  const bool chosen =
      from.protocol && std::all_of(from.members.begin(), from.members.end(), [&](const auto& m) {
        return m.second.metadata(*from.protocol) != nullptr;
      });
  const std::string protocol = chosen ? *from.protocol : from.select_protocol();
  auto to = std::make_shared<consumer_members>();
  to->epoch = to->target_epoch = from.generation;
  const refusal malformed{error_code::group_id_not_found,
                          "Cannot upgrade the classic group " + group_id +
                              " to consumer group because the embedded consumer protocol is "
                              "malformed."};
  assignment claimed;
  for (const auto& [member_id, old] : from.members) {
    const auto subscription = parse_subscription(*old.metadata(protocol));
    const auto assigned =
        old.assignment.empty() ? consumer_protocol_assignment{} : parse_assignment(old.assignment);
    if (!subscription || !assigned) return malformed;
    consumer_member m;
    m.id = member_id;
    m.instance_id = old.instance_id;
    m.rack_id = subscription->rack_id;
    m.client_id = old.client_id;
    m.client_host = old.client_host;
    m.rebalance_timeout_ms = old.rebalance_timeout_ms;
    m.topics = subscription->topics;
    std::sort(m.topics.begin(), m.topics.end());
    m.epoch = m.previous_epoch = from.generation;
    m.assigned = difference(to_assignment(assigned->assigned_partitions, *topics), claimed);
    claimed = united(claimed, m.assigned);
    auto& facts = m.classic.emplace();
    facts.session_timeout_ms = old.session_timeout_ms;
    // The chosen protocol in front: it is what the member's joins are read by.
    facts.protocols.push_back({protocol, *old.metadata(protocol)});
    for (const auto& p : old.protocols)
      if (p.name != protocol) facts.protocols.push_back(p);
    to->put_target(member_id, std::make_shared<const assignment>(m.assigned));
    to->put(std::make_shared<const consumer_member>(std::move(m)));
  }
  if (from.state != classic_state::stable) claim_reported(*to, claimed, *topics);
  release_waiting(from, error_code::rebalance_in_progress, out);
  make_consumer(c);
  consumer = to;
  // All of it is recorded; memory is as it should be already.
  for (const auto& [member_id, m] : to->all()) put_member(*m, true, false, c);
  record_epoch(c);
  for (const auto& [member_id, m] : to->all()) put_target(member_id, to->target(member_id), c);
  consumer_group_target_assignment_metadata_value target_epoch;
  target_epoch.assignment_epoch = to->target_epoch;
  c.records.push_back(make_record(consumer_group_target_assignment_metadata_key{group_id},
                                  target_epoch, consumer_record_version));
  for (const auto& [member_id, m] : to->all()) {
    put_member(*m, false, true, c);
    session(*m, now_ms);
  }
  return {};
}

bool group::impl::may_downgrade(const std::string& without) const {
  if (!options.online_downgrade || consumer->size() < 2 || !consumer->all_classic_but(without))
    return false;
  for (const auto& [member_id, m] : consumer->all()) {
    if (!m->classic) continue;
    const auto& list = m->classic->protocols;
    return std::any_of(list.begin(), list.end(), [&](const classic_protocol& p) {
      return consumer->supporters(p.name) == consumer->classic_count();
    });
  }
  return false;
}

void group::impl::downgrade(int64_t now_ms, const std::string& without, bool keep_going, change& c,
                            group_effects& out) {
  auto to = std::make_shared<classic_group>();
  to->generation = consumer->epoch;
  // Who is still on the way to its target must not meet others that are there already.
  for (const auto& [member_id, m] : consumer->all())
    keep_going = keep_going && (member_id == without || m->current(consumer->epoch));
  to->recorded = true;
  for (const auto& [member_id, old] : consumer->all()) {
    if (member_id == without) continue;
    weir_assert(old->classic.has_value(), "only classic members are left");
    classic_member m;
    m.id = member_id;
    m.instance_id = old->instance_id;
    m.client_id = old->client_id;
    m.client_host = old->client_host;
    m.rebalance_timeout_ms = old->rebalance_timeout_ms;
    m.session_timeout_ms = old->classic->session_timeout_ms;
    m.protocols = old->classic->protocols;
    to->add(std::move(m), consumer_protocol_type);
  }
  to->protocol = to->select_protocol();
  for (auto& [member_id, m] : to->members) {
    const auto version = blob_version(*m.metadata(*to->protocol)).value_or(0);
    const member_ptr old = consumer->find(member_id);
    m.assignment = serialize_assignment(united(old->assigned, old->revoking), *topics, version);
  }
  to->move_to(classic_state::stable, now_ms);
  to->update_subscribed();
  tombstones(c);
  drop_membership(c);
  classic = to;
  for (const timer_kind kind :
       {timer_kind::session, timer_kind::rebalance, timer_kind::mixed_join, timer_kind::mixed_sync})
    timers.cancel_all(kind);
  c.records.push_back(classic_record(nullptr));
  for (const auto& [member_id, m] : to->members) touch(m, now_ms);
  if (!keep_going) prepare_rebalance(now_ms, out);
}

}  // namespace weir::kafka
