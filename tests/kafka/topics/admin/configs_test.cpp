#include "runtime/kafka/topics/admin/configs.hpp"

#include "runtime/kafka/topics/topic_config.hpp"
#include "tests/kafka/topics/admin/fixture.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

namespace {

constexpr int8_t on_topic = 2;
constexpr int8_t on_broker = 4;

describe_configs_response describe(cluster& c, int8_t type, std::string name,
                                   std::vector<std::string> keys = {}) {
  describe_configs_request request;
  describe_configs_request::resource r;
  r.resource_type = type;
  r.resource_name = std::move(name);
  if (!keys.empty()) r.configuration_keys = std::move(keys);
  request.resources.push_back(std::move(r));
  request.include_synonyms = request.include_documentation = true;
  auto response = answer_describe_configs(request, c.catalog, c.node, c.facts(4));
  check_wire(response);
  return response;
}

/// "name=value/source [synonym=value/source ...]"
std::string entry(const describe_configs_response& response, std::string_view name) {
  for (const auto& e : response.results.at(0).configs) {
    if (e.name != name) continue;
    std::string out =
        e.name + "=" + e.value.value_or("(null)") + "/" + std::to_string(e.config_source);
    for (const auto& s : e.synonyms)
      out += " " + s.name + "=" + s.value.value_or("(null)") + "/" + std::to_string(s.source);
    return out;
  }
  return "(absent)";
}

struct op {
  std::string name;
  int8_t operation;
  std::optional<std::string> value;
};

incremental_alter_configs_request incremental(int8_t type, std::string name, std::vector<op> ops) {
  incremental_alter_configs_request request;
  incremental_alter_configs_request::resource r;
  r.resource_type = type;
  r.resource_name = std::move(name);
  for (auto& o : ops) {
    incremental_alter_configs_request::config c;
    c.name = std::move(o.name);
    c.config_operation = o.operation;
    c.value = std::move(o.value);
    r.configs.push_back(std::move(c));
  }
  request.resources.push_back(std::move(r));
  return request;
}

alter_configs_request whole(int8_t type, std::string name, config_map values) {
  alter_configs_request request;
  alter_configs_request::resource r;
  r.resource_type = type;
  r.resource_name = std::move(name);
  for (auto& [key, value] : values) {
    alter_configs_request::config c;
    c.name = key;
    c.value = value;
    r.configs.push_back(std::move(c));
  }
  request.resources.push_back(std::move(r));
  return request;
}

}  // namespace

TEST_CASE("DescribeConfigs: a topic's values, their sources and synonyms") {
  cluster c(config_map{{"log.segment.bytes", "2097152"}, {"log.retention.minutes", "10"}});
  auto r = describe(c, on_topic, "orders");
  REQUIRE(r.results.size() == 1);
  CHECK(outcome(r.results[0]) == "NONE");
  CHECK(r.results[0].resource_name == "orders");
  CHECK(r.results[0].resource_type == on_topic);
  CHECK(r.results[0].configs.size() == topic_config_definitions().size() - 1);
  CHECK(entry(r, "retention.ms") ==
        "retention.ms=1000/1 retention.ms=1000/1 log.retention.minutes=10/4 "
        "log.retention.hours=168/5");
  CHECK(entry(r, "segment.bytes") ==
        "segment.bytes=2097152/4 log.segment.bytes=2097152/4 log.segment.bytes=1073741824/5");
  CHECK(entry(r, "cleanup.policy") == "cleanup.policy=delete/5 log.cleanup.policy=delete/5");
  CHECK(entry(r, "remote.storage.enable") == "remote.storage.enable=false/5");
  CHECK(entry(r, "durability") == "durability=fsync/5 log.durability=fsync/5");
  CHECK(entry(r, "internal.segment.bytes") == "(absent)");
  for (const auto& e : r.results[0].configs) {
    CHECK_FALSE(e.read_only);
    CHECK_FALSE(e.is_sensitive);
    CHECK(e.config_type != 0);
    CHECK(e.documentation.has_value());
  }
  auto some = describe(c, on_topic, "clicks", {"retention.ms", "nonsense"});
  REQUIRE(some.results[0].configs.size() == 1);
  CHECK(entry(some, "retention.ms") ==
        "retention.ms=600000/4 log.retention.minutes=10/4 log.retention.hours=168/5");

  describe_configs_request bare;
  bare.resources.resize(1);
  bare.resources[0].resource_type = on_topic;
  bare.resources[0].resource_name = "clicks";
  auto plain = answer_describe_configs(bare, c.catalog, c.node, c.facts(1));
  CHECK(plain.results[0].configs[0].synonyms.empty());
  CHECK_FALSE(plain.results[0].configs[0].documentation.has_value());
}

