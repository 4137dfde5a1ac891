#include "runtime/kafka/topics/topic_config.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "runtime/kafka/topics/broker_config.hpp"

using namespace weir;
using namespace weir::kafka;

namespace {

constexpr int64_t never = std::numeric_limits<int64_t>::max();

std::string canonical(std::string_view name, std::string_view value) {
  auto r = canonical_topic_value(name, value);
  return r ? *r : "! " + r.err().message;
}

broker_config node_of(const config_map& values) {
  auto r = broker_config::make(values);
  REQUIRE_MESSAGE(r.ok(), (r.ok() ? "" : r.err().message));
  return *r;
}

}  // namespace

TEST_CASE(
    "topic configurations: the table has Kafka 4.3's names, types and defaults, and durability") {
  struct row {
    const char* name;
    config_type type;
    const char* value;
  };
  // Kafka 4.3.1's LogConfig.configKeys(), in its order, and Weir's one.
  const row rows[] = {
      {"cleanup.policy", config_type::list, "delete"},
      {"compression.gzip.level", config_type::int32, "-1"},
      {"compression.lz4.level", config_type::int32, "9"},
      {"compression.type", config_type::string, "producer"},
      {"compression.zstd.level", config_type::int32, "3"},
      {"delete.retention.ms", config_type::int64, "86400000"},
      {"durability", config_type::string, "fsync"},
      {"file.delete.delay.ms", config_type::int64, "60000"},
      {"flush.messages", config_type::int64, "9223372036854775807"},
      {"flush.ms", config_type::int64, "9223372036854775807"},
      {"follower.replication.throttled.replicas", config_type::list, ""},
      {"index.interval.bytes", config_type::int32, "4096"},
      {"internal.segment.bytes", config_type::int32, nullptr},
      {"leader.replication.throttled.replicas", config_type::list, ""},
      {"local.retention.bytes", config_type::int64, "-2"},
      {"local.retention.ms", config_type::int64, "-2"},
      {"max.compaction.lag.ms", config_type::int64, "9223372036854775807"},
      {"max.message.bytes", config_type::int32, "1048588"},
      {"message.timestamp.after.max.ms", config_type::int64, "3600000"},
      {"message.timestamp.before.max.ms", config_type::int64, "9223372036854775807"},
      {"message.timestamp.type", config_type::string, "CreateTime"},
      {"min.cleanable.dirty.ratio", config_type::float64, "0.5"},
      {"min.compaction.lag.ms", config_type::int64, "0"},
      {"min.insync.replicas", config_type::int32, "1"},
      {"preallocate", config_type::boolean, "false"},
      {"remote.log.copy.disable", config_type::boolean, "false"},
      {"remote.log.delete.on.disable", config_type::boolean, "false"},
      {"remote.storage.enable", config_type::boolean, "false"},
      {"retention.bytes", config_type::int64, "-1"},
      {"retention.ms", config_type::int64, "604800000"},
      {"segment.bytes", config_type::int32, "1073741824"},
      {"segment.index.bytes", config_type::int32, "10485760"},
      {"segment.jitter.ms", config_type::int64, "0"},
      {"segment.ms", config_type::int64, "604800000"},
      {"unclean.leader.election.enable", config_type::boolean, "false"},
  };
  auto all = topic_config_definitions();
  REQUIRE(all.size() == std::size(rows));
  for (size_t i = 0; i < all.size(); ++i) {
    CAPTURE(rows[i].name);
    CHECK(all[i].name == rows[i].name);
    CHECK(all[i].rule.type == rows[i].type);
    CHECK_FALSE(all[i].doc.empty());
    CHECK(find_topic_config(all[i].name) == &all[i]);
    if (rows[i].value == nullptr) {
      CHECK(all[i].default_value == nullptr);
      continue;
    }
    CHECK(std::string_view(all[i].default_value) == rows[i].value);
    CHECK(canonical(all[i].name, all[i].default_value) == rows[i].value);
  }
  CHECK(find_topic_config("message.format.version") == nullptr);
}

