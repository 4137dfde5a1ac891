// ConsumerGroupHeartbeat (KIP-848): members join, keep their session, take over and give up
// partitions, and leave. Kafka's rules (GroupMetadataManager.consumerGroupHeartbeat).
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

/// From this version on clients choose their member id.
constexpr int16_t own_member_id_version = 1;

bool blank(const std::optional<std::string>& s) {
  return s && s->find_first_not_of(" \t\r\n") == std::string::npos;
}

refusal invalid(std::string message) {
  return {error_code::invalid_request, std::move(message)};
}

std::optional<assignment> owned_of(const consumer_group_heartbeat_request& q) {
  if (!q.topic_partitions) return std::nullopt;
  assignment a;
  for (const auto& t : *q.topic_partitions) {
    auto& mine = a[t.topic_id];
    mine.insert(mine.end(), t.partitions.begin(), t.partitions.end());
  }
  normalize(a);
  return a;
}

void apply(const consumer_group_heartbeat_request& q, const group_call& call, consumer_member& m) {
  if (q.instance_id) m.instance_id = q.instance_id;
  if (q.rack_id) m.rack_id = q.rack_id;
  if (q.rebalance_timeout_ms != -1) m.rebalance_timeout_ms = q.rebalance_timeout_ms;
  if (q.server_assignor) m.assignor = q.server_assignor;
  if (q.subscribed_topic_names) {
    m.topics = *q.subscribed_topic_names;
    std::sort(m.topics.begin(), m.topics.end());
    m.topics.erase(std::unique(m.topics.begin(), m.topics.end()), m.topics.end());
  }
  if (q.subscribed_topic_regex) m.regex = *q.subscribed_topic_regex;
  m.client_id = call.client_id;
  m.client_host = call.client_host;
  m.classic.reset();
}

}  // namespace

refusal group::impl::check(const consumer_group_heartbeat_request& q, int16_t version) const {
  if (!options.consumer_protocol)
    return {error_code::unsupported_version, "The consumer group protocol is not enabled."};
  if (q.group_id.empty()) return invalid("GroupId can't be empty.");
  if (blank(q.instance_id)) return invalid("InstanceId can't be empty.");
  if (blank(q.rack_id)) return invalid("RackId can't be empty.");
  const bool leaving = q.member_epoch == leave_epoch || q.member_epoch == static_leave_epoch;
  if ((version >= own_member_id_version || q.member_epoch > 0 || leaving) && blank(q.member_id))
    return invalid("MemberId can't be empty.");
  if (q.member_epoch < static_leave_epoch) return invalid("MemberEpoch is invalid.");
  if (q.member_epoch == static_leave_epoch && !q.instance_id)
    return invalid("InstanceId can't be null.");
  if (q.member_epoch == 0) {
    if (q.rebalance_timeout_ms == -1)
      return invalid("RebalanceTimeoutMs must be provided in first request.");
    if (!q.topic_partitions || !q.topic_partitions->empty())
      return invalid("TopicPartitions must be empty when (re-)joining.");
    if (!q.subscribed_topic_names && !q.subscribed_topic_regex)
      return invalid(
          "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
          "(re-)joining.");
  }
  if (q.server_assignor && !parse_assignor(*q.server_assignor))
    return {error_code::unsupported_assignor,
            "ServerAssignor " + *q.server_assignor +
                " is not supported. Supported assignors: uniform, range."};
  if (q.subscribed_topic_regex && !q.subscribed_topic_regex->empty()) {
    if (const auto problem = regex_problem(*q.subscribed_topic_regex))
      return {error_code::invalid_regular_expression,
              "SubscribedTopicRegex `" + *q.subscribed_topic_regex +
                  "` is not a valid regular expression: " + *problem + "."};
  }
  return {};
}

void group::impl::refuse_beat(const group_call& call, const refusal& no, group_effects& out) {
  consumer_group_heartbeat_response r;
  r.error_code = no.code;
  r.error_message = no.message;
  reply(call, std::move(r), out);
}