TEST_CASE("DescribeConfigs: a node's values are read-only") {
  cluster c(config_map{{"node.id", "7"}, {"log.retention.minutes", "10"}});
  auto r = describe(c, on_broker, "7");
  CHECK(outcome(r.results[0]) == "NONE");
  CHECK(r.results[0].configs.size() == broker_config_definitions().size());
  CHECK(entry(r, "node.id") == "node.id=7/4 node.id=7/4 node.id=0/5");
  CHECK(entry(r, "num.partitions") == "num.partitions=1/5 num.partitions=1/5");
  CHECK(entry(r, "listeners") == "listeners=(null)/5");
  CHECK(entry(r, "log.retention.ms") ==
        "log.retention.ms=(null)/4 log.retention.minutes=10/4 log.retention.hours=168/5");
  for (const auto& e : r.results[0].configs) CHECK(e.read_only);
  CHECK(describe(c, on_broker, "").results[0].configs.empty());
}

TEST_CASE("DescribeConfigs: errors, with Kafka's texts") {
  struct row {
    int8_t type;
    const char* name;
    const char* expected;
  };
  const row rows[] = {
      {on_topic, "nothing",
       "UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition."},
      {on_topic, "a b",
       "INVALID_TOPIC_EXCEPTION: Topic name is invalid: 'a b' contains one or more characters "
       "other than ASCII alphanumerics, '.', '_' and '-'"},
      {on_broker, "8",
       "INVALID_REQUEST: Unexpected broker id, expected 7 or empty string, but received 8"},
      {on_broker, "x", "INVALID_REQUEST: Node id must be an integer, but it is: x"},
      {8, "", "INVALID_REQUEST: Broker id must not be empty"},
      {8, "8", "INVALID_REQUEST: Unexpected broker id, expected 7 but received 8"},
      {8, "7", "NONE"},
      {16, "", "INVALID_REQUEST: Client metrics subscription name must not be empty"},
      {32, "my-group", "NONE"},
      {3, "x", "INVALID_REQUEST: Unsupported resource type: 3"},
  };
  cluster c;
  for (const auto& r : rows) {
    auto response = describe(c, r.type, r.name);
    CHECK(outcome(response.results[0]) == r.expected);
    CHECK(response.results[0].configs.empty());
  }
}

TEST_CASE("IncrementalAlterConfigs: set, delete, append, subtract") {
  cluster c;
  auto alter = [&](std::vector<op> ops) {
    auto a = answer_incremental_alter_configs(incremental(on_topic, "orders", std::move(ops)),
                                              c.catalog, c.node, c.facts(1));
    check_wire(a.response);
    CHECK(outcome(a.response.responses.at(0)) == "NONE");
    c.apply(a.commands);
    return a.commands.size();
  };
  CHECK(alter({{"segment.ms", 0, " 77 "}, {"durability", 0, "os"}}) == 1);
  CHECK(c.catalog.find("orders")->configs ==
        config_map{{"durability", "os"}, {"retention.ms", "1000"}, {"segment.ms", "77"}});
  CHECK(alter({{"retention.ms", 1, std::nullopt}, {"durability", 1, ""}}) == 1);
  CHECK(c.catalog.find("orders")->configs == config_map{{"segment.ms", "77"}});
  CHECK(alter({{"cleanup.policy", 2, "compact"}}) == 1);  // to the default
  CHECK(c.catalog.find("orders")->configs.at("cleanup.policy") == "delete,compact");
  CHECK(alter({{"cleanup.policy", 2, "compact"}}) == 0);
  CHECK(alter({{"cleanup.policy", 3, "delete"}}) == 1);
  CHECK(c.catalog.find("orders")->configs.at("cleanup.policy") == "compact");
  CHECK(alter({{"segment.ms", 0, "77"}}) == 0);
  CHECK(alter({{"no.such", 1, std::nullopt}}) == 0);
  CHECK(c.catalog.find("clicks")->configs.empty());

  auto dry = incremental(on_topic, "orders", {{"segment.ms", 0, "1"}});
  dry.validate_only = true;
  CHECK(answer_incremental_alter_configs(dry, c.catalog, c.node, c.facts(1)).commands.empty());
}

