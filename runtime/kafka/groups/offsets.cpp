// Committed offsets: who may commit, what is written, what is fetched, deleted and forgotten.
// Kafka's rules (OffsetMetadataManager and the groups' validateOffsetCommit).
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

constexpr int16_t consumer_commit_version = 9;  // KIP-848 members commit with this one or later
constexpr int16_t topic_id_version = 10;
constexpr int64_t no_offset = -1;

template <class Response, class Request>
Response refuse_all(const Request& q, error_code e) {
  Response r;
  for (const auto& topic : q.topics) {
    auto& t = r.topics.emplace_back();
    t.name = topic.name;
    if constexpr (requires { t.topic_id = topic.topic_id; }) t.topic_id = topic.topic_id;
    for (const auto& p : topic.partitions) t.partitions.push_back({p.partition_index, e});
  }
  return r;
}

template <class Partition>
stored_offset to_stored(const Partition& p, int64_t now_ms) {
  stored_offset v;
  v.offset = p.committed_offset;
  v.leader_epoch = p.committed_leader_epoch;
  v.metadata = p.committed_metadata.value_or("");
  v.commit_ms = now_ms;
  return v;
}

template <class Partition>
error_code partition_problem(const Partition& p, const topic_facts& topic,
                             const group_options& options) {
  if (p.partition_index < 0 || p.partition_index >= topic.partitions)
    return error_code::unknown_topic_or_partition;
  if (p.committed_metadata &&
      p.committed_metadata->size() > static_cast<size_t>(options.offset_metadata_max_bytes))
    return error_code::offset_metadata_too_large;
  return error_code::none;
}

}  // namespace

refusal group::impl::check_commit(const std::string& member_id,
                                  const std::optional<std::string>& instance_id, int32_t epoch,
                                  bool transactional, int16_t version, int64_t now_ms) {
  const auto no = [](error_code e) { return refusal{e, {}}; };
  if (!classic && !consumer) {
    if (epoch >= 0 && !visible())
      return no(version >= consumer_commit_version && !transactional
                    ? error_code::group_id_not_found
                    : error_code::illegal_generation);
    (void)classic_or_new(now_ms);  // a group that only commits ("simple consumer")
  }
  const bool anonymous = epoch < 0 && member_id.empty() && !instance_id;
  if (consumer) {
    if (epoch < 0 && consumer->empty()) return {};
    if (transactional && anonymous) return {};  // transactions need not name a member
    const member_ptr m = consumer->find(member_id);
    if (!m) return no(error_code::unknown_member_id);
    if (!transactional && !m->classic && version < consumer_commit_version)
      return no(error_code::unsupported_version);
    if (epoch != m->epoch)
      return no(m->classic || transactional ? error_code::illegal_generation
                                            : error_code::stale_member_epoch);
    return {};
  }
  classic_group& g = *classic;
  if (epoch < 0 && g.state == classic_state::empty) return {};
  if (!anonymous) {
    if (const error_code e = g.validate(member_id, instance_id); e != error_code::none)
      return no(e);
    if (epoch != g.generation) return no(error_code::illegal_generation);
  } else if (!transactional) {
    return no(error_code::unknown_member_id);
  }
  if (!transactional && g.state == classic_state::completing)
    return no(error_code::rebalance_in_progress);
  if (!transactional && !anonymous) touch(*g.find(member_id), now_ms);
  return {};
}

group_record group::impl::offset_record(const offset_change& c) const {
  const offset_commit_key key{group_id, c.at.topic, c.at.partition};
  if (!c.value) return make_tombstone(key);
  offset_commit_value v;
  v.offset = c.value->offset;
  v.leader_epoch = c.value->leader_epoch;
  v.metadata = c.value->metadata;
  v.commit_timestamp = c.value->commit_ms;
  v.expire_timestamp = c.value->expire_ms;
  return make_record(
      key, v, c.value->expire_ms >= 0 ? offset_commit_expiring_version : offset_commit_version);
}

void group::impl::write_offsets(std::vector<offset_change> changes, group_reply reply,
                                int64_t producer_id, int16_t producer_epoch, group_effects& out) {
  if (changes.empty()) {
    out.replies.push_back(std::move(reply));
    return;
  }
  std::vector<group_record> records;
  records.reserve(changes.size());
  for (auto& c : changes) {
    if (c.value) c.value->order = offsets.next_order();
    offsets.begin(c);
    records.push_back(offset_record(c));
  }
  pending_write& w = append(std::move(records), out);
  out.writes.back().producer_id = producer_id;
  out.writes.back().producer_epoch = producer_epoch;
  w.offsets = std::move(changes);
  w.replies.push_back(std::move(reply));
}

