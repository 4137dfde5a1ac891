#include "runtime/kafka/topics/admin/topics.hpp"

#include <algorithm>

#include "runtime/kafka/topics/topic_config.hpp"
#include "tests/kafka/topics/admin/fixture.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

namespace {

using new_topic = create_topics_request::topic;
const uuid none;

new_topic topic(std::string name, int32_t partitions = 1, int16_t replicas = 1) {
  new_topic t;
  t.name = std::move(name);
  t.num_partitions = partitions;
  t.replication_factor = replicas;
  return t;
}

new_topic with_config(new_topic t, std::string name, std::optional<std::string> value) {
  create_topics_request::config c;
  c.name = std::move(name);
  c.value = std::move(value);
  t.configs.push_back(std::move(c));
  return t;
}

new_topic assigned(std::vector<std::pair<int32_t, std::vector<int32_t>>> assignments,
                   int32_t partitions = -1, int16_t replicas = -1) {
  new_topic t = topic("assigned", partitions, replicas);
  for (auto& [index, brokers] : assignments) {
    create_topics_request::assignment a;
    a.partition_index = index;
    a.broker_ids = std::move(brokers);
    t.assignments.push_back(std::move(a));
  }
  return t;
}

admin_answer<create_topics_response> create(cluster& c, std::vector<new_topic> topics,
                                            int16_t version = 7, bool validate_only = false) {
  create_topics_request request;
  request.topics = std::move(topics);
  request.validate_only = validate_only;
  return answer_create_topics(request, c.catalog, c.node, c.facts(version));
}

admin_answer<delete_topics_response> remove(
    cluster& c, std::vector<std::pair<std::optional<std::string>, uuid>> topics,
    int16_t version = 6) {
  delete_topics_request request;
  for (auto& [name, id] : topics) {
    if (version < 6) {
      request.topic_names.push_back(*name);
      continue;
    }
    delete_topics_request::topic t;
    t.name = name;
    t.topic_id = id;
    request.topics.push_back(std::move(t));
  }
  return answer_delete_topics(request, c.catalog, c.node, c.facts(version));
}

}  // namespace

TEST_CASE("CreateTopics: what clients rely on when it works") {
  cluster c(config_map{{"num.partitions", "4"}, {"log.retention.hours", "1"}});
  auto a = create(c, {with_config(topic("fresh", -1, -1), "cleanup.policy", " compact , delete "),
                      topic("second", 2, 1), assigned({{1, {7}}, {0, {7}}})});
  REQUIRE(a.response.topics.size() == 3);
  const auto& fresh = a.response.topics[0];
  CHECK(outcome(fresh) == "NONE");
  CHECK(fresh.name == "fresh");
  CHECK(fresh.topic_id == id_of(100));
  CHECK(fresh.num_partitions == 4);
  CHECK(fresh.replication_factor == 1);
  CHECK(fresh.topic_config_error_code == error_code::none);
  REQUIRE(fresh.configs.has_value());
  CHECK(fresh.configs->size() == topic_config_definitions().size() - 1);  // not the internal one
  auto config = [&](std::string_view name) {
    auto at = std::find_if(fresh.configs->begin(), fresh.configs->end(),
                           [&](const auto& e) { return e.name == name; });
    REQUIRE(at != fresh.configs->end());
    return *at->value + "/" + std::to_string(at->config_source);
  };
  CHECK(config("cleanup.policy") == "compact,delete/1");
  CHECK(config("retention.ms") == "3600000/4");
  CHECK(config("segment.bytes") == "1073741824/5");
  CHECK(std::is_sorted(fresh.configs->begin(), fresh.configs->end(),
                       [](const auto& x, const auto& y) { return x.name < y.name; }));
  CHECK(a.response.topics[2].num_partitions == 2);

  c.apply(a.commands);
  CHECK(c.catalog.find("fresh")->id == id_of(100));
  CHECK(c.catalog.find("fresh")->created_ms == 5000);
  CHECK(c.catalog.find("fresh")->partitions.size() == 4);
  CHECK(c.catalog.find("fresh")->configs == config_map{{"cleanup.policy", "compact,delete"}});
  check_wire(a.response);
  CHECK(create(c, {topic("old")}, 4).response.topics[0].configs->empty());
}