refusal group::impl::check_epoch(const consumer_member& m, int32_t epoch,
                                 const std::optional<assignment>& owned) const {
  const auto fenced = [&](const char* than) {
    return refusal{error_code::fenced_member_epoch,
                   std::string("The consumer group member has a ") + than + " member epoch (" +
                       std::to_string(epoch) + ") than the one known by the group coordinator (" +
                       std::to_string(m.epoch) +
                       "). The member must abandon all its partitions and rejoin."};
  };
  if (epoch > m.epoch) return fenced("greater");
  if (epoch == m.epoch) return {};
  // A member that (re)joins has nothing; what is its own anyway it gets (again).
  if (epoch == 0) return {};
  // The answer with the new epoch was lost, and the member is not ahead of what it was told.
  if (epoch == m.previous_epoch && owned && is_subset(*owned, m.assigned)) return {};
  return fenced("smaller");
}

refusal group::impl::resolve(const who& w, const std::optional<assignment>& owned, change& c,
                             consumer_member& out) {
  const auto existing = [&](const consumer_member& m) -> refusal {
    out = m;
    if (m.epoch == static_leave_epoch && w.create) {  // back again under its old id
      out.epoch = out.previous_epoch = 0;
      put_member(out, false, true, c);
      return {};
    }
    return w.classic ? refusal{} : check_epoch(m, w.epoch, owned);
  };
  const member_ptr known = consumer->find(w.member_id);
  if (!w.instance_id) {
    if (known) return existing(*known);
    if (!w.create)
      return {error_code::unknown_member_id,
              "Member " + w.member_id + " is not a member of group " + group_id + "."};
    out = consumer_member{};
    out.id = w.member_id;
    return {};
  }
  const member_ptr holder = consumer->find_instance(w.instance_id);
  if (holder && holder->id == w.member_id) return existing(*holder);
  if (!w.create) {
    if (!holder)
      return {error_code::unknown_member_id, "Instance id " + *w.instance_id + " is unknown."};
    return {error_code::fenced_instance_id, "Static member " + w.member_id + " with instance id " +
                                                *w.instance_id + " was fenced by member " +
                                                holder->id + "."};
  }
  if (!holder) {
    if (known) return existing(*known);
    out = consumer_member{};
    out.id = w.member_id;
    return {};
  }
  if (!w.classic && !holder->classic && holder->epoch != static_leave_epoch)
    return {error_code::unreleased_instance_id,
            "Static member " + w.member_id + " with instance id " + *w.instance_id +
                " cannot join the group because the instance id is owned by " + holder->id +
                " member."};
  // Same instance, new id: it takes over everything, and no rebalance follows.
  out = *holder;
  out.id = w.member_id;
  out.epoch = 0;
  out.previous_epoch = 0;
  assignment target = consumer->target(holder->id);
  cancel_member_timers(holder->id);
  erase_member(holder->id, c);
  put_member(out, true, true, c);
  put_target(out.id, std::move(target), c);
  return {};
}

void group::impl::make_consumer(change& c) {
  if (classic && classic->recorded) tombstones(c);
  drop_membership(c);
  consumer = std::make_shared<consumer_members>();
  for (const timer_kind kind : {timer_kind::classic_session, timer_kind::classic_initial,
                                timer_kind::classic_join, timer_kind::classic_sync})
    timers.cancel_all(kind);
}

