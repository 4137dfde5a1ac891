#include "cluster/streams/admin.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/kafka/protocol/messages/configs.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/topics.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir::streams {
namespace {

using kafka::error_code;

constexpr int8_t resource_topic = 2;
constexpr int8_t source_topic = 1;  // DYNAMIC_TOPIC_CONFIG
constexpr int8_t operation_set = 0, operation_delete = 1;

std::string topic_text(const std::string& name) {
  return "topic " + name;
}
std::string partition_text(const std::string& topic, int32_t partition) {
  return "topic " + topic + ", partition " + std::to_string(partition);
}

/// What a leader said of one of the partitions that it was asked about.
struct refusal {
  int32_t partition;
  error_code code;
  std::optional<std::string> text;
};

/// Asks the leaders of a topic's partitions, `ask(client, partitions)` for each of them, which
/// returns the partitions that were refused. What passes by itself (a leader has moved, a new one
/// doesn't know yet that it is one, a connection broke) is asked again of the leaders that newer
/// metadata names, for a while.
template <class Ask>
status ask_leaders(brokers& b, topic_facts t, std::vector<int32_t> partitions, const Ask& ask) {
  constexpr auto retry_limit = std::chrono::seconds(10);
  const auto deadline = std::chrono::steady_clock::now() + retry_limit;
  for (;;) {
    std::map<int32_t, std::vector<int32_t>> by_leader;
    for (auto p : partitions) {
      if (p < 0 || static_cast<size_t>(p) >= t.partitions.size())
        return error{errc::not_found, partition_text(t.name, p) + ": there is none; it has " +
                                          std::to_string(t.partitions.size())};
      by_leader[t.partitions[static_cast<size_t>(p)].leader].push_back(p);
    }
    std::vector<int32_t> left;
    status why;
    bool broken = false;
    for (const auto& [leader, list] : by_leader) {
      auto node = b.leader(t, list.front());
      auto answer = node ? ask(**node, list) : result<std::vector<refusal>>(node.err());
      if (!answer && !is_of_transport(answer.err())) return answer.err();
      if (!answer) {
        why = answer.err();
        broken = true;
        left.insert(left.end(), list.begin(), list.end());
        continue;
      }
      for (const auto& r : *answer) {
        why = refused(r.code, partition_text(t.name, r.partition), r.text);
        if (!kafka::is_retriable(r.code)) return why;
        left.push_back(r.partition);
      }
    }
    if (left.empty()) return {};
    do {
      if (std::chrono::steady_clock::now() > deadline) return why;
      std::this_thread::sleep_for(retry_pause);
    } while (broken && !b.reconnect());
    WEIR_ASSIGN(t, b.topic(t.name));
    partitions = std::move(left);
  }
}

}  // namespace

std::vector<int32_t> all_partitions(const topic_facts& t) {
  std::vector<int32_t> out;
  for (const auto& p : t.partitions) out.push_back(p.index);
  return out;
}

std::vector<int32_t> led_partitions(const topic_facts& t) {
  std::vector<int32_t> out;
  for (const auto& p : t.partitions)
    if (p.leader >= 0) out.push_back(p.index);
  return out;
}

status create_topic(brokers& b, const new_topic& t) {
  kafka::create_topics_request q;
  auto& asked = q.topics.emplace_back();
  asked.name = t.name;
  asked.num_partitions = t.partitions;
  asked.replication_factor = t.replication;
  for (const auto& [name, value] : t.configs) asked.configs.push_back({name, value});
  q.timeout_ms = admin_timeout_ms;
  WEIR_ASSIGN(auto a, b.ask(q));
  for (const auto& r : a.topics) WEIR_TRY(check(r.error_code, topic_text(t.name), r.error_message));
  return {};
}

status delete_topic(brokers& b, const std::string& name) {
  kafka::delete_topics_request q;
  q.topics.emplace_back().name = name;
  q.topic_names.push_back(name);
  q.timeout_ms = admin_timeout_ms;
  WEIR_ASSIGN(auto a, b.ask(q));
  for (const auto& r : a.responses)
    WEIR_TRY(check(r.error_code, topic_text(name), r.error_message));
  return {};
}

status widen_topic(brokers& b, const std::string& name, int32_t partitions) {
  kafka::create_partitions_request q;
  auto& asked = q.topics.emplace_back();
  asked.name = name;
  asked.count = partitions;
  q.timeout_ms = admin_timeout_ms;
  WEIR_ASSIGN(auto a, b.ask(q));
  for (const auto& r : a.results) WEIR_TRY(check(r.error_code, topic_text(name), r.error_message));
  return {};
}

