#include "runtime/kafka/topics/admin/metadata.hpp"

#include "tests/kafka/topics/admin/fixture.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

namespace {

struct wanted {
  std::optional<std::string> name;
  uuid id = {};
};

metadata_request request_for(std::vector<wanted> topics, bool create = false) {
  metadata_request r;
  r.topics.emplace();
  for (auto& w : topics) {
    metadata_request::topic t;
    t.name = std::move(w.name);
    t.topic_id = w.id;
    r.topics->push_back(std::move(t));
  }
  r.allow_auto_topic_creation = create;
  return r;
}

std::vector<std::string> names_of(const metadata_response& r) {
  std::vector<std::string> out;
  for (const auto& t : r.topics) out.push_back(t.name.value_or("(null)"));
  return out;
}

std::string code(const metadata_response& r, size_t i) {
  return std::string(to_string(r.topics.at(i).error_code));
}

}  // namespace

TEST_CASE("Metadata: the node, and a topic with its partitions") {
  cluster c;
  auto a = answer_metadata(request_for({{"orders"}}), c.catalog, c.node, c.facts(13));
  const metadata_response& r = a.response;
  REQUIRE(r.brokers.size() == 1);
  CHECK(r.brokers[0].node_id == 7);
  CHECK(r.brokers[0].host == "broker.example");
  CHECK(r.brokers[0].port == 9093);
  CHECK(r.brokers[0].rack == "north");
  CHECK(r.cluster_id == "weir-cluster");
  CHECK(r.controller_id == 7);
  CHECK(r.error_code == error_code::none);
  CHECK(r.cluster_authorized_operations == INT32_MIN);
  REQUIRE(r.topics.size() == 1);
  CHECK(r.topics[0].topic_id == id_of(1));
  CHECK_FALSE(r.topics[0].is_internal);
  CHECK(r.topics[0].topic_authorized_operations == INT32_MIN);
  REQUIRE(r.topics[0].partitions.size() == 3);
  const auto& p = r.topics[0].partitions[2];
  CHECK(p.error_code == error_code::none);
  CHECK(p.partition_index == 2);
  CHECK(p.leader_id == 7);
  CHECK(p.leader_epoch == 0);
  CHECK(p.replica_nodes == std::vector<int32_t>{7});
  CHECK(p.isr_nodes == std::vector<int32_t>{7});
  CHECK(p.offline_replicas.empty());
  check_wire(r);
}

TEST_CASE("Metadata: all topics, no topics, by version") {
  cluster c;
  const std::vector<std::string> all{"__consumer_offsets", "clicks", "orders"};
  metadata_request everything;
  auto ask = [&](const metadata_request& r, int16_t version) {
    return names_of(answer_metadata(r, c.catalog, c.node, c.facts(version)).response);
  };
  CHECK(ask(everything, 13) == all);
  CHECK(ask(everything, 1) == all);
  CHECK(ask(request_for({}), 0) == all);
  CHECK(ask(request_for({}), 1).empty());
  auto a = answer_metadata(everything, c.catalog, c.node, c.facts(9));
  CHECK(a.response.topics[0].is_internal);
  CHECK(ask(request_for({{"orders"}, {"clicks"}, {"orders"}}), 9) ==
        std::vector<std::string>{"orders", "clicks"});
  check_wire(a.response);
}

TEST_CASE("Metadata: unknown topics and ids") {
  cluster c;
  auto a = answer_metadata(
      request_for({{"nothing"}, {"bad name"}, {std::nullopt, id_of(2)}, {std::nullopt, id_of(77)}}),
      c.catalog, c.node, c.facts(12));
  CHECK(a.commands.empty());
  CHECK(names_of(a.response) ==
        std::vector<std::string>{"nothing", "bad name", "clicks", "(null)"});
  CHECK(code(a.response, 0) == "UNKNOWN_TOPIC_OR_PARTITION");
  CHECK(code(a.response, 1) == "INVALID_TOPIC_EXCEPTION");
  CHECK(code(a.response, 2) == "NONE");
  CHECK(code(a.response, 3) == "UNKNOWN_TOPIC_ID");
  CHECK(a.response.topics[3].topic_id == id_of(77));
  CHECK(a.response.topics[0].partitions.empty());
  writer w;
  encode(w, a.response, 12);

  // Before version 12 an id or a null name is a mistake.
  auto b = answer_metadata(request_for({{std::nullopt, id_of(2)}, {"orders"}}), c.catalog, c.node,
                           c.facts(10));
  CHECK(code(b.response, 0) == "INVALID_REQUEST");
  CHECK(code(b.response, 1) == "NONE");
  check_wire(b.response);
}