TEST_CASE("IncrementalAlterConfigs: errors, with Kafka's texts") {
  struct row {
    int8_t type;
    const char* name;
    std::vector<op> ops;
    const char* expected;
  };
  const row rows[] = {
      {on_topic,
       "orders",
       {{"no.such", 0, "1"}},
       "INVALID_CONFIG: Unknown topic config name: no.such"},
      {on_topic,
       "orders",
       {{"retention.ms", 0, "x"}},
       "INVALID_CONFIG: Invalid value x for configuration retention.ms: Not a number of type LONG"},
      {on_topic,
       "orders",
       {{"retention.ms", 2, "1"}},
       "INVALID_CONFIG: Can't APPEND to key retention.ms because its type is not LIST."},
      {on_topic,
       "orders",
       {{"no.such", 3, "1"}},
       "INVALID_CONFIG: Can't SUBTRACT to key no.such because its type is not LIST."},
      {on_topic,
       "orders",
       {{"retention.ms", 0, std::nullopt}, {"segment.ms", 0, std::nullopt}},
       "INVALID_REQUEST: Null value not supported for : retention.ms, segment.ms"},
      {on_topic,
       "orders",
       {{"retention.ms", 0, "1"}, {"retention.ms", 1, std::nullopt}},
       "INVALID_REQUEST: Error due to duplicate config keys"},
      {on_topic,
       "orders",
       {{"retention.ms", 9, "1"}},
       "INVALID_REQUEST: Unknown operations type 9 for retention.ms: use 0 (set), 1 (delete), 2 "
       "(append) or 3 (subtract)"},
      {on_topic,
       "nothing",
       {{"retention.ms", 0, "1"}},
       "UNKNOWN_TOPIC_OR_PARTITION: The topic 'nothing' does not exist."},
      {on_topic,
       "",
       {{"retention.ms", 0, "1"}},
       "INVALID_REQUEST: Default topic resources are not allowed."},
      {on_topic,
       "orders",
       {{"max.compaction.lag.ms", 0, "1"}, {"min.compaction.lag.ms", 0, "2"}},
       "INVALID_CONFIG: conflict topic config setting min.compaction.lag.ms (2) > "
       "max.compaction.lag.ms (1)"},
      {on_topic,
       "__consumer_offsets",
       {{"cleanup.policy", 0, "delete"}},
       "INVALID_CONFIG: Topic '__consumer_offsets' is internal and must stay compacted: keep "
       "compact in its cleanup.policy"},
      {on_broker,
       "7",
       {{"log.dirs", 0, "/x"}, {"num.partitions", 0, "2"}},
       "INVALID_REQUEST: Cannot update these configs dynamically: log.dirs,num.partitions. Set "
       "them in the node's file and start it again."},
      {on_broker,
       "8",
       {{"log.dirs", 0, "/x"}},
       "INVALID_REQUEST: Unexpected broker id, expected 7, but received 8"},
      {on_broker, "", {}, "NONE"},
      {8,
       "7",
       {{"root", 0, "DEBUG"}},
       "INVALID_REQUEST: Loggers cannot be changed here: set the log level in the node's file."},
      {5, "x", {}, "INVALID_REQUEST: Unknown resource type 5"},
  };
  cluster c;
  for (const auto& r : rows) {
    auto a = answer_incremental_alter_configs(incremental(r.type, r.name, r.ops), c.catalog, c.node,
                                              c.facts(1));
    CHECK(outcome(a.response.responses.at(0)) == r.expected);
    CHECK(a.commands.empty());
  }
  auto twice = incremental(on_topic, "orders", {{"segment.ms", 0, "1"}});
  twice.resources.push_back(twice.resources[0]);
  auto a = answer_incremental_alter_configs(twice, c.catalog, c.node, c.facts(1));
  REQUIRE(a.response.responses.size() == 2);
  CHECK(outcome(a.response.responses[1]) ==
        "INVALID_REQUEST: Each resource must appear at most once.");
  CHECK(a.commands.empty());
}

TEST_CASE("AlterConfigs replaces all that a topic overrides") {
  cluster c;
  auto a = answer_alter_configs(whole(on_topic, "orders", {{"segment.ms", "9"}}), c.catalog, c.node,
                                c.facts(2));
  CHECK(outcome(a.response.responses.at(0)) == "NONE");
  check_wire(a.response);
  c.apply(a.commands);
  CHECK(c.catalog.find("orders")->configs == config_map{{"segment.ms", "9"}});
  auto none = answer_alter_configs(whole(on_topic, "orders", {}), c.catalog, c.node, c.facts(2));
  c.apply(none.commands);
  CHECK(c.catalog.find("orders")->configs.empty());
  CHECK(outcome(answer_alter_configs(whole(on_topic, "nothing", {}), c.catalog, c.node, c.facts(2))
                    .response.responses[0]) ==
        "UNKNOWN_TOPIC_OR_PARTITION: The topic 'nothing' does not exist.");
  fail_all(a.response, {error_code::kafka_storage_error, "no space"});
  CHECK(outcome(a.response.responses[0]) == "KAFKA_STORAGE_ERROR: no space");
}

TEST_CASE("ListConfigResources: what has a configuration") {
  cluster c;
  auto listed = [&](std::vector<int8_t> types, int16_t version) {
    list_config_resources_request request;
    request.resource_types = std::move(types);
    auto r = answer_list_config_resources(request, c.catalog, c.node, c.facts(version));
    check_wire(r);
    std::string out(to_string(r.error_code));
    for (const auto& e : r.config_resources)
      out += " " + std::to_string(e.resource_type) + ":" + e.resource_name;
    return out;
  };
  CHECK(listed({}, 0) == "NONE");
  CHECK(listed({}, 1) == "NONE 2:__consumer_offsets 2:clicks 2:orders 4:7 8:7");
  CHECK(listed({4, 16, 32}, 1) == "NONE 4:7");
  CHECK(listed({2, 3}, 1) == "UNSUPPORTED_VERSION");
}
