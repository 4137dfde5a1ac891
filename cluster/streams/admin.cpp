#include "cluster/streams/admin.hpp"

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

}  // namespace

std::vector<int32_t> all_partitions(const topic_facts& t) {
  std::vector<int32_t> out;
  for (const auto& p : t.partitions) out.push_back(p.index);
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
  std::map<int32_t, std::vector<int32_t>> by_leader;
  for (auto p : partitions) {
    if (p < 0 || static_cast<size_t>(p) >= t.partitions.size())
      return error{errc::not_found, partition_text(t.name, p) + ": there is none; it has " +
                                        std::to_string(t.partitions.size())};
    by_leader[t.partitions[static_cast<size_t>(p)].leader].push_back(p);
  }
  std::map<int32_t, offset_at> found;
  for (const auto& [leader, list] : by_leader) {
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
    WEIR_ASSIGN(auto* node, b.node(leader));
    WEIR_ASSIGN(auto a, node->request(q));
    for (const auto& topic : a.topics)
      for (const auto& p : topic.partitions) {
        WEIR_TRY(check(p.error_code, partition_text(t.name, p.partition_index)));
        found[p.partition_index] = {p.partition_index, p.offset, p.timestamp};
      }
  }
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
  std::map<int32_t, std::vector<std::pair<int32_t, int64_t>>> by_leader;
  for (auto [p, offset] : before) {
    if (p < 0 || static_cast<size_t>(p) >= t.partitions.size())
      return error{errc::not_found, partition_text(t.name, p) + ": there is none; it has " +
                                        std::to_string(t.partitions.size())};
    by_leader[t.partitions[static_cast<size_t>(p)].leader].emplace_back(p, offset);
  }
  std::map<int32_t, int64_t> out;
  for (const auto& [leader, list] : by_leader) {
    kafka::delete_records_request q;
    auto& asked = q.topics.emplace_back();
    asked.name = t.name;
    for (auto [p, offset] : list) asked.partitions.push_back({p, offset});
    q.timeout_ms = admin_timeout_ms;
    WEIR_ASSIGN(auto* node, b.node(leader));
    WEIR_ASSIGN(auto a, node->request(q));
    for (const auto& topic : a.topics)
      for (const auto& p : topic.partitions) {
        WEIR_TRY(check(p.error_code, partition_text(t.name, p.partition_index)));
        out[p.partition_index] = p.low_watermark;
      }
  }
  return out;
}

result<partition_sizes> sizes_of(brokers& b, const std::vector<topic_facts>& topics) {
  std::map<int32_t, std::map<std::string, std::vector<int32_t>>> by_leader;
  for (const auto& t : topics)
    for (const auto& p : t.partitions) by_leader[p.leader][t.name].push_back(p.index);
  partition_sizes out;
  for (const auto& [leader, asked] : by_leader) {
    kafka::describe_log_dirs_request q;
    q.topics.emplace();
    for (const auto& [name, partitions] : asked) q.topics->push_back({name, partitions});
    WEIR_ASSIGN(auto* node, b.node(leader));
    WEIR_ASSIGN(auto a, node->request(q));
    for (const auto& r : a.results) {
      WEIR_TRY(check(r.error_code, "log folder " + r.log_dir));
      for (const auto& t : r.topics)
        for (const auto& p : t.partitions) out[{t.name, p.partition_index}] = p.partition_size;
    }
  }
  return out;
}

result<std::vector<producer_facts>> producers_of(brokers& b, const topic_facts& t) {
  std::map<int32_t, std::vector<int32_t>> by_leader;
  for (const auto& p : t.partitions) by_leader[p.leader].push_back(p.index);
  std::vector<producer_facts> out;
  for (const auto& [leader, list] : by_leader) {
    kafka::describe_producers_request q;
    q.topics.push_back({t.name, list});
    WEIR_ASSIGN(auto* node, b.node(leader));
    WEIR_ASSIGN(auto a, node->request(q));
    for (const auto& topic : a.topics)
      for (const auto& p : topic.partitions) {
        WEIR_TRY(check(p.error_code, partition_text(t.name, p.partition_index), p.error_message));
        for (const auto& x : p.active_producers)
          out.push_back({p.partition_index, x.producer_id, x.producer_epoch, x.last_sequence,
                         x.last_timestamp, x.current_txn_start_offset});
      }
  }
  return out;
}

result<std::vector<transaction_facts>> transactions(brokers& b, int64_t longer_ms) {
  kafka::list_transactions_request q;
  q.duration_filter = longer_ms;
  WEIR_ASSIGN(auto a, b.ask(q));
  WEIR_TRY(check(a.error_code, "transactions"));
  std::vector<transaction_facts> out;
  kafka::describe_transactions_request d;
  for (const auto& t : a.transaction_states) d.transactional_ids.push_back(t.transactional_id);
  if (d.transactional_ids.empty()) return out;
  WEIR_ASSIGN(auto described, b.ask(d));
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
  return out;
}

status abort_transaction(brokers& b, const std::string& id) {
  kafka::describe_transactions_request d;
  d.transactional_ids.push_back(id);
  WEIR_ASSIGN(auto described, b.ask(d));
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
    WEIR_ASSIGN(auto a, b.ask(q));
    if (a.error_code == error_code::none) return {};
    if (!kafka::is_retriable(a.error_code) || std::chrono::steady_clock::now() > deadline)
      return refused(a.error_code, "transaction " + id);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace weir::streams