void group::impl::consumer_join_or_beat(const group_call& call,
                                        const consumer_group_heartbeat_request& q,
                                        group_effects& out) {
  change c;
  const bool create = q.member_epoch == 0;
  const bool converts = !consumer;
  if (!consumer) {
    if (!create)
      return refuse_beat(
          call, {error_code::group_id_not_found, "Group " + group_id + " is not a consumer group."},
          out);
    if (empty_group()) {
      make_consumer(c);
    } else if (const refusal no = upgrade(call.now_ms, c, out)) {
      return refuse_beat(call, no, out);
    }
  }
  const auto refuse = [&](const refusal& no) {
    c.take_back();
    if (converts) reset_timers(call.now_ms);
    refuse_beat(call, no, out);
  };
  const std::string member_id = q.member_id.empty() ? call.fresh_id.to_string() : q.member_id;
  if (consumer->size() >= static_cast<size_t>(options.max_members) && !consumer->find(member_id))
    return refuse({error_code::group_max_size_reached,
                   "The consumer group has reached its maximum capacity of " +
                       std::to_string(options.max_members) + " members."});
  const auto owned = owned_of(q);
  consumer_member before;
  const who caller{member_id, q.instance_id, q.member_epoch, create, false};
  if (const refusal no = resolve(caller, owned, c, before)) return refuse(no);
  consumer_member after = before;
  apply(q, call, after);
  update_membership(before, after, c);
  if (const refusal no = step_member(after, owned, call.now_ms, c)) return refuse(no);
  session(after, call.now_ms);
  timers.cancel(timer_kind::mixed_join, member_id);
  timers.cancel(timer_kind::mixed_sync, member_id);

  consumer_group_heartbeat_response r;
  r.member_id = member_id;
  r.member_epoch = after.epoch;
  r.heartbeat_interval_ms = options.consumer_heartbeat_interval_ms;
  const bool full = create || (q.rebalance_timeout_ms != -1 && owned &&
                               (q.subscribed_topic_names || q.subscribed_topic_regex));
  if (full || after.assigned != before.assigned) {
    auto& a = r.assignment.emplace();
    for (const auto& [topic, partitions] : after.assigned)
      a.topic_partitions.push_back({topic, partitions});
  }
  commit(std::move(c), group_reply{call.token, std::move(r)}, out);
}

void group::impl::consumer_leave(const group_call& call, const consumer_group_heartbeat_request& q,
                                 group_effects& out) {
  if (!consumer)
    return refuse_beat(
        call, {error_code::group_id_not_found, "Group " + group_id + " is not a consumer group."},
        out);
  const member_ptr m =
      q.instance_id ? consumer->find_instance(q.instance_id) : consumer->find(q.member_id);
  if (!m)
    return refuse_beat(
        call,
        {error_code::unknown_member_id,
         q.instance_id ? "Instance id " + *q.instance_id + " is unknown."
                       : "Member " + q.member_id + " is not a member of group " + group_id + "."},
        out);
  if (m->id != q.member_id)
    return refuse_beat(call,
                       {error_code::fenced_instance_id,
                        "Static member " + q.member_id + " was fenced by member " + m->id + "."},
                       out);
  consumer_group_heartbeat_response r;
  r.member_id = m->id;
  r.member_epoch = q.member_epoch;
  change c;
  if (q.member_epoch == static_leave_epoch) {
    // It keeps its partitions until it is back or its session ends.
    consumer_member leaving = *m;
    leaving.epoch = static_leave_epoch;
    leaving.revoking.clear();
    put_member(std::move(leaving), false, true, c);
  } else {
    fence(m->id, c, call.now_ms, out);
  }
  commit(std::move(c), group_reply{call.token, std::move(r)}, out);
}

/// Puts a member out; the others take over its partitions with their next heartbeats.
void group::impl::fence(const std::string& member_id, change& c, int64_t now_ms,
                        group_effects& out) {
  const std::string leaving = member_id;
  cancel_member_timers(leaving);
  if (may_downgrade(leaving)) {
    downgrade(now_ms, leaving, false, c, out);
    return;
  }
  erase_member(leaving, c);
  bump_epoch(c);
}

void group::impl::consumer_timer(const timer_set::key& due, int64_t now_ms, group_effects& out) {
  if (!consumer) return;
  const member_ptr m = consumer->find(due.who);
  if (!m) return;
  // A member that went away for a while is not late with giving up partitions.
  if (due.kind == timer_kind::rebalance && (m->state != member_state::unrevoked || m->epoch < 0))
    return;
  change c;
  fence(m->id, c, now_ms, out);
  commit(std::move(c), std::nullopt, out);
}

}  // namespace weir::kafka
