#include "runtime/kafka/topics/admin/replicas.hpp"

#include "tests/kafka/topics/admin/fixture.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

TEST_CASE("DescribeLogDirs: sizes of all or of named partitions") {
  cluster c;
  log_dir_facts facts;
  facts.path = "/var/lib/weir";
  facts.total_bytes = 1000;
  facts.usable_bytes = 400;
  facts.bytes_of = [](const topic_info& t, int32_t p) -> std::optional<int64_t> {
    if (t.name == "clicks") return std::nullopt;  // not opened yet
    return 10 * (p + 1);
  };
  auto listed = [](const describe_log_dirs_response& r) {
    std::string out;
    for (const auto& t : r.results.at(0).topics)
      for (const auto& p : t.partitions)
        out += t.name + "-" + std::to_string(p.partition_index) + "=" +
               std::to_string(p.partition_size) + " ";
    return out;
  };
  describe_log_dirs_request request;
  auto r = answer_describe_log_dirs(request, c.catalog, facts);
  CHECK(r.error_code == error_code::none);
  REQUIRE(r.results.size() == 1);
  CHECK(r.results[0].log_dir == "/var/lib/weir");
  CHECK(r.results[0].total_bytes == 1000);
  CHECK(r.results[0].usable_bytes == 400);
  CHECK(listed(r) ==
        "__consumer_offsets-0=10 __consumer_offsets-1=20 orders-0=10 orders-1=20 orders-2=30 ");
  check_wire(r);
  request.topics.emplace(2);
  (*request.topics)[0].topic = "orders";
  (*request.topics)[0].partitions = {1, 9, -1};
  (*request.topics)[1].topic = "nothing";
  (*request.topics)[1].partitions = {0};
  CHECK(listed(answer_describe_log_dirs(request, c.catalog, facts)) == "orders-1=20 ");
}

TEST_CASE("AlterReplicaLogDirs: only to where a partition is") {
  cluster c;
  alter_replica_log_dirs_request request;
  request.dirs.resize(2);
  request.dirs[0] = {"/var/lib/weir", {{"orders", {0, 9}}, {"nothing", {0}}}};
  request.dirs[1] = {"/mnt", {{"clicks", {0}}}};
  check_wire(request);
  auto r = answer_alter_replica_log_dirs(request, c.catalog, "/var/lib/weir");
  REQUIRE(r.results.size() == 3);
  CHECK(r.results[0].topic_name == "orders");
  CHECK(r.results[0].partitions.at(0).error_code == error_code::none);
  CHECK(r.results[0].partitions.at(1).error_code == error_code::replica_not_available);
  CHECK(r.results[1].partitions.at(0).error_code == error_code::replica_not_available);
  CHECK(r.results[2].partitions.at(0).error_code == error_code::log_dir_not_found);
  check_wire(r);
}

TEST_CASE("ElectLeaders: never needed") {
  cluster c;
  elect_leaders_request request;
  request.topic_partitions.emplace(2);
  (*request.topic_partitions)[0].topic = "orders";
  (*request.topic_partitions)[0].partitions = {0, 5};
  (*request.topic_partitions)[1].topic = "nothing";
  (*request.topic_partitions)[1].partitions = {0};
  auto r = answer_elect_leaders(request, c.catalog, c.facts(2)).response;
  CHECK(r.error_code == error_code::none);
  const auto& orders = r.replica_election_results.at(0).partition_result;
  CHECK(outcome(orders.at(0)) ==
        "ELECTION_NOT_NEEDED: Leader election not needed for topic partition.");
  CHECK(outcome(orders.at(1)) == "UNKNOWN_TOPIC_OR_PARTITION: No such partition as orders-5");
  CHECK(outcome(r.replica_election_results.at(1).partition_result.at(0)) ==
        "UNKNOWN_TOPIC_OR_PARTITION: No such topic as nothing");
  check_wire(r);
  request.election_type = 4;
  r = answer_elect_leaders(request, c.catalog, c.facts(2)).response;
  CHECK(r.error_code == error_code::invalid_request);
  CHECK(outcome(r.replica_election_results.at(0).partition_result.at(0)) ==
        "INVALID_REQUEST: Unknown election type 4");
  request.topic_partitions.reset();
  request.election_type = 0;
  r = answer_elect_leaders(request, c.catalog, c.facts(2)).response;
  CHECK(r.error_code == error_code::none);
  CHECK(r.replica_election_results.empty());
}

TEST_CASE("partition reassignments: nowhere to go") {
  using brokers = std::vector<int32_t>;
  cluster c;
  struct row {
    const char* topic;
    int32_t partition;
    std::optional<brokers> replicas;
    const char* expected;
  };
  const row rows[] = {
      {"orders", 0, brokers{7}, "NONE"},
      {"orders", 0, std::nullopt,
       "NO_REASSIGNMENT_IN_PROGRESS: No partition reassignment is in progress."},
      {"orders", 0, brokers{7, 8},
       "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 8, but no such "
       "broker is registered."},
      {"orders", 3, brokers{7}, "UNKNOWN_TOPIC_OR_PARTITION: Unable to find partition orders:3."},
      {"nothing", 0, brokers{7},
       "UNKNOWN_TOPIC_OR_PARTITION: Unable to find a topic named nothing."},
  };
  for (const auto& r : rows) {
    alter_partition_reassignments_request request;
    request.topics.resize(1);
    request.topics[0].name = r.topic;
    request.topics[0].partitions.resize(1);
    request.topics[0].partitions[0].partition_index = r.partition;
    request.topics[0].partitions[0].replicas = r.replicas;
    auto response =
        answer_alter_partition_reassignments(request, c.catalog, c.node, c.facts(1)).response;
    CHECK(outcome(response) == "NONE");
    CHECK(outcome(response.responses.at(0).partitions.at(0)) == r.expected);
    check_wire(response);
  }
  auto list = answer_list_partition_reassignments({}, c.catalog);
  CHECK(outcome(list) == "NONE");
  CHECK(list.topics.empty());
  check_wire(list);
}