void group::commit_offsets(const group_call& call, const offset_commit_request& q,
                           group_effects& out) {
  impl& g = *impl_;
  const refusal no =
      g.check_commit(q.member_id, q.group_instance_id, q.generation_id_or_member_epoch, false,
                     call.version, call.now_ms);
  if (no) {
    g.reply(call, refuse_all<offset_commit_response>(q, no.code), out);
    return g.settle(call.now_ms, out);
  }
  offset_commit_response r;
  std::vector<offset_change> changes;
  for (const auto& topic : q.topics) {
    auto& t = r.topics.emplace_back();
    t.name = topic.name;
    t.topic_id = topic.topic_id;
    const bool by_id = call.version >= topic_id_version;
    const auto facts =
        by_id ? g.topics->find(topic.topic_id) : g.topics->find(std::string_view(topic.name));
    for (const auto& p : topic.partitions) {
      error_code e = by_id ? error_code::unknown_topic_id : error_code::unknown_topic_or_partition;
      if (facts) e = partition_problem(p, *facts, g.options);
      t.partitions.push_back({p.partition_index, e});
      if (e != error_code::none) continue;
      offset_change c{{std::string(facts->name), p.partition_index}, to_stored(p, call.now_ms), -1};
      if (q.retention_time_ms >= 0) c.value->expire_ms = call.now_ms + q.retention_time_ms;
      changes.push_back(std::move(c));
    }
  }
  g.write_offsets(std::move(changes), {call.token, std::move(r)}, -1, -1, out);
  g.settle(call.now_ms, out);
}

void group::commit_offsets(const group_call& call, const txn_offset_commit_request& q,
                           group_effects& out) {
  impl& g = *impl_;
  refusal no;
  if (q.group_id.empty()) no.code = error_code::invalid_group_id;
  if (!no)
    no = g.check_commit(q.member_id, q.group_instance_id, q.generation_id, true, call.version,
                        call.now_ms);
  if (no) {
    g.reply(call, refuse_all<txn_offset_commit_response>(q, no.code), out);
    return g.settle(call.now_ms, out);
  }
  txn_offset_commit_response r;
  std::vector<offset_change> changes;
  for (const auto& topic : q.topics) {
    auto& t = r.topics.emplace_back();
    t.name = topic.name;
    const auto facts = g.topics->find(std::string_view(topic.name));
    for (const auto& p : topic.partitions) {
      const error_code e =
          facts ? partition_problem(p, *facts, g.options) : error_code::unknown_topic_or_partition;
      t.partitions.push_back({p.partition_index, e});
      if (e != error_code::none) continue;
      changes.push_back(
          {{topic.name, p.partition_index}, to_stored(p, call.now_ms), q.producer_id});
    }
  }
  g.write_offsets(std::move(changes), {call.token, std::move(r)}, q.producer_id, q.producer_epoch,
                  out);
  g.settle(call.now_ms, out);
}

offset_fetch_response::group group::fetch_offsets(const offset_fetch_request::group& q,
                                                  bool require_stable, int16_t version) const {
  const impl& g = *impl_;
  offset_fetch_response::group r;
  r.group_id = q.group_id;
  if (g.consumer && !(q.member_id.value_or("").empty() && q.member_epoch < 0)) {
    const member_ptr m = g.consumer->find(q.member_id.value_or(""));
    if (!m) {
      r.error_code = error_code::unknown_member_id;
    } else if (m->epoch != q.member_epoch) {
      r.error_code = m->classic ? error_code::illegal_generation : error_code::stale_member_epoch;
    }
    if (r.error_code != error_code::none) return r;
  }
  const auto answer = [&](offset_fetch_response::group_topic& t, const offset_key& at) {
    auto& p = t.partitions.emplace_back();
    p.partition_index = at.partition;
    p.committed_offset = no_offset;
    p.metadata = "";
    const stored_offset* stored = g.offsets.find(at);
    if (require_stable && g.offsets.unstable(at)) {
      p.error_code = error_code::unstable_offset_commit;
    } else if (stored != nullptr) {
      p.committed_offset = stored->offset;
      p.committed_leader_epoch = stored->leader_epoch;
      p.metadata = stored->metadata;
    }
  };
  const bool by_id = version >= topic_id_version;
  if (!q.topics) {
    for (const auto& [at, stored] : g.offsets.all()) {
      const auto facts = g.topics->find(std::string_view(at.topic));
      if (by_id && !facts) continue;  // deleted: it has no id any more
      if (r.topics.empty() || r.topics.back().name != at.topic) {
        auto& t = r.topics.emplace_back();
        t.name = at.topic;
        if (facts) t.topic_id = facts->id;
      }
      answer(r.topics.back(), at);
    }
    return r;
  }
  for (const auto& topic : *q.topics) {
    auto& t = r.topics.emplace_back();
    t.name = topic.name;
    t.topic_id = topic.topic_id;
    if (by_id) {
      const auto facts = g.topics->find(topic.topic_id);
      if (!facts) {
        for (const int32_t index : topic.partition_indexes)
          t.partitions.push_back({index, no_offset, -1, "", error_code::unknown_topic_id});
        continue;
      }
      t.name = facts->name;
    }
    for (const int32_t index : topic.partition_indexes) answer(t, {t.name, index});
  }
  return r;
}

offset_fetch_request::group old_offset_fetch(const offset_fetch_request& q) {
  offset_fetch_request::group g;
  g.group_id = q.group_id;
  if (q.topics) {
    auto& topics = g.topics.emplace();
    for (const auto& t : *q.topics) topics.push_back({t.name, {}, t.partition_indexes});
  }
  return g;
}

