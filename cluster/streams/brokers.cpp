#include "cluster/streams/brokers.hpp"

#include <algorithm>
#include <thread>

#include "runtime/io/address.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"

namespace weir::streams {
namespace {

using kafka::error_code;

errc kind_of(error_code e) {
  switch (e) {
    case error_code::unknown_topic_or_partition:
    case error_code::unknown_topic_id:
    case error_code::group_id_not_found:
    case error_code::transactional_id_not_found:
      return errc::not_found;
    case error_code::topic_already_exists:
      return errc::already_exists;
    case error_code::offset_out_of_range:
    case error_code::invalid_topic_exception:
    case error_code::invalid_partitions:
    case error_code::invalid_replication_factor:
    case error_code::invalid_config:
    case error_code::invalid_request:
    case error_code::invalid_record:
    case error_code::invalid_timestamp:
    case error_code::invalid_group_id:
    case error_code::invalid_replica_assignment:
    case error_code::policy_violation:
    case error_code::message_too_large:
    case error_code::record_list_too_large:
    case error_code::topic_deletion_disabled:
      return errc::invalid_argument;
    case error_code::non_empty_group:
    case error_code::group_subscribed_to_topic:
    case error_code::unknown_member_id:
    case error_code::invalid_txn_state:
      return errc::locked;
    case error_code::unsupported_version:
    case error_code::unsupported_for_message_format:
    case error_code::unsupported_compression_type:
      return errc::unsupported;
    case error_code::kafka_storage_error:
      return errc::io;
    case error_code::corrupt_message:
      return errc::corrupt;
    default:
      return kafka::is_retriable(e) ? errc::timeout : errc::internal;
  }
}

topic_facts facts_of(const kafka::metadata_response::topic& t) {
  topic_facts f;
  f.name = t.name.value_or("");
  f.id = t.topic_id;
  f.internal = t.is_internal;
  for (const auto& p : t.partitions)
    f.partitions.push_back(
        {p.partition_index, p.leader_id, p.replica_nodes, p.isr_nodes, p.error_code});
  std::sort(f.partitions.begin(), f.partitions.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  return f;
}

}  // namespace

error refused(error_code e, const std::string& what, const std::optional<std::string>& detail) {
  std::string text(detail && !detail->empty() ? std::string_view(*detail) : kafka::message_of(e));
  while (!text.empty() && text.back() == '.') text.pop_back();
  return {kind_of(e), what + ": " + text + " (" + std::string(kafka::to_string(e)) + ")"};
}

result<std::pair<std::string, uint16_t>> parse_address(const std::string& text) {
  WEIR_ASSIGN(auto at, split_address(text));
  return std::pair(std::move(at.host), at.port);
}

result<brokers> brokers::connect(const std::string& address, kafka::client_options options) {
  WEIR_ASSIGN(auto at, split_address(address));
  WEIR_ASSIGN(auto c, kafka::client::connect(at.host, at.port, options));
  return brokers(address, std::move(options), std::move(c));
}

status brokers::reconnect() {
  WEIR_ASSIGN(auto at, split_address(address_));
  auto c = kafka::client::connect(at.host, at.port, options_);
  for (auto n = nodes_.begin(); !c && n != nodes_.end(); ++n)
    if (auto other = kafka::client::connect(n->second.first, n->second.second, options_))
      c = std::move(other);
  if (!c) return c.err();
  *first_ = std::move(*c);
  others_.clear();
  return {};
}

result<kafka::client*> brokers::node(int32_t id) {
  if (nodes_.size() <= 1) return first_.get();
  auto known = others_.find(id);
  if (known != others_.end()) return known->second.get();
  auto where = nodes_.find(id);
  if (where == nodes_.end())
    return error{errc::timeout, address_ + ": node " + std::to_string(id) +
                                    " is asked for and is not there; try again"};
  WEIR_ASSIGN(auto c, kafka::client::connect(where->second.first, where->second.second, options_));
  auto& slot = others_[id];
  slot = std::make_unique<kafka::client>(std::move(c));
  return slot.get();
}

result<kafka::client*> brokers::leader(const topic_facts& t, int32_t partition) {
  if (partition < 0 || static_cast<size_t>(partition) >= t.partitions.size())
    return error{errc::not_found, "topic " + t.name + " has no partition " +
                                      std::to_string(partition) + ": there are " +
                                      std::to_string(t.partitions.size()) + ", from 0"};
  const int32_t id = t.partitions[static_cast<size_t>(partition)].leader;
  if (id < 0)
    return error{errc::timeout, "topic " + t.name + ", partition " + std::to_string(partition) +
                                    ": nobody leads it, since none of its replicas in sync is up"};
  return node(id);
}

void brokers::learn_nodes(const kafka::metadata_response& a) {
  nodes_.clear();
  for (const auto& b : a.brokers) nodes_[b.node_id] = {b.host, static_cast<uint16_t>(b.port)};
}

result<std::vector<kafka::client*>> brokers::all_nodes() {
  kafka::metadata_request q;
  q.topics.emplace();  // none
  q.allow_auto_topic_creation = false;
  WEIR_ASSIGN(auto a, ask(q));
  learn_nodes(a);
  std::vector<kafka::client*> out;
  for (const auto& b : a.brokers) {
    WEIR_ASSIGN(auto* c, node(b.node_id));
    out.push_back(c);
  }
  return out;
}

result<kafka::client*> brokers::coordinator_of(keeps what, const std::string& id) {
  kafka::find_coordinator_request q;
  q.key = id;
  q.key_type = static_cast<int8_t>(what);
  WEIR_ASSIGN(auto a, ask(q, 3));  // the newest that asks for one
  WEIR_TRY(check(a.error_code, (what == keeps::group ? "group " : "transaction ") + id,
                 a.error_message));
  if (!nodes_.contains(a.node_id)) WEIR_TRY(all_nodes());
  return node(a.node_id);
}

result<std::vector<topic_facts>> brokers::topics() {
  kafka::metadata_request q;
  q.topics.reset();
  q.allow_auto_topic_creation = false;
  WEIR_ASSIGN(auto a, ask(q));
  WEIR_TRY(check(a.error_code, "topics"));
  learn_nodes(a);
  std::vector<topic_facts> out;
  for (const auto& t : a.topics) out.push_back(facts_of(t));
  std::sort(out.begin(), out.end(), [](const auto& x, const auto& y) { return x.name < y.name; });
  return out;
}

result<topic_facts> brokers::topic(const std::string& name) {
  // Another node than the one that created it may learn of a topic a heartbeat later.
  constexpr auto news_limit = std::chrono::milliseconds(300);
  const auto deadline = std::chrono::steady_clock::now() + news_limit;
  for (;;) {
    kafka::metadata_request q;
    auto& asked = q.topics.emplace().emplace_back();
    asked.name = name;
    q.allow_auto_topic_creation = false;
    WEIR_ASSIGN(auto a, ask(q));
    learn_nodes(a);
    const auto e =
        a.topics.empty() ? error_code::unknown_topic_or_partition : a.topics.front().error_code;
    if (e == error_code::none) return facts_of(a.topics.front());
    if (e != error_code::unknown_topic_or_partition || std::chrono::steady_clock::now() > deadline)
      return refused(e, "topic " + name);
    std::this_thread::sleep_for(retry_pause);
  }
}

}  // namespace weir::streams