TEST_CASE("Metadata: topics are made on demand, when client and node allow it") {
  cluster c(config_map{{"num.partitions", "6"}});
  auto ask = [&](bool allowed) {
    return answer_metadata(request_for({{"on.demand"}, {"on_demand"}, {"bad/name"}}, allowed),
                           c.catalog, c.node, c.facts(9));
  };
  CHECK(ask(false).commands.empty());
  auto a = ask(true);
  CHECK(code(a.response, 0) == "UNKNOWN_TOPIC_OR_PARTITION");
  CHECK(code(a.response, 1) == "INVALID_TOPIC_EXCEPTION");  // it would collide
  CHECK(code(a.response, 2) == "INVALID_TOPIC_EXCEPTION");
  REQUIRE(a.commands.size() == 1);
  c.apply(a.commands);
  CHECK(c.catalog.find("on.demand")->partitions.size() == 6);
  auto again = ask(true);
  CHECK(code(again.response, 0) == "NONE");
  CHECK(again.commands.empty());

  auto internal =
      answer_metadata(request_for({{"__transaction_state"}}, true), c.catalog, c.node, c.facts(9));
  c.apply(internal.commands);
  CHECK(c.catalog.find("__transaction_state")->internal);
  CHECK(c.catalog.find("__transaction_state")->configs.at("cleanup.policy") == "compact");

  cluster strict(config_map{{"auto.create.topics.enable", "false"}});
  CHECK(answer_metadata(request_for({{"x"}}, true), strict.catalog, strict.node, strict.facts(9))
            .commands.empty());
}

TEST_CASE("DescribeTopicPartitions: pages join to the whole") {
  cluster c;
  for (uint64_t i = 0; i < 10; ++i)
    c.add("t" + std::to_string(i), 20 + i, static_cast<int32_t>(i % 4 + 1), {});
  std::vector<std::string> whole;
  for (const auto& t : c.catalog.sorted())
    for (size_t p = 0; p < t->partitions.size(); ++p)
      whole.push_back(t->name + "-" + std::to_string(p));
  for (int32_t limit : {1, 2, 3, 5, 100}) {
    CAPTURE(limit);
    describe_topic_partitions_request request;
    request.response_partition_limit = limit;
    std::vector<std::string> seen;
    for (int pages = 0;; ++pages) {
      REQUIRE(pages < 100);
      auto page = answer_describe_topic_partitions(request, c.catalog, c.node, c.facts(0));
      check_wire(page);
      int32_t on_page = 0;
      for (const auto& t : page.topics)
        for (const auto& p : t.partitions) {
          seen.push_back(*t.name + "-" + std::to_string(p.partition_index));
          ++on_page;
        }
      CHECK(on_page <= limit);
      if (!page.next_cursor) break;
      request.cursor.emplace();
      request.cursor->topic_name = page.next_cursor->topic_name;
      request.cursor->partition_index = page.next_cursor->partition_index;
    }
    CHECK(seen == whole);
  }
}

TEST_CASE("DescribeTopicPartitions: named topics, the node's limit, errors") {
  cluster c(config_map{{"max.request.partition.size.limit", "2"}});
  auto topic = [](std::string name) {
    describe_topic_partitions_request::topic t;
    t.name = std::move(name);
    return t;
  };
  describe_topic_partitions_request request;
  request.topics = {topic("orders"), topic("no such"), topic("nothing")};
  auto page = answer_describe_topic_partitions(request, c.catalog, c.node, c.facts(0));
  REQUIRE(page.topics.size() == 3);
  CHECK(page.topics[0].error_code == error_code::invalid_topic_exception);
  CHECK(page.topics[1].error_code == error_code::unknown_topic_or_partition);
  CHECK(page.topics[2].name == "orders");
  CHECK(page.topics[2].partitions.size() == 2);
  CHECK(page.topics[2].partitions[1].leader_id == 7);
  REQUIRE(page.next_cursor);
  CHECK(page.next_cursor->topic_name == "orders");
  CHECK(page.next_cursor->partition_index == 2);

  request.cursor.emplace();
  request.cursor->topic_name = "clicks";
  page = answer_describe_topic_partitions(request, c.catalog, c.node, c.facts(0));
  CHECK(page.topics.at(0).error_code == error_code::invalid_request);
  request.cursor->topic_name = "orders";
  request.cursor->partition_index = -1;
  page = answer_describe_topic_partitions(request, c.catalog, c.node, c.facts(0));
  CHECK(page.topics.at(2).error_code == error_code::invalid_request);
  request.cursor->partition_index = 2;
  page = answer_describe_topic_partitions(request, c.catalog, c.node, c.facts(0));
  REQUIRE(page.topics.size() == 1);
  CHECK(page.topics[0].partitions.at(0).partition_index == 2);
  CHECK_FALSE(page.next_cursor);
}

