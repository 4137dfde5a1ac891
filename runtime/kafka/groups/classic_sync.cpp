// SyncGroup, Heartbeat and LeaveGroup of the classic protocol, and what happens to silent members.
#include <algorithm>

#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

bool contradicts(const std::optional<std::string>& asked, const std::optional<std::string>& have) {
  return asked && have && *asked != *have;
}

}  // namespace

void group::impl::touch(const classic_member& m, int64_t now_ms) {
  timers.set(timer_kind::classic_session, m.id, now_ms + std::max(m.session_timeout_ms, 1));
}

void group::impl::finish_sync(classic_member& m, sync_group_response r, group_effects& out) {
  if (!m.waiting_sync) return;
  answer(*m.waiting_sync, std::move(r), out);
  m.waiting_sync.reset();
}

/// The record of the group; with these assignments, or with those that members have.
group_record group::impl::classic_record(
    const std::map<std::string, std::string>* assignments) const {
  const classic_group& g = *classic;
  group_metadata_value v;
  v.protocol_type = g.protocol_type.value_or("");
  v.generation = g.generation;
  v.protocol = g.protocol;
  v.leader = g.leader;
  v.current_state_timestamp = g.state_since_ms;
  if (g.protocol) {
    for (const auto& [id, m] : g.members) {
      const std::string* metadata = m.metadata(*g.protocol);
      if (metadata == nullptr) continue;
      auto& entry = v.members.emplace_back();
      entry.member_id = id;
      entry.group_instance_id = m.instance_id;
      entry.client_id = m.client_id;
      entry.client_host = m.client_host;
      entry.rebalance_timeout = m.rebalance_timeout_ms;
      entry.session_timeout = m.session_timeout_ms;
      entry.subscription = *metadata;
      if (assignments != nullptr) {
        const auto it = assignments->find(id);
        if (it != assignments->end()) entry.assignment = it->second;
      } else {
        entry.assignment = m.assignment;
      }
    }
  }
  return make_record(group_metadata_key{group_id}, v, group_metadata_version);
}

void group::impl::classic_sync(const group_call& call, const sync_group_request& q,
                               group_effects& out) {
  classic_group& g = *classic;
  sync_group_response r;
  r.error_code = g.validate(q.member_id, q.group_instance_id);
  if (r.error_code == error_code::none) {
    if (q.generation_id != g.generation) {
      r.error_code = error_code::illegal_generation;
    } else if (contradicts(q.protocol_type, g.protocol_type) ||
               contradicts(q.protocol_name, g.protocol)) {
      r.error_code = error_code::inconsistent_group_protocol;
    } else if (g.state == classic_state::preparing) {
      r.error_code = error_code::rebalance_in_progress;
    }
  }
  if (r.error_code != error_code::none) return reply(call, std::move(r), out);
  classic_member& m = *g.find(q.member_id);
  drop_pending_sync(m.id);
  if (g.state == classic_state::stable) {
    r.protocol_type = g.protocol_type;
    r.protocol_name = g.protocol;
    r.assignment = m.assignment;
    return reply(call, std::move(r), out);
  }
  if (m.waiting_sync) {
    sync_group_response old;
    old.error_code = error_code::rebalance_in_progress;
    finish_sync(m, std::move(old), out);
  }
  m.waiting_sync = call.token;
  if (g.is_leader(m.id)) leader_synced(q, call.now_ms, out);
}

void group::impl::leader_synced(const sync_group_request& q, int64_t, group_effects& out) {
  std::map<std::string, std::string> assignments;
  for (const auto& a : q.assignments) assignments[a.member_id] = a.assignment;
  classic->recorded = true;
  pending_write& w = append({classic_record(&assignments)}, out);
  w.done = [this, group = classic, generation = q.generation_id, given = std::move(assignments)](
               error_code e, int64_t now_ms, group_effects& o) {
    if (classic != group || group->state != classic_state::completing ||
        group->generation != generation)
      return;  // another rebalance began meanwhile
    if (e == error_code::none) {
      for (auto& [id, m] : group->members) {
        const auto it = given.find(id);
        m.assignment = it != given.end() ? it->second : std::string();
      }
    }
    propagate(e, now_ms, o);
    if (e == error_code::none) {
      group->move_to(classic_state::stable, now_ms);
    } else {
      prepare_rebalance(now_ms, o);
    }
  };
}

/// Answers all that wait for their assignment.
void group::impl::propagate(error_code e, int64_t now_ms, group_effects& out) {
  for (auto& [id, m] : classic->members) {
    if (!m.waiting_sync) continue;
    sync_group_response r;
    r.error_code = e;
    if (e == error_code::none) {
      r.protocol_type = classic->protocol_type;
      r.protocol_name = classic->protocol;
      r.assignment = m.assignment;
    }
    finish_sync(m, std::move(r), out);
    touch(m, now_ms);
  }
}

