// Rebuilding a group from its records in __consumer_offsets: each record is applied in the order of
// the log, then timers start.
#include <algorithm>

#include "runtime/kafka/groups/consumer_protocol.hpp"
#include "runtime/kafka/groups/group_impl.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

namespace {

using value_view = std::optional<std::string_view>;

template <class Message>
result<Message> parse(std::string_view bytes) {
  reader r(as_bytes_view(bytes));
  Message m;
  WEIR_TRY(decode_versioned(r, m));
  return m;
}

template <class TopicPartition>
result<assignment> to_assignment_checked(const std::vector<TopicPartition>& list) {
  assignment a;
  for (const auto& t : list) {
    for (const int32_t p : t.partitions)
      if (p < 0 || p > partition_index_max)
        return error(errc::corrupt, "partition " + std::to_string(p) + " in a stored assignment");
    auto& mine = a[t.topic_id];
    mine.insert(mine.end(), t.partitions.begin(), t.partitions.end());
  }
  normalize(a);
  return a;
}

status apply_metadata(const consumer_group_member_metadata_value& v, consumer_member& m) {
  m.instance_id = v.instance_id;
  m.rack_id = v.rack_id;
  m.client_id = v.client_id;
  m.client_host = v.client_host;
  m.rebalance_timeout_ms = v.rebalance_timeout_ms;
  m.topics = v.subscribed_topic_names;
  std::sort(m.topics.begin(), m.topics.end());
  m.regex = v.subscribed_topic_regex.value_or("");
  m.assignor = v.server_assignor;
  m.classic.reset();
  if (!v.classic_member_metadata) return {};
  if (v.classic_member_metadata->supported_protocols.empty())
    return error(errc::corrupt, "a stored classic member without protocols");
  auto& facts = m.classic.emplace();
  facts.session_timeout_ms = v.classic_member_metadata->session_timeout_ms;
  for (const auto& p : v.classic_member_metadata->supported_protocols)
    facts.protocols.push_back({p.name, p.metadata});
  return {};
}

std::shared_ptr<classic_group> to_classic(const group_metadata_value& v) {
  auto g = std::make_shared<classic_group>();
  g->recorded = true;
  for (const auto& stored : v.members) {
    classic_member m;
    m.id = stored.member_id;
    if (g->members.count(m.id) != 0) continue;
    m.instance_id = stored.group_instance_id;
    m.client_id = stored.client_id;
    m.client_host = stored.client_host;
    m.session_timeout_ms = stored.session_timeout;
    m.rebalance_timeout_ms =
        stored.rebalance_timeout == -1 ? stored.session_timeout : stored.rebalance_timeout;
    m.protocols.push_back({v.protocol.value_or(""), stored.subscription});
    m.assignment = stored.assignment;
    g->add(std::move(m), v.protocol_type);
  }
  g->protocol_type.reset();
  if (!v.protocol_type.empty()) g->protocol_type = v.protocol_type;
  g->protocol = v.protocol;
  g->generation = v.generation;
  g->state = g->members.empty() ? classic_state::empty : classic_state::stable;
  g->state_since_ms = v.current_state_timestamp;
  if (v.leader && g->members.count(*v.leader) != 0) g->leader = v.leader;
  g->update_subscribed();
  return g;
}

}  // namespace

status group::restore(std::string_view key, const value_view& value, int64_t producer_id) {
  const auto kind = blob_version(key);
  if (!kind) return error(errc::parse, "a key of __consumer_offsets without a version");
  switch (static_cast<record_kind>(*kind)) {
    case record_kind::offset_commit_old:
    case record_kind::offset_commit:
      return impl_->restore_offset(key, value, producer_id);
    case record_kind::group_metadata: {
      impl_->classic.reset();
      if (!value) return {};
      WEIR_ASSIGN(const auto v, parse<group_metadata_value>(*value));
      impl_->classic = to_classic(v);
      impl_->consumer.reset();
      return {};
    }
    case record_kind::group_epoch:
    case record_kind::target_epoch:
      return impl_->restore_epoch(key, value);
    case record_kind::member_metadata:
    case record_kind::target_member:
    case record_kind::current_member:
      return impl_->restore_member(key, value);
    case record_kind::partition_metadata:
    case record_kind::regular_expression:
      return {};  // worked out anew from the topics
  }
  return error(errc::unsupported, "a record of kind " + std::to_string(*kind) +
                                      " in __consumer_offsets is none of a consumer group's");
}