TEST_CASE("CreateTopics: validate_only answers the same and makes nothing") {
  cluster c;
  auto a = create(c, {topic("x", 3), topic("orders")}, 7, true);
  CHECK(a.commands.empty());
  CHECK(outcome(a.response.topics[0]) == "NONE");
  CHECK(a.response.topics[0].num_partitions == 3);
  CHECK(a.response.topics[0].topic_id.is_zero());
  CHECK(outcome(a.response.topics[1]) == "TOPIC_ALREADY_EXISTS: Topic 'orders' already exists.");
}

TEST_CASE("CreateTopics: errors, with Kafka's texts") {
  struct row {
    new_topic topic;
    const char* expected;
  };
  const row rows[] = {
      {topic("orders"), "TOPIC_ALREADY_EXISTS: Topic 'orders' already exists."},
      {topic("__consumer_offsets"),
       "TOPIC_ALREADY_EXISTS: Topic '__consumer_offsets' already exists."},
      {topic("__transaction_state"),
       "INVALID_REQUEST: Creation of internal topic __transaction_state is prohibited."},
      {topic("__cluster_metadata"),
       "INVALID_REQUEST: Creation of internal topic __cluster_metadata is prohibited."},
      {topic(""),
       "INVALID_TOPIC_EXCEPTION: Topic name is invalid: the empty string is not allowed"},
      {topic(".."), "INVALID_TOPIC_EXCEPTION: Topic name is invalid: '..' is not allowed"},
      {topic("what?"),
       "INVALID_TOPIC_EXCEPTION: Topic name is invalid: 'what?' contains one or more characters "
       "other than ASCII alphanumerics, '.', '_' and '-'"},
      {topic("x", 0),
       "INVALID_PARTITIONS: Number of partitions was set to an invalid non-positive value."},
      {topic("x", -2),
       "INVALID_PARTITIONS: Number of partitions was set to an invalid non-positive value."},
      {topic("x", 10001),
       "INVALID_PARTITIONS: Topic 'x' with 10001 partitions is over the limit of 10000 for one "
       "topic: ask for fewer."},
      {topic("x", 1, 0),
       "INVALID_REPLICATION_FACTOR: Replication factor must be larger than 0, or -1 to use the "
       "default value."},
      {topic("x", 1, 3),
       "INVALID_REPLICATION_FACTOR: Unable to replicate the partition 3 time(s): The target "
       "replication factor of 3 cannot be reached because only 1 broker(s) are registered. Use 1, "
       "or -1 for the default."},
      {with_config(topic("x"), "no.such.config", "1"),
       "INVALID_CONFIG: Unknown topic config name: no.such.config"},
      {with_config(topic("x"), "retention.ms", "soon"),
       "INVALID_CONFIG: Invalid value soon for configuration retention.ms: Not a number of type "
       "LONG"},
      {with_config(with_config(topic("x"), "retention.ms", std::nullopt), "segment.ms",
                   std::nullopt),
       "INVALID_CONFIG: Null value not supported for topic configs: retention.ms,segment.ms"},
      {with_config(with_config(topic("x"), "min.compaction.lag.ms", "5"), "max.compaction.lag.ms",
                   "4"),
       "INVALID_CONFIG: conflict topic config setting min.compaction.lag.ms (5) > "
       "max.compaction.lag.ms (4)"},
      {with_config(topic("x"), "remote.storage.enable", "true"),
       "INVALID_CONFIG: Tiered Storage functionality is disabled in the broker. Topic cannot be "
       "configured with remote log storage."},
      {assigned({{0, {7}}}, 1),
       "INVALID_REQUEST: A manual partition assignment was specified, but numPartitions was not "
       "set to -1."},
      {assigned({{0, {7}}}, -1, 1),
       "INVALID_REQUEST: A manual partition assignment was specified, but replication factor was "
       "not set to -1."},
      {assigned({{0, {7}}, {0, {7}}}),
       "INVALID_REPLICA_ASSIGNMENT: Found multiple manual partition assignments for partition 0"},
      {assigned({{0, {7}}, {2, {7}}}),
       "INVALID_REPLICA_ASSIGNMENT: partitions should be a consecutive 0-based integer sequence"},
      {assigned({{0, {}}}),
       "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes an empty replica "
       "list."},
      {assigned({{0, {7, 8}}}),
       "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 8, but no such "
       "broker is registered."},
      {assigned({{0, {7, 7}}}),
       "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes the broker 7 more "
       "than once."},
  };
  cluster c;
  for (const auto& r : rows) {
    auto a = create(c, {r.topic});
    REQUIRE(a.response.topics.size() == 1);
    CHECK(outcome(a.response.topics[0]) == r.expected);
    CHECK(a.commands.empty());
    check_wire(a.response);
  }
}

