// Where requests come in, writes end and timers fire. The protocols themselves are in the other
// files (group_impl.hpp says which).
#include "runtime/kafka/groups/group.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/group_impl.hpp"

namespace weir::kafka {

group::group(std::string id, const group_options& options, std::shared_ptr<const topic_view> topics)
    : impl_(std::make_unique<impl>(std::move(id), options, std::move(topics))) {}
group::~group() = default;
group::group(group&&) noexcept = default;
group& group::operator=(group&&) noexcept = default;

const std::string& group::id() const {
  return impl_->group_id;
}
bool group::exists() const {
  return impl_->visible();
}

bool group::diverged() const {
  return impl_->diverged;
}

bool group::removable() const {
  return !impl_->visible() && impl_->writes.empty() && impl_->offsets.empty();
}

// --- requests ---

void group::join(const group_call& call, const join_group_request& q, group_effects& out) {
  impl& g = *impl_;
  if (q.group_id.empty()) {
    g.refuse_join(call, q.member_id, error_code::invalid_group_id, out);
  } else if (q.session_timeout_ms < g.options.min_session_timeout_ms ||
             q.session_timeout_ms > g.options.max_session_timeout_ms) {
    g.refuse_join(call, q.member_id, error_code::invalid_session_timeout, out);
  } else if (g.consumer && !g.consumer->empty()) {
    g.mixed_join(call, q, out);
  } else {
    g.classic_join(call, q, out);
  }
  g.settle(call.now_ms, out);
}

void group::sync(const group_call& call, const sync_group_request& q, group_effects& out) {
  impl& g = *impl_;
  sync_group_response refused;
  if (q.group_id.empty()) {
    refused.error_code = error_code::invalid_group_id;
    g.reply(call, refused, out);
  } else if (g.empty_group()) {
    refused.error_code = error_code::unknown_member_id;
    g.reply(call, refused, out);
  } else if (g.consumer) {
    g.mixed_sync(call, q, out);
  } else {
    g.classic_sync(call, q, out);
  }
  g.settle(call.now_ms, out);
}

void group::heartbeat(const group_call& call, const heartbeat_request& q, group_effects& out) {
  impl& g = *impl_;
  heartbeat_response r;
  if (q.group_id.empty()) {
    r.error_code = error_code::invalid_group_id;
  } else if (g.consumer) {
    r.error_code = g.mixed_heartbeat(q, call.now_ms);
  } else {
    r.error_code = g.classic_heartbeat(q, call.now_ms);
  }
  g.reply(call, r, out);
  g.settle(call.now_ms, out);
}

void group::leave(const group_call& call, const leave_group_request& q, group_effects& out) {
  impl& g = *impl_;
  leave_group_request request = q;
  if (call.version < 3) {
    request.members.clear();
    request.members.emplace_back().member_id = q.member_id;
  }
  if (q.group_id.empty()) {
    leave_group_response r;
    r.error_code = error_code::invalid_group_id;
    g.reply(call, r, out);
  } else if (g.consumer) {
    g.mixed_leave(call, request, out);
  } else {
    g.classic_leave(call, request, out);
  }
  g.settle(call.now_ms, out);
}

void group::consumer_heartbeat(const group_call& call, const consumer_group_heartbeat_request& q,
                               group_effects& out) {
  impl& g = *impl_;
  if (const refusal no = g.check(q, call.version)) {
    consumer_group_heartbeat_response r;
    r.error_code = no.code;
    r.error_message = no.message;
    g.reply(call, std::move(r), out);
  } else if (q.member_epoch < 0) {
    g.consumer_leave(call, q, out);
  } else {
    g.consumer_join_or_beat(call, q, out);
  }
  g.settle(call.now_ms, out);
}

void group::delete_group(const group_call& call, group_effects& out) {
  impl& g = *impl_;
  delete_groups_response r;
  auto& result = r.results.emplace_back();
  result.group_id = g.group_id;
  if (!g.visible()) {
    result.error_code = error_code::group_id_not_found;
  } else if (!g.empty_group()) {
    result.error_code = error_code::non_empty_group;
  }
  if (result.error_code != error_code::none) {
    g.reply(call, std::move(r), out);
  } else {
    change c;
    std::vector<offset_change> removals;
    for (const auto& at : g.offsets.keys()) {
      removals.push_back({at, std::nullopt, -1});
      c.records.push_back(g.offset_record(removals.back()));
    }
    g.tombstones(c);
    g.drop_membership(c);
    std::vector<group_record> records = std::move(c.records);
    pending_write& w = g.append(std::move(records), out);
    for (const auto& removal : removals) g.offsets.begin(removal);
    w.offsets = std::move(removals);
    w.undo = std::move(c.undo);
    w.replies.push_back({call.token, std::move(r)});
  }
  g.settle(call.now_ms, out);
}

// --- events ---

void group::on_timer(int64_t now_ms, group_effects& out) {
  while (const auto due = impl_->timers.pop(now_ms)) impl_->fire(*due, now_ms, out);
  impl_->settle(now_ms, out);
}

void group::on_written(uint64_t id, error_code error, int64_t now_ms, group_effects& out) {
  impl& g = *impl_;
  const auto it = g.writes.find(id);
  if (it == g.writes.end()) {
    // It was taken back together with an earlier one; if it is durable all the same, the log and
    // this object tell different stories.
    g.diverged = g.diverged || error == error_code::none;
  } else if (error != error_code::none) {
    g.fail_writes_from(id, error, now_ms, out);
  } else {
    weir_assert(it == g.writes.begin(), "writes become durable in their order");
    pending_write w = std::move(it->second);
    g.writes.erase(it);
    for (const auto& c : w.offsets) g.offsets.written(c);
    if (w.done) w.done(error_code::none, now_ms, out);
    for (auto& r : w.replies) out.replies.push_back(std::move(r));
  }
  g.settle(now_ms, out);
}

void group::on_topics_changed(std::shared_ptr<const topic_view> topics, int64_t now_ms,
                              group_effects& out) {
  impl_->topics = std::move(topics);
  impl_->regexes.forget();
  impl_->topics_stale = true;
  impl_->settle(now_ms, out);
}

void group::on_topics_deleted(const std::vector<std::string>& names, int64_t now_ms,
                              group_effects& out) {
  std::vector<offset_key> gone;
  for (const auto& at : impl_->offsets.keys())
    if (std::find(names.begin(), names.end(), at.topic) != names.end()) gone.push_back(at);
  if (!gone.empty()) impl_->forget_offsets(gone, out);
  impl_->settle(now_ms, out);
}

void group::on_transaction_end(int64_t producer_id, bool commit, int64_t now_ms,
                               group_effects& out) {
  impl_->offsets.end_transaction(producer_id, commit);
  impl_->settle(now_ms, out);
}

// --- what all of them use ---

void group::impl::reply(const group_call& call, group_response body, group_effects& out) {
  answer(call.token, std::move(body), out);
}

void group::impl::settle(int64_t now_ms, group_effects& out) {
  if (visible()) {
    timers.set_if_absent(
        timer_kind::offset_expiry, {},
        now_ms + std::max<int64_t>(options.offsets_retention_check_interval_ms, 1));
  } else {
    timers.cancel(timer_kind::offset_expiry, {});
  }
  out.next_wake_ms = timers.next();
}

void group::impl::answer(reply_token token, group_response body, group_effects& out) {
  out.replies.push_back({token, std::move(body)});
}

pending_write& group::impl::append(std::vector<group_record> records, group_effects& out) {
  const uint64_t write_id = ++last_write;
  group_write w;
  w.id = write_id;
  w.records = std::move(records);
  out.writes.push_back(std::move(w));
  return writes[write_id];
}

void group::impl::commit(change&& c, std::optional<group_reply> reply, group_effects& out) {
  if (!c.records.empty()) {
    pending_write& w = append(std::move(c.records), out);
    w.undo = std::move(c.undo);
    if (reply) w.replies.push_back(std::move(*reply));
    return;
  }
  weir_assert(c.undo.empty(), "what changes in memory is recorded");
  if (!reply) return;
  // The answer tells of members and epochs that a write under way may still take back.
  for (auto it = writes.rbegin(); it != writes.rend(); ++it) {
    if (it->second.undo.empty()) continue;
    it->second.replies.push_back(std::move(*reply));
    return;
  }
  out.replies.push_back(std::move(*reply));
}

/// A write that changed members takes with it all later ones that did, since they build on it.
/// Others fail alone.
void group::impl::fail_writes_from(uint64_t first, error_code error, int64_t now_ms,
                                   group_effects& out) {
  const error_code told = client_error(error);
  const std::shared_ptr<classic_group> newest = classic;
  const bool membership_back = !writes.at(first).undo.empty();
  std::vector<pending_write> failed;
  for (auto it = writes.end(); it != writes.begin();) {
    it = std::prev(it);
    if (it->first < first) break;
    const bool on_members = !it->second.undo.empty() || it->second.done;
    if (it->first != first && !(membership_back && on_members)) continue;
    pending_write w = std::move(it->second);
    it = writes.erase(it);
    for (auto undo = w.undo.rbegin(); undo != w.undo.rend(); ++undo) (*undo)();
    for (const auto& c : w.offsets) offsets.failed(c);
    failed.push_back(std::move(w));
  }
  if (newest && classic != newest) release_waiting(*newest, told, out);
  if (membership_back) reset_timers(now_ms);
  for (auto it = failed.rbegin(); it != failed.rend(); ++it) {
    if (it->done) it->done(told, now_ms, out);
    for (auto& r : it->replies) {
      set_error(r.body, told);
      out.replies.push_back(std::move(r));
    }
  }
}

void group::impl::fire(const timer_set::key& due, int64_t now_ms, group_effects& out) {
  switch (due.kind) {
    case timer_kind::classic_session:
      return expire_classic(due.who, now_ms, out);
    case timer_kind::classic_initial:
      return initial_wait_over(now_ms, out);
    case timer_kind::classic_join:
      return complete_join(now_ms, out);
    case timer_kind::classic_sync:
      return expire_syncs(now_ms, out);
    case timer_kind::session:
    case timer_kind::rebalance:
    case timer_kind::mixed_join:
    case timer_kind::mixed_sync:
      return consumer_timer(due, now_ms, out);
    case timer_kind::offset_expiry:
      return expire_offsets(now_ms, out);
  }
}

bool group::impl::visible() const {
  if (consumer) return true;
  if (!offsets.empty()) return true;
  return classic &&
         (classic->recorded || !classic->members.empty() || !classic->pending_joins.empty());
}

bool group::impl::empty_group() const {
  if (consumer) return consumer->empty();
  return !classic || classic->state == classic_state::empty;
}

classic_group& group::impl::classic_or_new(int64_t now_ms) {
  weir_assert(!consumer, "a group speaks one protocol");
  if (!classic) {
    classic = std::make_shared<classic_group>();
    classic->state_since_ms = now_ms;
  }
  return *classic;
}

/// Forgets the membership at once; the change knows how to bring it back.
void group::impl::drop_membership(change& c) {
  c.undo.push_back([this, old_classic = classic, old_consumer = consumer] {
    classic = old_classic;
    consumer = old_consumer;
  });
  classic.reset();
  consumer.reset();
}

error_code membership::client_error(error_code e) noexcept {
  switch (e) {
    case error_code::network_exception:
      return error_code::coordinator_load_in_progress;
    case error_code::unknown_topic_or_partition:
    case error_code::not_enough_replicas:
    case error_code::not_enough_replicas_after_append:
    case error_code::request_timed_out:
      return error_code::coordinator_not_available;
    case error_code::not_leader_or_follower:
    case error_code::kafka_storage_error:
    case error_code::fenced_leader_epoch:
      return error_code::not_coordinator;
    case error_code::message_too_large:
    case error_code::record_list_too_large:
    case error_code::invalid_fetch_size:
      return error_code::unknown_server_error;
    default:
      return e;
  }
}

namespace {

template <class Response>
void set_all(Response& r, error_code e) {
  if constexpr (requires { r.error_code; }) r.error_code = e;
  if constexpr (requires { r.topics; }) {
    for (auto& topic : r.topics)
      for (auto& partition : topic.partitions) partition.error_code = e;
  }
  if constexpr (requires { r.results; }) {
    for (auto& result : r.results) result.error_code = e;
  }
}

}  // namespace

void membership::set_error(group_response& response, error_code e) {
  std::visit(
      [e](auto& r) {
        using type = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<type, join_group_response> ||
                      std::is_same_v<type, sync_group_response> ||
                      std::is_same_v<type, consumer_group_heartbeat_response> ||
                      std::is_same_v<type, offset_delete_response>) {
          r = type{};  // nothing of what was not done
        }
        set_all(r, e);
      },
      response);
}

}  // namespace weir::kafka