TEST_CASE("topic configurations: values are taken in canonical form or refused with Kafka's text") {
  struct row {
    const char* name;
    const char* value;
    const char* expected;
  };
  const row rows[] = {
      {"retention.ms", " 5 ", "5"},
      {"retention.ms", "+5", "5"},
      {"retention.ms", "-1", "-1"},
      {"retention.ms", "-2",
       "! Invalid value -2 for configuration retention.ms: Value must be at least -1"},
      {"retention.ms", "soon",
       "! Invalid value soon for configuration retention.ms: Not a number of type LONG"},
      {"retention.ms", "",
       "! Invalid value  for configuration retention.ms: Not a number of type LONG"},
      {"retention.ms", "9223372036854775808",
       "! Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type "
       "LONG"},
      {"retention.bytes", "-77", "-77"},
      {"segment.bytes", "1048576", "1048576"},
      {"segment.bytes", "1048575",
       "! Invalid value 1048575 for configuration segment.bytes: Value must be at least 1048576"},
      {"segment.bytes", "2147483648",
       "! Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"},
      {"internal.segment.bytes", "100", "100"},
      {"max.message.bytes", "-1",
       "! Invalid value -1 for configuration max.message.bytes: Value must be at least 0"},
      {"compression.type", "zstd", "zstd"},
      {"compression.type", "none",
       "! Invalid value none for configuration compression.type: String must be one of: "
       "uncompressed, zstd, lz4, snappy, gzip, producer"},
      {"compression.gzip.level", "-1", "-1"},
      {"compression.gzip.level", "0",
       "! Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 "
       "or "
       "equal to -1"},
      {"compression.lz4.level", "18",
       "! Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
      {"compression.zstd.level", "-131073",
       "! Invalid value -131073 for configuration compression.zstd.level: Value must be at least "
       "-131072"},
      {"cleanup.policy", "compact , delete", "compact,delete"},
      {"cleanup.policy", "", ""},
      {"cleanup.policy", "compact,compact",
       "! Configuration 'cleanup.policy' values must not be duplicated."},
      {"cleanup.policy", "compact,", "! Configuration 'cleanup.policy' values must not be empty."},
      {"cleanup.policy", "burn",
       "! Invalid value burn for configuration cleanup.policy: String must be one of: compact, "
       "delete"},
      {"preallocate", "TRUE", "true"},
      {"preallocate", "yes",
       "! Invalid value yes for configuration preallocate: Expected value to be either true or "
       "false"},
      {"min.cleanable.dirty.ratio", "1", "1.0"},
      {"min.cleanable.dirty.ratio", ".25", "0.25"},
      {"min.cleanable.dirty.ratio", "1.5",
       "! Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more "
       "than "
       "1"},
      {"min.cleanable.dirty.ratio", "nan",
       "! Invalid value nan for configuration min.cleanable.dirty.ratio: Not a number of type "
       "DOUBLE"},
      {"message.timestamp.type", "LogAppendTime", "LogAppendTime"},
      {"message.timestamp.type", "logappendtime",
       "! Invalid value logappendtime for configuration message.timestamp.type: String must be one "
       "of: CreateTime, LogAppendTime"},
      {"leader.replication.throttled.replicas", "*", "*"},
      {"leader.replication.throttled.replicas", "0:1, 1:0", "0:1,1:0"},
      {"leader.replication.throttled.replicas", "0",
       "! Invalid value 0 for configuration leader.replication.throttled.replicas: "
       "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the "
       "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
      {"durability", "os", "os"},
      {"durability", "maybe",
       "! Invalid value maybe for configuration durability: String must be one of: fsync, os"},
      {"message.downconversion.enable", "true",
       "! Unknown topic config name: message.downconversion.enable"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.name);
    CHECK(canonical(r.name, r.value) == r.expected);
  }
  std::string long_value(config_value_bytes_max + 1, '1');
  CHECK(canonical("compression.type", long_value) ==
        "! Invalid value for configuration compression.type: it has 32769 bytes, at most 32768 are "
        "taken");
}

TEST_CASE(
    "topic configurations: the parsed view takes the topic's value, the node's, the default") {
  broker_config node = node_of({{"log.retention.hours", "2"},
                                {"log.roll.ms", "1000"},
                                {"log.roll.hours", "5"},
                                {"log.durability", "os"}});
  topic_settings plain = resolve_topic_settings({}, node);
  CHECK(plain.remove);
  CHECK_FALSE(plain.compact);
  CHECK(plain.retention_ms == 7'200'000);
  CHECK(plain.segment_ms == 1000);
  CHECK(plain.segment_bytes == 1 << 30);
  CHECK(plain.durability == topic_durability::os);
  CHECK(plain.timestamp_after_max_ms == 3'600'000);
  CHECK(plain.timestamp_before_max_ms == never);
  CHECK(plain.max_message_bytes == 1048588);

  topic_settings s = resolve_topic_settings({{"cleanup.policy", "compact"},
                                             {"retention.ms", "-1"},
                                             {"internal.segment.bytes", "4096"},
                                             {"compression.type", "lz4"},
                                             {"message.timestamp.type", "LogAppendTime"},
                                             {"min.cleanable.dirty.ratio", "0.1"},
                                             {"min.compaction.lag.ms", "7"},
                                             {"durability", "fsync"}},
                                            node);
  CHECK(s.compact);
  CHECK_FALSE(s.remove);
  CHECK(s.retention_ms == -1);
  CHECK(s.segment_bytes == 4096);
  CHECK(s.compression == topic_compression::lz4);
  CHECK(s.timestamps == topic_timestamps::log_append_time);
  CHECK(s.min_cleanable_dirty_ratio == doctest::Approx(0.1));
  CHECK(s.min_compaction_lag_ms == 7);
  CHECK(s.durability == topic_durability::fsync);

  topic_settings kept = resolve_topic_settings({{"cleanup.policy", ""}}, node);
  CHECK_FALSE(kept.compact);
  CHECK_FALSE(kept.remove);
}

TEST_CASE("topic configurations: what several values violate together") {
  broker_config node;
  CHECK(check_topic_overrides({}, node).ok());
  auto lags = check_topic_overrides(
      {{"min.compaction.lag.ms", "10"}, {"max.compaction.lag.ms", "9"}}, node);
  CHECK(lags.err().message ==
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (9)");
  broker_config strict = node_of({{"log.cleaner.max.compaction.lag.ms", "9"}});
  CHECK_FALSE(check_topic_overrides({{"min.compaction.lag.ms", "10"}}, strict).ok());
  auto tiered = check_topic_overrides({{"remote.storage.enable", "true"}}, node);
  CHECK(tiered.err().message ==
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
        "remote log storage.");
}

TEST_CASE("node configuration: defaults, refusals, and the same defaults as the topics'") {
  broker_config node;
  CHECK(node.number("num.partitions") == 1);
  CHECK(node.flag("auto.create.topics.enable"));
  CHECK(node.text("log.cleanup.policy") == "delete");
  CHECK(node.text("log.retention.ms").empty());
  CHECK(node.set_value("num.partitions") == nullptr);
  CHECK(node_of({{"num.partitions", "6"}}).number("num.partitions") == 6);

  CHECK(broker_config::make({{"num.partition", "6"}}).err().message ==
        "there is no node configuration 'num.partition'; did you mean \"num.partitions\"?");
  CHECK(broker_config::make({{"log.roll.hours", "0"}}).err().message ==
        "Invalid value 0 for configuration log.roll.hours: Value must be at least 1");
  CHECK_FALSE(broker_config::make({{"log.cleaner.min.compaction.lag.ms", "5"},
                                   {"log.cleaner.max.compaction.lag.ms", "4"}})
                  .ok());

  auto all = broker_config_definitions();
  CHECK(std::adjacent_find(all.begin(), all.end(), [](const auto& a, const auto& b) {
          return a.name >= b.name;
        }) == all.end());
  for (const auto& d : all) {
    CAPTURE(d.name);
    if (d.default_value != nullptr)
      CHECK(canonical_value(d.name, d.rule, d.default_value).value() == d.default_value);
  }
  // Naming a default in the node's file changes nothing for a topic but the value's source.
  for (const auto& t : topic_config_definitions())
    for (const auto& s : t.synonyms) {
      if (s.default_value == nullptr) continue;
      CAPTURE(s.name);
      auto v = resolve_topic_value(t, {}, node_of({{std::string(s.name), s.default_value}}));
      CHECK(v.value == t.default_value);
      CHECK(v.source == config_source::static_broker);
    }
}
