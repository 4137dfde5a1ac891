// JoinGroup and the join phase of the classic protocol. Kafka's states and decisions
// (GroupMetadataManager.classicGroupJoin and what it calls).
#include "runtime/kafka/groups/group_impl.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/base/hex.hpp"

namespace weir::kafka {

namespace {

/// From this version on a new member is first told its id and then joins with it (KIP-394).
constexpr int16_t member_id_first_version = 4;
/// From this version on a leader can be told that it need not assign (KIP-814).
constexpr int16_t skip_assignment_version = 9;

/// How long a rebalance that nobody joined waits at least: clients choose the timeout, even 0.
constexpr int32_t join_retry_ms_min = 1'000;

/// As Java prints UUIDs: 8-4-4-4-12 hexadecimal digits.
std::string hyphenated(const uuid& u) {
  std::string out;
  for (size_t i = 0; i < u.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    const auto byte = static_cast<char>(u.bytes[i]);
    append_hex(out, {&byte, 1});
  }
  return out;
}

std::vector<classic_protocol> protocols_of(const join_group_request& q) {
  std::vector<classic_protocol> out;
  out.reserve(q.protocols.size());
  for (const auto& p : q.protocols) out.push_back({p.name, p.metadata});
  return out;
}

int32_t rebalance_timeout(const join_group_request& q) {
  return q.rebalance_timeout_ms < 0 ? q.session_timeout_ms : q.rebalance_timeout_ms;
}

}  // namespace

void group::impl::refuse_join(const group_call& call, const std::string& member_id, error_code e,
                              group_effects& out) {
  join_group_response r;
  r.error_code = e;
  r.member_id = member_id;
  r.protocol_name = "";
  reply(call, std::move(r), out);
}

void group::impl::set_waiting_join(classic_member& m, reply_token token, group_effects& out) {
  // A client that lost its connection joins again; whoever held the old request is told off.
  if (m.waiting_join) {
    join_group_response r;
    r.error_code = error_code::rebalance_in_progress;
    r.member_id = m.id;
    r.protocol_name = "";
    answer(*m.waiting_join, std::move(r), out);
  }
  m.waiting_join = token;
}

void group::impl::finish_join(classic_member& m, join_group_response r, group_effects& out) {
  if (!m.waiting_join) return;
  answer(*m.waiting_join, std::move(r), out);
  m.waiting_join.reset();
}

join_group_response group::impl::join_response(const classic_member& m, bool with_members) const {
  join_group_response r;
  r.member_id = m.id;
  r.generation_id = classic->generation;
  r.protocol_type = classic->protocol_type;
  r.protocol_name = classic->protocol.value_or("");
  r.leader = classic->leader.value_or("");
  if (with_members && classic->protocol) {
    for (const auto& [id, member] : classic->members) {
      auto& entry = r.members.emplace_back();
      entry.member_id = id;
      entry.group_instance_id = member.instance_id;
      if (const std::string* metadata = member.metadata(*classic->protocol))
        entry.metadata = *metadata;
    }
  }
  return r;
}

void group::impl::classic_join(const group_call& call, const join_group_request& q,
                               group_effects& out) {
  if (consumer) {  // an empty one: it gives way
    change c;
    tombstones(c);
    drop_membership(c);
    // Should this not be written, the new group's first record still takes the old one's place.
    append(std::move(c.records), out);
  }
  const bool unknown = q.member_id.empty();
  if (!unknown && !classic)
    return refuse_join(call, q.member_id, error_code::unknown_member_id, out);
  classic_group& g = classic_or_new(call.now_ms);
  const auto members_max = static_cast<size_t>(options.max_members);
  const classic_member* known = g.find(q.member_id);
  const bool full =
      g.state == classic_state::empty ? false
      : g.state == classic_state::preparing
          ? !(known != nullptr && known->waiting_join) && g.waiting_joins() >= members_max
          : known == nullptr && g.members.size() >= members_max;
  if (full || (unknown && g.pending_joins.size() >= members_max)) {
    g.remove(q.member_id);
    timers.cancel(timer_kind::classic_session, q.member_id);
    return refuse_join(call, "", error_code::group_max_size_reached, out);
  }
  if (!g.supports(q.protocol_type, protocols_of(q)))
    return refuse_join(call, q.member_id, error_code::inconsistent_group_protocol, out);
  if (unknown) {
    join_new(call, q, out);
  } else {
    join_known(call, q, out);
  }
}

void group::impl::join_new(const group_call& call, const join_group_request& q,
                           group_effects& out) {
  classic_group& g = *classic;
  const std::string& prefix =
      q.group_instance_id ? *q.group_instance_id : std::string(call.client_id);
  const std::string member_id = prefix + "-" + hyphenated(call.fresh_id);
  if (q.group_instance_id) {
    if (const std::string* old_id = g.instance_owner(*q.group_instance_id))
      return replace_static(call, q, std::string(*old_id), member_id, out);
    return add_and_rebalance(call, q, member_id, out);
  }
  if (call.version < member_id_first_version) return add_and_rebalance(call, q, member_id, out);
  g.pending_joins.insert(member_id);
  timers.set(timer_kind::classic_session, member_id, call.now_ms + q.session_timeout_ms);
  join_group_response r;
  r.error_code = error_code::member_id_required;
  r.member_id = member_id;
  r.protocol_name = "";
  if (g.recorded) return reply(call, std::move(r), out);
  // The group exists from now on.
  g.recorded = true;
  pending_write& w = append({classic_record(nullptr)}, out);
  w.done = [group = classic](error_code e, int64_t, group_effects&) {
    if (e != error_code::none) group->recorded = false;
  };
  w.replies.push_back({call.token, std::move(r)});
}

void group::impl::join_known(const group_call& call, const join_group_request& q,
                             group_effects& out) {
  classic_group& g = *classic;
  if (g.pending_joins.count(q.member_id) != 0) {
    if (q.group_instance_id)  // ids are handed out in advance to dynamic members only
      return refuse_join(call, q.member_id, error_code::unknown_member_id, out);
    return add_and_rebalance(call, q, q.member_id, out);
  }
  if (const error_code e = g.validate(q.member_id, q.group_instance_id); e != error_code::none)
    return refuse_join(call, q.member_id, e, out);
  classic_member& m = *g.find(q.member_id);
  const bool same = m.protocols == protocols_of(q);
  const bool leader = g.is_leader(m.id);
  switch (g.state) {
    case classic_state::preparing:
      return update_and_rebalance(call, q, m, out);
    case classic_state::completing:
      // The answer to an earlier join was lost.
      if (same) return reply(call, join_response(m, leader), out);
      return update_and_rebalance(call, q, m, out);
    case classic_state::stable:
      // A leader rejoins when topics changed: everything is assigned anew.
      if (leader || !same) return update_and_rebalance(call, q, m, out);
      return reply(call, join_response(m, false), out);
    case classic_state::empty:
      break;
  }
  refuse_join(call, q.member_id, error_code::unknown_member_id, out);
}

void group::impl::add_and_rebalance(const group_call& call, const join_group_request& q,
                                    const std::string& member_id, group_effects& out) {
  classic_group& g = *classic;
  classic_member m;
  m.id = member_id;
  m.instance_id = q.group_instance_id;
  m.client_id = call.client_id;
  m.client_host = call.client_host;
  m.rebalance_timeout_ms = rebalance_timeout(q);
  m.session_timeout_ms = q.session_timeout_ms;
  m.protocols = protocols_of(q);
  m.is_new = true;
  if (g.state == classic_state::preparing && g.previous == classic_state::empty)
    g.new_member_added = true;
  set_waiting_join(g.add(std::move(m), q.protocol_type), call.token, out);
  timers.set(timer_kind::classic_session, member_id,
             call.now_ms + options.new_member_join_timeout_ms);
  rebalance_or_complete(call.now_ms, out);
}

void group::impl::update_and_rebalance(const group_call& call, const join_group_request& q,
                                       classic_member& m, group_effects& out) {
  m.protocols = protocols_of(q);
  m.rebalance_timeout_ms = rebalance_timeout(q);
  m.session_timeout_ms = q.session_timeout_ms;
  set_waiting_join(m, call.token, out);
  rebalance_or_complete(call.now_ms, out);
}

void group::impl::replace_static(const group_call& call, const join_group_request& q,
                                 const std::string& old_id, const std::string& new_id,
                                 group_effects& out) {
  classic_group& g = *classic;
  const std::string old_leader = g.leader.value_or("");
  classic_member m = std::move(g.members.at(old_id));
  g.members.erase(old_id);
  join_group_response fenced_join;
  fenced_join.error_code = error_code::fenced_instance_id;
  fenced_join.member_id = old_id;
  fenced_join.protocol_name = "";
  finish_join(m, std::move(fenced_join), out);
  sync_group_response fenced_sync;
  fenced_sync.error_code = error_code::fenced_instance_id;
  finish_sync(m, std::move(fenced_sync), out);
  const classic_member before = m;
  m.id = new_id;
  m.is_new = false;
  m.protocols = protocols_of(q);
  m.rebalance_timeout_ms = rebalance_timeout(q);
  m.session_timeout_ms = q.session_timeout_ms;
  m.waiting_join = call.token;
  if (g.is_leader(old_id)) g.leader = new_id;
  g.instances[*m.instance_id] = new_id;
  if (g.pending_syncs.erase(old_id) != 0) g.pending_syncs.insert(new_id);
  timers.cancel(timer_kind::classic_session, old_id);
  classic_member& now = g.members.emplace(new_id, std::move(m)).first->second;
  touch(now, call.now_ms);
  if (g.state == classic_state::completing) return prepare_rebalance(call.now_ms, out);
  if (g.state != classic_state::stable) return maybe_complete_join(call.now_ms, out);
  if (g.select_protocol() != g.protocol) return rebalance_or_complete(call.now_ms, out);

  // Nothing changes but the id: the member goes on with its old assignment.
  const bool skip = call.version >= skip_assignment_version;
  pending_write& w = append({classic_record(nullptr)}, out);
  w.done = [this, group = classic, new_id, before, old_leader, skip](error_code e, int64_t now_ms,
                                                                     group_effects& o) {
    if (classic != group) return;
    classic_member* member = classic->find(new_id);
    if (member == nullptr || !member->waiting_join) return;
    if (group->state != classic_state::stable) return;  // it joins the rebalance that began
    if (e == error_code::none) {
      const bool leads = classic->is_leader(new_id);
      join_group_response r = join_response(*member, skip && leads);
      // Without "skip assignment" the new id must not learn that it leads: it would assign.
      if (!skip) r.leader = old_leader;
      r.skip_assignment = skip && leads;
      return finish_join(*member, std::move(r), o);
    }
    join_group_response r = join_response(*member, false);
    r.error_code = e;
    r.member_id = "";
    finish_join(*member, std::move(r), o);
    // Back to the old id, which the log still has.
    const bool led = classic->is_leader(new_id);
    timers.cancel(timer_kind::classic_session, new_id);
    classic->members.erase(new_id);
    classic_member& old = classic->members.emplace(before.id, before).first->second;
    classic->instances[*before.instance_id] = before.id;
    if (led) classic->leader = before.id;
    touch(old, now_ms);
  };
}

void group::impl::rebalance_or_complete(int64_t now_ms, group_effects& out) {
  if (classic->state == classic_state::preparing) {
    maybe_complete_join(now_ms, out);
  } else {
    prepare_rebalance(now_ms, out);
  }
}

void group::impl::prepare_rebalance(int64_t now_ms, group_effects& out) {
  classic_group& g = *classic;
  // Assignments stay as they are until the next ones: cooperative members still have theirs.
  if (g.state == classic_state::completing)
    propagate(error_code::rebalance_in_progress, now_ms, out);
  g.pending_syncs.clear();
  timers.cancel(timer_kind::classic_sync, {});
  const bool initial = g.state == classic_state::empty;
  g.move_to(classic_state::preparing, now_ms);
  if (initial) {
    g.new_member_added = false;
    initial_wait_end_ms = now_ms + g.rebalance_timeout_ms();
    if (options.initial_rebalance_delay_ms <= 0) return complete_join(now_ms, out);
    timers.set(timer_kind::classic_initial, {},
               std::min(now_ms + options.initial_rebalance_delay_ms, initial_wait_end_ms));
  } else if (g.all_joined()) {
    complete_join(now_ms, out);
  } else {
    timers.set(timer_kind::classic_join, {}, now_ms + g.rebalance_timeout_ms());
  }
}

/// As long as members keep coming the first rebalance waits on, up to their rebalance timeout.
void group::impl::initial_wait_over(int64_t now_ms, group_effects& out) {
  if (!classic || classic->state != classic_state::preparing) return;
  if (classic->new_member_added && now_ms < initial_wait_end_ms) {
    classic->new_member_added = false;
    timers.set(timer_kind::classic_initial, {},
               std::min(now_ms + options.initial_rebalance_delay_ms, initial_wait_end_ms));
    return;
  }
  complete_join(now_ms, out);
}

void group::impl::maybe_complete_join(int64_t now_ms, group_effects& out) {
  const classic_group& g = *classic;
  if (g.state != classic_state::preparing || g.previous == classic_state::empty) return;
  if (g.all_joined()) complete_join(now_ms, out);
}

void group::impl::complete_join(int64_t now_ms, group_effects& out) {
  if (!classic || classic->state != classic_state::preparing) return;
  classic_group& g = *classic;
  timers.cancel(timer_kind::classic_join, {});
  timers.cancel(timer_kind::classic_initial, {});
  // Static members keep their place until their session ends; the others were too slow.
  std::vector<std::string> late;
  for (const auto& [id, m] : g.members)
    if (!m.waiting_join && !m.instance_id) late.push_back(id);
  for (const std::string& id : late) {
    g.remove(id);
    timers.cancel(timer_kind::classic_session, id);
  }
  if (!g.elect_joined_leader() && !g.members.empty()) {
    timers.set(timer_kind::classic_join, {},
               now_ms + std::max(g.rebalance_timeout_ms(), join_retry_ms_min));
    return;
  }
  g.next_generation(now_ms);
  if (g.state == classic_state::empty) {
    g.recorded = true;
    append({classic_record(nullptr)}, out);
    return;
  }
  for (auto& [id, m] : g.members) {
    finish_join(m, join_response(m, g.is_leader(id)), out);
    touch(m, now_ms);
    m.is_new = false;
    g.pending_syncs.insert(id);
  }
  timers.set(timer_kind::classic_sync, {}, now_ms + g.rebalance_timeout_ms());
}

}  // namespace weir::kafka