result<std::vector<config_entry>> topic_configs(brokers& b, const std::string& name) {
  kafka::describe_configs_request q;
  auto& asked = q.resources.emplace_back();
  asked.resource_type = resource_topic;
  asked.resource_name = name;
  WEIR_ASSIGN(auto a, b.ask(q));
  std::vector<config_entry> out;
  for (const auto& r : a.results) {
    WEIR_TRY(check(r.error_code, topic_text(name), r.error_message));
    for (const auto& c : r.configs)
      out.push_back({c.name, c.value.value_or(""), c.config_source != source_topic, c.read_only,
                     c.is_sensitive});
  }
  return out;
}

status alter_configs(brokers& b, const std::string& name,
                     const std::map<std::string, std::string>& set,
                     const std::vector<std::string>& unset) {
  kafka::incremental_alter_configs_request q;
  auto& asked = q.resources.emplace_back();
  asked.resource_type = resource_topic;
  asked.resource_name = name;
  for (const auto& [key, value] : set) asked.configs.push_back({key, operation_set, value});
  for (const auto& key : unset) asked.configs.push_back({key, operation_delete, std::nullopt});
  WEIR_ASSIGN(auto a, b.ask(q));
  for (const auto& r : a.responses)
    WEIR_TRY(check(r.error_code, topic_text(name), r.error_message));
  return {};
}

result<std::vector<offset_at>> offsets_at(brokers& b, const topic_facts& t,
                                          const std::vector<int32_t>& partitions,
                                          int64_t timestamp_ms, bool committed) {
  std::map<int32_t, offset_at> found;
  const auto ask = [&](kafka::client& node, const auto& list) -> result<std::vector<refusal>> {
    kafka::list_offsets_request q;
    q.replica_id = -1;
    q.isolation_level = committed ? 1 : 0;
    auto& asked = q.topics.emplace_back();
    asked.name = t.name;
    for (auto p : list) {
      auto& one = asked.partitions.emplace_back();
      one.partition_index = p;
      one.timestamp = timestamp_ms;
    }
    WEIR_ASSIGN(auto a, node.request(q));
    std::vector<refusal> refused;
    for (const auto& topic : a.topics)
      for (const auto& p : topic.partitions)
        if (p.error_code != error_code::none)
          refused.push_back({p.partition_index, p.error_code, std::nullopt});
        else
          found[p.partition_index] = {p.partition_index, p.offset, p.timestamp};
    return refused;
  };
  WEIR_TRY(ask_leaders(b, t, partitions, ask));
  std::vector<offset_at> out;
  for (auto p : partitions) {
    auto it = found.find(p);
    if (it == found.end())
      return error{errc::parse, partition_text(t.name, p) + ": the broker's answer leaves it out"};
    out.push_back(it->second);
  }
  return out;
}

result<std::map<int32_t, int64_t>> trim_topic(brokers& b, const topic_facts& t,
                                              const std::map<int32_t, int64_t>& before) {
  std::vector<int32_t> partitions;
  for (auto [p, offset] : before) partitions.push_back(p);
  std::map<int32_t, int64_t> out;
  const auto ask = [&](kafka::client& node, const auto& list) -> result<std::vector<refusal>> {
    kafka::delete_records_request q;
    auto& asked = q.topics.emplace_back();
    asked.name = t.name;
    for (auto p : list) asked.partitions.push_back({p, before.at(p)});
    q.timeout_ms = admin_timeout_ms;
    WEIR_ASSIGN(auto a, node.request(q));
    std::vector<refusal> refused;
    for (const auto& topic : a.topics)
      for (const auto& p : topic.partitions)
        if (p.error_code != error_code::none)
          refused.push_back({p.partition_index, p.error_code, std::nullopt});
        else
          out[p.partition_index] = p.low_watermark;
    return refused;
  };
  WEIR_TRY(ask_leaders(b, t, std::move(partitions), ask));
  return out;
}