void group::impl::drop_pending_sync(const std::string& member_id) {
  classic->pending_syncs.erase(member_id);
  if (classic->pending_syncs.empty()) timers.cancel(timer_kind::classic_sync, {});
}

error_code group::impl::classic_heartbeat(const heartbeat_request& q, int64_t now_ms) {
  if (!classic) return error_code::unknown_member_id;
  const error_code e = classic->validate(q.member_id, q.group_instance_id);
  if (e != error_code::none) return e;
  if (q.generation_id != classic->generation) return error_code::illegal_generation;
  touch(*classic->find(q.member_id), now_ms);
  return classic->state == classic_state::preparing ? error_code::rebalance_in_progress
                                                    : error_code::none;
}

void group::impl::classic_leave(const group_call& call, const leave_group_request& q,
                                group_effects& out) {
  leave_group_response r;
  bool somebody_left = false;
  for (const auto& m : q.members) {
    auto& entry = r.members.emplace_back();
    entry.member_id = m.member_id;
    entry.group_instance_id = m.group_instance_id;
    entry.error_code = leave_one(m.member_id, m.group_instance_id, out);
    somebody_left = somebody_left || entry.error_code == error_code::none;
  }
  if (call.version < 3) {
    r.error_code = r.members.front().error_code;
    r.members.clear();
  }
  reply(call, std::move(r), out);
  if (!somebody_left) return;
  if (classic->state == classic_state::preparing) {
    maybe_complete_join(call.now_ms, out);
  } else if (classic->state != classic_state::empty) {
    prepare_rebalance(call.now_ms, out);
  }
}

/// Nobody waits on a group that is no more.
void group::impl::release_waiting(classic_group& gone, error_code e, group_effects& out) {
  for (auto& [id, m] : gone.members) {
    join_group_response join;
    join.error_code = e;
    join.member_id = id;
    join.protocol_name = "";
    finish_join(m, std::move(join), out);
    sync_group_response sync;
    sync.error_code = e;
    finish_sync(m, std::move(sync), out);
  }
}

error_code group::impl::leave_one(const std::string& member_id,
                                  const std::optional<std::string>& instance_id,
                                  group_effects& out) {
  if (!classic) return error_code::unknown_member_id;
  classic_group& g = *classic;
  std::string leaving = member_id;
  if (member_id.empty()) {  // an operator removes a static member by its instance
    const std::string* owner = instance_id ? g.instance_owner(*instance_id) : nullptr;
    if (owner == nullptr) return error_code::unknown_member_id;
    leaving = *owner;
  } else if (g.pending_joins.count(member_id) == 0) {
    const error_code e = g.validate(member_id, instance_id);
    if (e != error_code::none) return e;
  }
  timers.cancel(timer_kind::classic_session, leaving);
  if (classic_member* m = g.find(leaving)) {
    join_group_response gone;
    gone.error_code = error_code::unknown_member_id;
    gone.protocol_name = "";
    finish_join(*m, std::move(gone), out);
    sync_group_response gone_too;
    gone_too.error_code = error_code::unknown_member_id;
    finish_sync(*m, std::move(gone_too), out);
  }
  g.remove(leaving);
  return error_code::none;
}

void group::impl::expire_classic(const std::string& member_id, int64_t now_ms, group_effects& out) {
  if (!classic) return;
  classic_group& g = *classic;
  const classic_member* m = g.find(member_id);
  if (m == nullptr && g.pending_joins.count(member_id) == 0) return;
  if (m != nullptr && m->alive_by_waiting()) {
    touch(*m, now_ms);  // its answer will start the session anew
    return;
  }
  const bool pending = m == nullptr;
  (void)leave_one(member_id, m != nullptr ? m->instance_id : std::nullopt, out);
  if (g.state == classic_state::preparing) {
    // While the first rebalance waits for members, going is no reason to end the wait early.
    if (g.previous != classic_state::empty && g.all_joined()) complete_join(now_ms, out);
  } else if (!pending && g.state != classic_state::empty) {
    prepare_rebalance(now_ms, out);
  }
}

void group::impl::expire_syncs(int64_t now_ms, group_effects& out) {
  if (!classic || classic->pending_syncs.empty()) return;
  if (classic->state != classic_state::completing && classic->state != classic_state::stable)
    return;
  const std::set<std::string> late = classic->pending_syncs;
  for (const std::string& id : late) {
    timers.cancel(timer_kind::classic_session, id);
    classic->remove(id);
  }
  prepare_rebalance(now_ms, out);
}

}  // namespace weir::kafka
