// Members of the classic protocol in a consumer group, while its members move from one to the other
// (KIP-848, "online upgrade"). Each of their rebalances is one step of the member's reconciliation:
// the member epoch serves as generation, and the heartbeat says when to join again.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/consumer_protocol.hpp"
#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

constexpr int16_t member_id_first_version = 4;  // KIP-394

}  // namespace

void group::impl::mixed_join(const group_call& call, const join_group_request& q,
                             group_effects& out) {
  const bool unknown = q.member_id.empty();
  const std::string member_id = unknown ? call.fresh_id.to_string() : q.member_id;
  if (consumer->size() >= static_cast<size_t>(options.max_members) && !consumer->find(member_id))
    return refuse_join(call, "", error_code::group_max_size_reached, out);
  const bool supported = q.protocol_type == consumer_protocol_type &&
                         std::any_of(q.protocols.begin(), q.protocols.end(), [&](const auto& p) {
                           return consumer->supporters(p.name) == consumer->classic_count();
                         });
  const auto subscription =
      q.protocols.empty() ? std::nullopt : parse_subscription(q.protocols.front().metadata);
  if (!supported || !subscription)
    return refuse_join(call, q.member_id, error_code::inconsistent_group_protocol, out);
  if (unknown && !q.group_instance_id && call.version >= member_id_first_version)
    return refuse_join(call, member_id, error_code::member_id_required, out);

  // Ids that were given out in advance are not kept, so an unknown one may join. But who thinks
  // that he owns partitions was a member and has been put out: others may have them by now.
  const assignment owned = to_assignment(subscription->owned_partitions, *topics);
  if (!q.group_instance_id && !owned.empty() && !consumer->find(member_id))
    return refuse_join(call, q.member_id, error_code::unknown_member_id, out);

  change c;
  const member_ptr held = consumer->find_instance(q.group_instance_id);
  consumer_member before;
  const who caller{member_id, q.group_instance_id, 0, unknown || !q.group_instance_id, true};
  if (const refusal no = resolve(caller, std::nullopt, c, before)) {
    c.take_back();
    return refuse_join(call, q.member_id, no.code, out);
  }
  consumer_member after = before;
  if (q.group_instance_id) after.instance_id = q.group_instance_id;
  if (subscription->rack_id) after.rack_id = subscription->rack_id;
  after.rebalance_timeout_ms =
      q.rebalance_timeout_ms < 0 ? q.session_timeout_ms : q.rebalance_timeout_ms;
  after.topics = subscription->topics;
  std::sort(after.topics.begin(), after.topics.end());
  after.topics.erase(std::unique(after.topics.begin(), after.topics.end()), after.topics.end());
  after.regex.clear();
  after.client_id = call.client_id;
  after.client_host = call.client_host;
  auto& facts = after.classic.emplace();
  facts.session_timeout_ms = q.session_timeout_ms;
  for (const auto& p : q.protocols) facts.protocols.push_back({p.name, p.metadata});
  update_membership(before, after, c);
  if (const refusal no = step_member(after, owned, call.now_ms, c)) {
    c.take_back();
    return refuse_join(call, q.member_id, no.code, out);
  }
  cancel_member_timers(member_id);
  session(after, call.now_ms);
  timers.set(timer_kind::mixed_sync, member_id, call.now_ms + after.rebalance_timeout_ms);

  join_group_response r;
  r.member_id = member_id;
  r.generation_id = after.epoch;
  r.protocol_type = consumer_protocol_type;
  r.protocol_name = after.classic->protocols.front().name;
  // The last member of the new protocol came back with the old one.
  if (held && held->id != member_id && !held->classic &&
      consumer->classic_count() == consumer->size() && options.online_downgrade)
    downgrade(call.now_ms, {}, true, c, out);
  commit(std::move(c), group_reply{call.token, std::move(r)}, out);
}

member_ptr group::impl::mixed_member(const std::string& member_id,
                                     const std::optional<std::string>& instance_id,
                                     bool by_instance, error_code& e) const {
  const member_ptr m =
      instance_id ? consumer->find_instance(instance_id) : consumer->find(member_id);
  if (m && instance_id && m->id != member_id && !(by_instance && member_id.empty())) {
    e = error_code::fenced_instance_id;
  } else if (!m || !m->classic) {
    e = error_code::unknown_member_id;
  } else {
    e = error_code::none;
  }
  return m;
}

void group::impl::mixed_sync(const group_call& call, const sync_group_request& q,
                             group_effects& out) {
  sync_group_response r;
  const member_ptr m = mixed_member(q.member_id, q.group_instance_id, false, r.error_code);
  if (r.error_code == error_code::none) {
    const std::string& protocol = m->classic->protocols.front().name;
    if (m->epoch != q.generation_id) {
      r.error_code = error_code::illegal_generation;
    } else if ((q.protocol_type && *q.protocol_type != consumer_protocol_type) ||
               (q.protocol_name && *q.protocol_name != protocol)) {
      r.error_code = error_code::inconsistent_group_protocol;
    } else if (consumer->epoch > m->epoch && m->state != member_state::unrevoked) {
      timers.set_if_absent(timer_kind::mixed_join, m->id, call.now_ms + m->rebalance_timeout_ms);
      r.error_code = error_code::rebalance_in_progress;
    }
  }
  if (r.error_code != error_code::none) return reply(call, std::move(r), out);
  timers.cancel(timer_kind::mixed_sync, m->id);
  session(*m, call.now_ms);
  const auto& chosen = m->classic->protocols.front();
  r.protocol_type = q.protocol_type;
  r.protocol_name = q.protocol_name;
  r.assignment =
      serialize_assignment(m->assigned, *topics, blob_version(chosen.metadata).value_or(0));
  commit(change{}, group_reply{call.token, std::move(r)}, out);
}

error_code group::impl::mixed_heartbeat(const heartbeat_request& q, int64_t now_ms) {
  error_code e = error_code::none;
  const member_ptr m = mixed_member(q.member_id, q.group_instance_id, false, e);
  if (e != error_code::none) return e;
  if (m->epoch != q.generation_id) return error_code::illegal_generation;
  session(*m, now_ms);
  const bool join = m->epoch < consumer->epoch || m->state == member_state::unrevoked ||
                    (m->state == member_state::unreleased && !consumer->waits_for_others(*m));
  if (!join) return error_code::none;
  timers.set_if_absent(timer_kind::mixed_join, m->id, now_ms + m->rebalance_timeout_ms);
  return error_code::rebalance_in_progress;
}

void group::impl::mixed_leave(const group_call& call, const leave_group_request& q,
                              group_effects& out) {
  change c;
  leave_group_response r;
  for (const auto& leaving : q.members) {
    auto& entry = r.members.emplace_back();
    entry.member_id = leaving.member_id;
    entry.group_instance_id = leaving.group_instance_id;
    const member_ptr m =
        mixed_member(leaving.member_id, leaving.group_instance_id, true, entry.error_code);
    if (entry.error_code != error_code::none) continue;
    entry.member_id = m->id;
    cancel_member_timers(m->id);
    erase_member(m->id, c);
  }
  if (!c.records.empty()) bump_epoch(c);
  if (call.version < 3) {
    r.error_code = r.members.front().error_code;
    r.members.clear();
  }
  commit(std::move(c), group_reply{call.token, std::move(r)}, out);
}

}  // namespace weir::kafka