status group::impl::restore_offset(std::string_view key, const value_view& value,
                                   int64_t producer_id) {
  WEIR_ASSIGN(auto k, parse<offset_commit_key>(key));
  offset_change c;
  c.at = {std::move(k.topic), k.partition};
  c.producer_id = producer_id;
  if (value) {
    WEIR_ASSIGN(auto v, parse<offset_commit_value>(*value));
    auto& stored = c.value.emplace();
    stored.offset = v.offset;
    stored.leader_epoch = v.leader_epoch;
    stored.metadata = std::move(v.metadata);
    stored.commit_ms = v.commit_timestamp;
    stored.expire_ms = v.expire_timestamp;
    stored.order = offsets.next_order();
  }
  offsets.apply(c);
  return {};
}

status group::impl::restore_epoch(std::string_view key, const value_view& value) {
  const bool of_group =
      static_cast<record_kind>(blob_version(key).value_or(-1)) == record_kind::group_epoch;
  if (!value) {
    if (of_group) {
      consumer.reset();
    } else if (consumer) {
      consumer->target_epoch = -1;
    }
    return {};
  }
  if (!consumer) consumer = std::make_shared<consumer_members>();
  classic.reset();
  if (of_group) {
    WEIR_ASSIGN(const auto v, parse<consumer_group_metadata_value>(*value));
    consumer->epoch = v.epoch;
    consumer->topics_hash = static_cast<uint64_t>(v.metadata_hash);
  } else {
    WEIR_ASSIGN(const auto v, parse<consumer_group_target_assignment_metadata_value>(*value));
    consumer->target_epoch = v.assignment_epoch;
  }
  return {};
}

status group::impl::restore_member(std::string_view key, const value_view& value) {
  const auto kind = static_cast<record_kind>(blob_version(key).value_or(-1));
  reader r(as_bytes_view(key.substr(sizeof(int16_t))));
  r.begin_message("__consumer_offsets key", static_cast<int16_t>(kind), false);
  (void)r.string("group_id");
  const std::string member_id = r.string("member_id");
  WEIR_TRY(r.state());
  if (!value && !consumer) return {};
  if (!consumer) consumer = std::make_shared<consumer_members>();
  if (value) classic.reset();
  if (kind == record_kind::target_member) {
    assignment_ptr target;
    if (value) {
      WEIR_ASSIGN(const auto v, parse<consumer_group_target_assignment_member_value>(*value));
      WEIR_ASSIGN(auto a, to_assignment_checked(v.topic_partitions));
      target = std::make_shared<const assignment>(std::move(a));
    }
    consumer->put_target(member_id, std::move(target));
    return {};
  }
  const member_ptr before = consumer->find(member_id);
  if (!value && !before) return {};
  consumer_member m = before ? *before : consumer_member{};
  m.id = member_id;
  if (kind == record_kind::member_metadata) {
    if (!value) {
      consumer->erase(member_id);
      return {};
    }
    WEIR_ASSIGN(const auto v, parse<consumer_group_member_metadata_value>(*value));
    WEIR_TRY(apply_metadata(v, m));
  } else if (!value) {
    m.epoch = m.previous_epoch = leave_epoch;
    m.state = member_state::stable;
    m.assigned.clear();
    m.revoking.clear();
  } else {
    WEIR_ASSIGN(const auto v, parse<consumer_group_current_member_assignment_value>(*value));
    m.epoch = v.member_epoch;
    m.previous_epoch = v.previous_member_epoch;
    const bool known = v.state >= 0 && v.state <= static_cast<int8_t>(member_state::unreleased);
    m.state = known ? static_cast<member_state>(v.state) : member_state::unknown;
    WEIR_ASSIGN(m.assigned, to_assignment_checked(v.assigned_partitions));
    WEIR_ASSIGN(m.revoking, to_assignment_checked(v.partitions_pending_revocation));
  }
  consumer->put(std::make_shared<const consumer_member>(std::move(m)));
  return {};
}

void group::restore_transaction_end(int64_t producer_id, bool commit) {
  impl_->offsets.end_transaction(producer_id, commit);
}

void group::loaded(int64_t now_ms, group_effects& out) {
  impl& g = *impl_;
  g.topics_stale = true;
  g.reset_timers(now_ms);
  if (g.classic && g.classic->members.size() > static_cast<size_t>(g.options.max_members))
    g.prepare_rebalance(now_ms, out);
  g.settle(now_ms, out);
}

}  // namespace weir::kafka