TEST_CASE("CreateTopics: topics of one request are seen by each other") {
  cluster c;
  auto a = create(c, {topic("a.b"), topic("twice"), topic("a_b"), topic("twice"), topic("c")});
  REQUIRE(a.response.topics.size() == 4);
  CHECK(outcome(a.response.topics[0]) == "NONE");
  CHECK(outcome(a.response.topics[1]) == "INVALID_REQUEST: Duplicate topic name.");
  CHECK(outcome(a.response.topics[2]) ==
        "INVALID_TOPIC_EXCEPTION: Topic 'a_b' collides with existing topic: a.b");
  CHECK(outcome(a.response.topics[3]) == "NONE");
  CHECK(a.commands.size() == 2);
  c.apply(a.commands);

  fail_all(a.response, {error_code::kafka_storage_error, "no space"});
  CHECK(outcome(a.response.topics[0]) == "KAFKA_STORAGE_ERROR: no space");
  CHECK(a.response.topics[0].topic_id.is_zero());
  CHECK(a.response.topics[0].configs->empty());
  CHECK(outcome(a.response.topics[1]) == "INVALID_REQUEST: Duplicate topic name.");
}

TEST_CASE("DeleteTopics: by name and by id") {
  cluster c;
  auto a = remove(c, {{"orders", none}, {std::nullopt, id_of(2)}});
  CHECK(outcome(a.response.responses[0]) == "NONE");
  CHECK(a.response.responses[0].topic_id == id_of(1));
  CHECK(outcome(a.response.responses[1]) == "NONE");
  CHECK(a.response.responses[1].name == "clicks");
  c.apply(a.commands);
  CHECK(c.catalog.topic_count() == 1);
  check_wire(a.response);

  cluster old;
  auto b = remove(old, {{"clicks", none}, {"nothing", none}}, 5);
  CHECK(outcome(b.response.responses[0]) == "NONE");
  CHECK(outcome(b.response.responses[1]) ==
        "UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition.");
  old.apply(b.commands);
  CHECK_FALSE(old.catalog.find("clicks"));
}

TEST_CASE("DeleteTopics: errors, with Kafka's texts") {
  cluster c;
  auto a = remove(c, {{"nothing", none},
                      {std::nullopt, id_of(50)},
                      {std::nullopt, none},
                      {"orders", id_of(1)},
                      {"clicks", none},
                      {"clicks", none},
                      {std::nullopt, id_of(60)},
                      {std::nullopt, id_of(60)},
                      {"__consumer_offsets", none}});
  const char* expected[] = {
      "UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition.",
      "UNKNOWN_TOPIC_ID: This server does not host this topic ID.",
      "INVALID_REQUEST: Neither topic name nor id were specified.",
      "INVALID_REQUEST: You may not specify both topic name and topic id.",
      "INVALID_REQUEST: Duplicate topic name.",
      "INVALID_REQUEST: Duplicate topic id.",
      "INVALID_TOPIC_EXCEPTION: Topic '__consumer_offsets' is internal and cannot be deleted: this "
      "node keeps groups or transactions in it.",
  };
  REQUIRE(a.response.responses.size() == std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i)
    CHECK(outcome(a.response.responses[i]) == expected[i]);
  CHECK(a.commands.empty());

  auto both = remove(c, {{"orders", none}, {std::nullopt, id_of(1)}});
  for (const auto& r : both.response.responses)
    CHECK(outcome(r) ==
          "INVALID_REQUEST: The provided topic name maps to an ID that was already supplied.");
  CHECK(both.commands.empty());

  cluster locked(config_map{{"delete.topic.enable", "false"}});
  CHECK(outcome(remove(locked, {{"orders", none}}).response.responses[0]) ==
        "TOPIC_DELETION_DISABLED: Topic deletion is disabled.");
  CHECK(outcome(remove(locked, {{"orders", none}}, 2).response.responses[0]) ==
        "INVALID_REQUEST: Topic deletion is disabled.");
}