result<std::map<int32_t, int64_t>> sizes_of(brokers& b, const topic_facts& t,
                                            const std::vector<int32_t>& partitions) {
  std::map<int32_t, int64_t> out;
  const auto ask = [&](kafka::client& node, const auto& list) -> result<std::vector<refusal>> {
    kafka::describe_log_dirs_request q;
    q.topics.emplace().push_back({t.name, list});
    WEIR_ASSIGN(auto a, node.request(q));
    for (const auto& r : a.results) {
      WEIR_TRY(check(r.error_code, "log folder " + r.log_dir));
      for (const auto& topic : r.topics)
        for (const auto& p : topic.partitions) out[p.partition_index] = p.partition_size;
    }
    // A node says nothing of partitions that it doesn't hold.
    std::vector<refusal> refused;
    for (auto p : list)
      if (!out.contains(p))
        refused.push_back({p, error_code::not_leader_or_follower, std::nullopt});
    return refused;
  };
  WEIR_TRY(ask_leaders(b, t, partitions, ask));
  return out;
}

result<std::vector<producer_facts>> producers_of(brokers& b, const topic_facts& t,
                                                 const std::vector<int32_t>& partitions) {
  std::vector<producer_facts> out;
  const auto ask = [&](kafka::client& node, const auto& list) -> result<std::vector<refusal>> {
    kafka::describe_producers_request q;
    q.topics.push_back({t.name, list});
    WEIR_ASSIGN(auto a, node.request(q));
    std::vector<refusal> refused;
    for (const auto& topic : a.topics)
      for (const auto& p : topic.partitions) {
        if (p.error_code != error_code::none) {
          refused.push_back({p.partition_index, p.error_code, p.error_message});
          continue;
        }
        for (const auto& x : p.active_producers)
          out.push_back({p.partition_index, x.producer_id, x.producer_epoch, x.last_sequence,
                         x.last_timestamp, x.current_txn_start_offset});
      }
    return refused;
  };
  WEIR_TRY(ask_leaders(b, t, partitions, ask));
  return out;
}

result<std::vector<transaction_facts>> transactions(brokers& b, int64_t longer_ms) {
  kafka::list_transactions_request q;
  q.duration_filter = longer_ms;
  std::vector<transaction_facts> out;
  // Each node has those that it coordinates.
  WEIR_ASSIGN(const auto nodes, b.all_nodes());
  for (auto* node : nodes) {
    WEIR_ASSIGN(auto a, node->request(q));
    WEIR_TRY(check(a.error_code, "transactions"));
    kafka::describe_transactions_request d;
    for (const auto& t : a.transaction_states) d.transactional_ids.push_back(t.transactional_id);
    if (d.transactional_ids.empty()) continue;
    WEIR_ASSIGN(auto described, node->request(d));
    for (const auto& t : described.transaction_states) {
      if (t.error_code == error_code::transactional_id_not_found) continue;  // gone in between
      WEIR_TRY(check(t.error_code, "transaction " + t.transactional_id));
      auto& f = out.emplace_back();
      f.id = t.transactional_id;
      f.state = t.transaction_state;
      f.producer_id = t.producer_id;
      f.epoch = t.producer_epoch;
      f.timeout_ms = t.transaction_timeout_ms;
      f.started_ms = t.transaction_start_time_ms;
      for (const auto& topic : t.topics)
        for (auto p : topic.partitions) f.partitions.emplace_back(topic.topic, p);
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& x, const auto& y) { return x.id < y.id; });
  return out;
}

status abort_transaction(brokers& b, const std::string& id) {
  kafka::describe_transactions_request d;
  d.transactional_ids.push_back(id);
  WEIR_ASSIGN(auto* coordinator, b.coordinator_of(brokers::keeps::transactions, id));
  WEIR_ASSIGN(auto described, coordinator->request(d));
  if (described.transaction_states.empty())
    return error{errc::parse, "transaction " + id + ": the broker's answer leaves it out"};
  const auto& t = described.transaction_states.front();
  WEIR_TRY(check(t.error_code, "transaction " + id));
  if (t.transaction_state != "Ongoing")
    return error{errc::locked, "transaction " + id + " is not open: its state is " +
                                   t.transaction_state + ", there is nothing to abort"};
  // The markers are written before the id is free: as many tries as fit into the time limit.
  constexpr auto pause = std::chrono::milliseconds(20);
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(admin_timeout_ms);
  for (;;) {
    kafka::init_producer_id_request q;
    q.transactional_id = id;
    q.transaction_timeout_ms = t.transaction_timeout_ms;
    WEIR_ASSIGN(coordinator, b.coordinator_of(brokers::keeps::transactions, id));
    WEIR_ASSIGN(auto a, coordinator->request(q));
    if (a.error_code == error_code::none) return {};
    if (!kafka::is_retriable(a.error_code) || std::chrono::steady_clock::now() > deadline)
      return refused(a.error_code, "transaction " + id);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace weir::streams