TEST_CASE("DescribeCluster") {
  cluster c;
  describe_cluster_request request;
  auto r = answer_describe_cluster(request, c.node, c.facts(2));
  CHECK(outcome(r) == "NONE");
  CHECK(r.cluster_id == "weir-cluster");
  CHECK(r.controller_id == 7);
  CHECK(r.endpoint_type == 1);
  CHECK(r.cluster_authorized_operations == INT32_MIN);
  REQUIRE(r.brokers.size() == 1);
  CHECK(r.brokers[0].port == 9093);
  CHECK_FALSE(r.brokers[0].is_fenced);
  check_wire(r);
  request.endpoint_type = 2;
  CHECK(outcome(answer_describe_cluster(request, c.node, c.facts(1))) ==
        "MISMATCHED_ENDPOINT_TYPE: The request was sent to an endpoint of type BROKER, but we "
        "wanted an endpoint of type CONTROLLER");
  request.endpoint_type = 9;
  CHECK(outcome(answer_describe_cluster(request, c.node, c.facts(1))) ==
        "UNSUPPORTED_ENDPOINT_TYPE: Unsupported endpoint type 9");
}

TEST_CASE("FindCoordinator: where the key's home is, in both layouts") {
  cluster c;
  const auto place = [](std::string_view key) -> coordinator_place {
    if (key == "lost") return {{error_code::coordinator_not_available, ""}, -1, "", -1};
    return {{}, key == "a" ? 6 : 7, "broker.example", 9093};
  };
  find_coordinator_request request;
  request.key = "my-group";
  auto old = answer_find_coordinator(request, place, c.facts(3));
  CHECK(outcome(old) == "NONE");
  CHECK(old.node_id == 7);
  CHECK(old.host == "broker.example");
  CHECK(old.port == 9093);
  CHECK(old.coordinators.empty());

  request.key_type = 1;
  request.coordinator_keys = {"a", "b", "lost"};
  auto r = answer_find_coordinator(request, place, c.facts(6));
  REQUIRE(r.coordinators.size() == 3);
  CHECK(r.coordinators[0].node_id == 6);
  CHECK(r.coordinators[1].key == "b");
  CHECK(r.coordinators[1].node_id == 7);
  CHECK(outcome(r.coordinators[1]) == "NONE");
  CHECK(outcome(r.coordinators[2]) == "COORDINATOR_NOT_AVAILABLE");
  CHECK(r.coordinators[2].node_id == -1);

  request.key_type = 2;
  auto share = answer_find_coordinator(request, place, c.facts(6));
  CHECK(outcome(share.coordinators[0]) ==
        "INVALID_REQUEST: There is no coordinator of type 2: ask for 0 (groups) or 1 "
        "(transactions).");
  CHECK(share.coordinators[0].node_id == -1);
  writer w;
  for (int16_t v = 0; v <= 6; ++v) encode(w, v < 4 ? old : share, v);
}

TEST_CASE("DescribeQuorum: one voter, and no other topic than the metadata's") {
  cluster c;
  describe_quorum_request request;
  request.topics.push_back({"__cluster_metadata", {{0}, {1}}});
  request.topics.push_back({"orders", {{0}}});
  auto r = answer_describe_quorum(request, c.node, c.facts(2));
  CHECK(r.error_code == error_code::none);
  REQUIRE(r.topics.size() == 2);
  const auto& own = r.topics[0].partitions.at(0);
  CHECK(outcome(own) == "NONE");
  CHECK(own.leader_id == 7);
  REQUIRE(own.current_voters.size() == 1);
  CHECK(own.current_voters[0].replica_id == 7);
  CHECK(own.current_voters[0].last_caught_up_timestamp == 5000);
  CHECK(own.observers.empty());
  const char* unknown =
      "UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition.";
  CHECK(outcome(r.topics[0].partitions.at(1)) == unknown);
  CHECK(outcome(r.topics[1].partitions.at(0)) == unknown);
  REQUIRE(r.nodes.size() == 1);
  CHECK(r.nodes[0].listeners.at(0).host == "broker.example");
  CHECK(r.nodes[0].listeners.at(0).port == 9093);
  check_wire(r);
}
