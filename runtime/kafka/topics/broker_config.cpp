#include "runtime/kafka/topics/broker_config.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/base/assert.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/kafka/topics/topic_config.hpp"

namespace weir::kafka {
namespace {

constexpr value_rule boolean{config_type::boolean};
constexpr value_rule string{config_type::string};
constexpr value_rule int32_from(int64_t low) {
  return {config_type::int32, low};
}
constexpr value_rule int64_from(int64_t low) {
  return {config_type::int64, low};
}

constexpr int64_t segment_bytes_min = 1 << 20;  // as for every topic's segment.bytes
constexpr value_rule copies{config_type::int32, 1, 32};

// What is not a topic's default. Defaults are Kafka's, except where one node makes them senseless
// (replication factors) and where the documentation says so.
constexpr broker_config_definition own[] = {
    {"advertised.listeners", string, nullptr, "The addresses that clients are told to use."},
    {"auto.create.topics.enable", boolean, "true",
     "Whether a topic that is asked for and does not exist is created."},
    {"broker.id", int32_from(-1), "0", "This node's id, as node.id."},
    {"broker.rack", string, nullptr, "Where this node stands."},
    {"connections.max.idle.ms", int64_from(-1), "600000",
     "A connection that is idle for so long is closed."},
    {"default.replication.factor", copies, "3",
     "Copies of each partition by default; never more than there are nodes."},
    {"delete.topic.enable", boolean, "true", "Whether topics can be deleted."},
    {"fetch.max.bytes", int32_from(1024), "57671680", "The most bytes in one Fetch answer."},
    {"follower.replication.throttled.rate", int64_from(0), "0",
     "Bytes per second that this node copies of partitions that it has to catch up with; 0: no "
     "bound."},
    {"group.consumer.assignors",
     {config_type::list},
     "uniform,range",
     "Assignors of the consumer protocol; the first is the default."},
    {"group.consumer.heartbeat.interval.ms", int32_from(1), "5000",
     "How often members of the consumer protocol report."},
    {"group.consumer.max.size", int32_from(1), "2147483647", "The most members of a group."},
    {"group.consumer.session.timeout.ms", int32_from(1), "45000",
     "A member of the consumer protocol that is silent for so long is removed."},
    {"group.coordinator.rebalance.protocols",
     {config_type::list},
     "classic,consumer",
     "The group protocols that this node serves."},
    {"group.initial.rebalance.delay.ms", int32_from(0), "3000",
     "How long a new group waits for more members before its first assignment."},
    {"group.max.session.timeout.ms", int32_from(1), "1800000",
     "Upper limit of session.timeout.ms."},
    {"group.max.size", int32_from(1), "2147483647", "The most members of a classic group."},
    {"group.min.session.timeout.ms", int32_from(1), "6000", "Lower limit of session.timeout.ms."},
    {"listeners", string, nullptr, "The addresses that this node listens on."},
    {"log.cleaner.enable", boolean, "true", "Whether compacted topics are compacted."},
    {"log.dir", string, nullptr, "The folder of all data."},
    {"log.dirs", string, nullptr, "The folder of all data."},
    {"log.retention.check.interval.ms", int64_from(1), "300000",
     "How often segments are checked for what retention drops."},
    {"replica.rebuild.delay.ms", int64_from(0), "600000",
     "A node that is gone for so long has its replicas rebuilt on others; of the node that leads "
     "the "
     "metadata."},
    {"log.verify.on.start", boolean, "false",
     "Whether every record's checksum is verified when its partition is opened; damaged ones are "
     "set "
     "aside and reported with their offsets. Takes as long as reading everything."},
    {"max.connections", int32_from(1), "10000",
     "The most connections; fewer when the process may not open as many files."},
    {"max.connections.per.ip", int32_from(0), "2147483647", "The most connections of one address."},
    {"max.incremental.fetch.session.cache.slots", int32_from(0), "1000",
     "The most fetch sessions; clients without one send whole requests."},
    {"max.request.partition.size.limit", int32_from(1), "2000",
     "The most partitions in one DescribeTopicPartitions answer."},
    {"min.incremental.fetch.session.eviction.ms", int64_from(0), "120000",
     "A fetch session that was not used for so long makes room for another."},
    {"node.id", int32_from(0), "0", "This node's id."},
    {"num.partitions", int32_from(1), "1",
     "Partitions of a topic that is created without a number."},
    {"offset.metadata.max.bytes", int32_from(0), "4096", "The longest text of a committed offset."},
    {"offsets.retention.check.interval.ms", int64_from(1), "600000",
     "How often committed offsets are checked for expiry."},
    {"offsets.retention.minutes", int32_from(1), "10080",
     "How long an empty group's committed offsets are kept."},
    {"offsets.topic.num.partitions", int32_from(1), "50", "Partitions of __consumer_offsets."},
    {"offsets.topic.replication.factor", copies, "3", "Copies of __consumer_offsets."},
    {"offsets.topic.segment.bytes", int32_from(segment_bytes_min), "104857600",
     "Segments of __consumer_offsets."},
    {"process.roles", {config_type::list}, "broker,controller", "What this node does: everything."},
    {"producer.id.expiration.ms", int32_from(1), "86400000",
     "A producer's sequence numbers are forgotten after so long without a record."},
    {"quota.consumer.default", int64_from(1), nullptr,
     "Bytes per second that a client id without a quota of its own may fetch; unset: any."},
    {"quota.producer.default", int64_from(1), nullptr,
     "Bytes per second that a client id without a quota of its own may produce; unset: any."},
    {"replica.fetch.backoff.ms", int32_from(1), "1000",
     "The longest pause of copying a partition after errors."},
    {"replica.fetch.max.bytes", int32_from(1024), "1048576",
     "Bytes of one partition in one fetch from its leader."},
    {"replica.fetch.min.bytes", int32_from(1), "1",
     "Bytes that a leader waits for before it answers a follower."},
    {"replica.fetch.response.max.bytes", int32_from(1024), "10485760",
     "Bytes of all partitions in one fetch from their leader."},
    {"replica.fetch.wait.max.ms", int32_from(1), "500",
     "How long a leader waits for replica.fetch.min.bytes."},
    {"replica.lag.time.max.ms", int64_from(1), "30000",
     "A follower that has not caught up for so long is taken out of the in-sync set."},
    {"replica.socket.timeout.ms", int32_from(1), "30000",
     "How long a leader's answer may take beyond replica.fetch.wait.max.ms."},
    {"socket.request.max.bytes", int32_from(1), "104857600", "The largest request."},
    {"transaction.max.timeout.ms", int32_from(1), "900000", "Upper limit of a transaction's time."},
    {"transaction.partition.verification.enable", boolean, "true",
     "Whether a partition's leader asks for the first batch of a transaction if it has the "
     "partition."},
    {"transaction.state.log.min.isr", int32_from(1), "1",
     "min.insync.replicas of __transaction_state."},
    {"transaction.state.log.num.partitions", int32_from(1), "50",
     "Partitions of __transaction_state."},
    {"transaction.state.log.replication.factor", copies, "3", "Copies of __transaction_state."},
    {"transaction.state.log.segment.bytes", int32_from(segment_bytes_min), "104857600",
     "Segments of __transaction_state."},
    {"transactional.id.expiration.ms", int32_from(1), "604800000",
     "A transactional id without activity is forgotten after so long."},
};

value_rule rule_of(const topic_config_definition& topic, const broker_synonym& s) {
  // Hours and minutes are ints in Kafka; rolling takes at least one, jitter none, retention any.
  if (s.factor == 1) return topic.rule;
  int64_t low = std::numeric_limits<int64_t>::min();
  if (topic.name == "segment.ms") low = 1;
  if (topic.name == "segment.jitter.ms") low = 0;
  return {config_type::int32, low};
}

std::vector<broker_config_definition> make_table() {
  std::vector<broker_config_definition> all(std::begin(own), std::end(own));
  for (const auto& t : topic_config_definitions())
    for (const auto& s : t.synonyms)
      if (!s.name.empty()) all.push_back({s.name, rule_of(t, s), s.default_value, t.doc});
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

}  // namespace

std::span<const broker_config_definition> broker_config_definitions() {
  static const std::vector<broker_config_definition> table = make_table();
  return table;
}

const broker_config_definition* find_broker_config(std::string_view name) {
  auto all = broker_config_definitions();
  auto at = std::lower_bound(all.begin(), all.end(), name,
                             [](const auto& d, std::string_view n) { return d.name < n; });
  return at != all.end() && at->name == name ? &*at : nullptr;
}

result<broker_config> broker_config::make(const config_map& values) {
  broker_config made;
  for (const auto& [name, value] : values) {
    const auto* d = find_broker_config(name);
    if (d == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& known : broker_config_definitions()) names.push_back(known.name);
      return {errc::unknown_name,
              "there is no node configuration '" + name + "'" + nearest_hint(name, names)};
    }
    WEIR_ASSIGN(std::string canonical, canonical_value(name, d->rule, value));
    made.values_.emplace(name, std::move(canonical));
  }
  WEIR_TRY(check_topic_overrides({}, made));
  return made;
}

const std::string* broker_config::set_value(std::string_view name) const noexcept {
  auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

std::string_view broker_config::text(std::string_view name) const {
  if (const std::string* set = set_value(name)) return *set;
  const auto* d = find_broker_config(name);
  weir_assert(d != nullptr, "a node configuration that the table has");
  return d->default_value == nullptr ? std::string_view() : std::string_view(d->default_value);
}

int64_t broker_config::number(std::string_view name) const {
  std::string_view s = text(name);
  int64_t v = 0;
  auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), v);
  weir_assert(problem == std::errc() && end == s.data() + s.size(), "a number, by its definition");
  return v;
}

bool broker_config::flag(std::string_view name) const {
  return text(name) == "true";
}

}  // namespace weir::kafka