TEST_CASE("CreatePartitions: growth and its errors") {
  using brokers = std::vector<std::vector<int32_t>>;
  struct row {
    const char* name;
    int32_t count;
    std::optional<brokers> assignments;
    const char* expected;
  };
  const row rows[] = {
      {"clicks", 5, std::nullopt, "NONE"},
      {"clicks", 3, brokers{{7}, {7}}, "NONE"},
      {"orders", 3, std::nullopt, "INVALID_PARTITIONS: Topic already has 3 partition(s)."},
      {"orders", 2, std::nullopt,
       "INVALID_PARTITIONS: The topic orders currently has 3 partition(s); 2 would not be an "
       "increase."},
      {"nothing", 2, std::nullopt,
       "UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition."},
      {"orders", 5, brokers{{7}},
       "INVALID_REPLICA_ASSIGNMENT: Attempted to add 2 additional partition(s), but only 1 "
       "assignment(s) were specified."},
      {"orders", 4, brokers{{3}},
       "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 3, but no such "
       "broker is registered."},
      {"orders", 4, brokers(1),
       "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes an empty replica "
       "list."},
      {"__consumer_offsets", 60, std::nullopt,
       "INVALID_TOPIC_EXCEPTION: Topic '__consumer_offsets' is internal and keeps its number of "
       "partitions: what it holds is found by it."},
  };
  for (const auto& r : rows) {
    cluster c;
    create_partitions_request request;
    create_partitions_request::topic t;
    t.name = r.name;
    t.count = r.count;
    if (r.assignments) {
      t.assignments.emplace();
      for (const auto& ids : *r.assignments) {
        create_partitions_request::assignment a;
        a.broker_ids = ids;
        t.assignments->push_back(std::move(a));
      }
    }
    request.topics = {t};
    auto a = answer_create_partitions(request, c.catalog, c.node, c.facts(3));
    REQUIRE(a.response.results.size() == 1);
    CHECK(outcome(a.response.results[0]) == r.expected);
    const bool ok = std::string_view(r.expected) == "NONE";
    CHECK(a.commands.size() == (ok ? 1 : 0));
    c.apply(a.commands);
    if (ok) CHECK(c.catalog.find(r.name)->partitions.size() == static_cast<size_t>(r.count));
    check_wire(a.response);

    request.validate_only = true;
    cluster dry;
    auto b = answer_create_partitions(request, dry.catalog, dry.node, dry.facts(3));
    CHECK(b.response == a.response);
    CHECK(b.commands.empty());

    request.topics = {t, t};
    auto twice = answer_create_partitions(request, dry.catalog, dry.node, dry.facts(3));
    REQUIRE(twice.response.results.size() == 1);
    CHECK(outcome(twice.response.results[0]) == "INVALID_REQUEST: Duplicate topic name.");
  }
}

TEST_CASE("internal topics are compacted and as wide as configured") {
  cluster c(
      {{"transaction.state.log.num.partitions", "12"}, {"offsets.topic.num.partitions", "9"}});
  create_topic_command state = internal_topic(transaction_state_topic, c.node, c.facts(0));
  CHECK(state.partitions == 12);
  CHECK(state.configs.at("cleanup.policy") == "compact");
  c.apply({state});
  CHECK(c.catalog.find("__transaction_state")->internal);
  create_topic_command offsets = internal_topic(consumer_offsets_topic, c.node, c.facts(0));
  CHECK(offsets.partitions == 9);
  CHECK(offsets.configs.at("segment.bytes") == "104857600");
}