offset_fetch_response old_offset_fetch_response(offset_fetch_response::group&& g) {
  offset_fetch_response r;
  r.error_code = g.error_code;
  for (auto& t : g.topics) {
    auto& topic = r.topics.emplace_back();
    topic.name = std::move(t.name);
    for (auto& p : t.partitions)
      topic.partitions.push_back({p.partition_index, p.committed_offset, p.committed_leader_epoch,
                                  std::move(p.metadata), p.error_code});
  }
  return r;
}

/// Whether a member wants the topic: then its offsets are not deleted.
bool group::impl::subscribed_to(const std::string& topic) {
  if (classic) {
    if (classic->subscribed) return classic->subscribed->count(topic) != 0;
    return classic->uses_consumer_protocol();
  }
  if (!consumer) return false;
  const auto facts = topics->find(std::string_view(topic));
  for (const auto& [member_id, m] : consumer->all()) {
    if (std::binary_search(m->topics.begin(), m->topics.end(), topic)) return true;
    if (m->regex.empty() || !facts) continue;
    const auto& matched = regexes.matches(m->regex, *topics);
    if (std::binary_search(matched.begin(), matched.end(), facts->id)) return true;
  }
  return false;
}

void group::delete_offsets(const group_call& call, const offset_delete_request& q,
                           group_effects& out) {
  impl& g = *impl_;
  offset_delete_response r;
  if (q.group_id.empty()) {
    r.error_code = error_code::invalid_group_id;
  } else if (!g.visible()) {
    r.error_code = error_code::group_id_not_found;
  } else if (g.classic && g.classic->state != classic_state::empty &&
             !g.classic->uses_consumer_protocol()) {
    r.error_code = error_code::non_empty_group;
  }
  std::vector<offset_change> removals;
  if (r.error_code == error_code::none) {
    for (const auto& topic : q.topics) {
      auto& t = r.topics.emplace_back();
      t.name = topic.name;
      const bool wanted = g.subscribed_to(topic.name);
      const bool exists = g.topics->find(std::string_view(topic.name)).has_value();
      for (const auto& p : topic.partitions) {
        const offset_key at{topic.name, p.partition_index};
        const bool known = g.offsets.known(at);
        const error_code e = wanted            ? error_code::group_subscribed_to_topic
                             : known || exists ? error_code::none
                                               : error_code::unknown_topic_or_partition;
        t.partitions.push_back({p.partition_index, e});
        if (e == error_code::none && known) removals.push_back({at, std::nullopt, -1});
      }
    }
  }
  g.write_offsets(std::move(removals), {call.token, std::move(r)}, -1, -1, out);
  g.settle(call.now_ms, out);
}

void group::impl::forget_offsets(const std::vector<offset_key>& gone, group_effects& out) {
  std::vector<offset_change> removals;
  std::vector<group_record> records;
  for (const auto& at : gone) {
    removals.push_back({at, std::nullopt, -1});
    offsets.begin(removals.back());
    records.push_back(offset_record(removals.back()));
  }
  append(std::move(records), out).offsets = std::move(removals);
}

void group::impl::expire_offsets(int64_t now_ms, group_effects& out) {
  const int64_t retention = options.offsets_retention_ms;
  const bool quiet = writes.empty();
  bool may_expire = true;
  int64_t since = -1;  // the time that counts, if it is not that of the commit
  if (classic && classic->protocol_type && !classic->protocol_type->empty()) {
    if (classic->state == classic_state::empty) {
      since = classic->state_since_ms;
    } else {
      may_expire = classic->uses_consumer_protocol() && classic->subscribed &&
                   classic->state == classic_state::stable;
    }
  }
  std::vector<offset_key> gone;
  bool all = may_expire;
  if (may_expire) {
    for (const auto& [at, stored] : offsets.all()) {
      const int64_t base = since >= 0 ? std::max(since, stored.commit_ms) : stored.commit_ms;
      const bool old =
          stored.expire_ms >= 0 ? now_ms >= stored.expire_ms : now_ms - base >= retention;
      if (old && !offsets.unstable(at) && !offsets.under_way(at) && !subscribed_to(at.topic)) {
        gone.push_back(at);
      } else {
        all = false;
      }
    }
  }
  if (!gone.empty()) forget_offsets(gone, out);
  const bool idle = empty_group() && !(classic && !classic->pending_joins.empty());
  if (!all || !idle || !quiet || offsets.open_transactions()) return;
  change c;
  tombstones(c);
  drop_membership(c);
  if (c.records.empty()) {
    c.undo.clear();  // no record, nothing that could be lost
    return;
  }
  commit(std::move(c), std::nullopt, out);
}

std::vector<committed_offset> group::committed() const {
  std::vector<committed_offset> out;
  out.reserve(impl_->offsets.all().size());
  for (const auto& [at, stored] : impl_->offsets.all())
    out.push_back({at.topic, at.partition, stored.offset, stored.leader_epoch, stored.metadata,
                   stored.commit_ms, impl_->offsets.unstable(at)});
  return out;
}

}  // namespace weir::kafka
