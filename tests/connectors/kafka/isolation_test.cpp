// Where a source begins and ends, and what of transactions it sees.
#include "sources.hpp"

using namespace weir;
using namespace weir::test;

namespace {

const auto n = schema_of({{"n", type_id::int64}});

std::string value(int i) {
  return "{\"n\":" + std::to_string(i) + "}";
}

// A transactional producer of the tests' own.
struct transaction {
  rd_kafka_t* rk = nullptr;
  explicit transaction(const kafka_tools& cluster, const std::string& id) {
    auto* conf = rd_kafka_conf_new();
    char text[200];
    REQUIRE(rd_kafka_conf_set(conf, "bootstrap.servers", cluster.bootstrap().c_str(), text,
                              sizeof text) == RD_KAFKA_CONF_OK);
    REQUIRE(rd_kafka_conf_set(conf, "transactional.id", id.c_str(), text, sizeof text) ==
            RD_KAFKA_CONF_OK);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    REQUIRE(rk);
    REQUIRE(!rd_kafka_init_transactions(rk, 60'000));
  }
  ~transaction() { rd_kafka_destroy(rk); }
  void write(int i) {
    auto v = value(i);
    REQUIRE(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_VALUE(v.data(), v.size()),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == 0);
  }
  void begin(int i) {
    REQUIRE(!rd_kafka_begin_transaction(rk));
    write(i);
    REQUIRE(rd_kafka_flush(rk, 60'000) == 0);
  }
  void commit() { REQUIRE(!rd_kafka_commit_transaction(rk, 60'000)); }
  void abort() { REQUIRE(!rd_kafka_abort_transaction(rk, 60'000)); }
};

}  // namespace

TEST_CASE("kafka source: of transactions only what is committed is read, to the end") {
  small_cluster cluster;
  cluster.create("t", 1);
  transaction a(cluster, "a"), b(cluster, "b");
  a.begin(1);
  b.begin(2);
  a.commit();
  b.abort();
  cluster.write_values("t", 0, {value(3)});
  a.begin(4);
  a.abort();  // the last records of the partition are none that is read
  option_map options{{"topic", "t"}, {"until", "latest"}};
  CHECK(*read_bounded(kafka_source(cluster, options, n)) == rows{"1", "3"});
  options["isolation"] = "read_uncommitted";
  CHECK(*read_bounded(kafka_source(cluster, options, n)) == rows{"1", "2", "3", "4"});
}

TEST_CASE("kafka source: an open transaction ends what is read of the partition so far") {
  small_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {value(1)});
  transaction a(cluster, "a");
  a.begin(2);
  cluster.write_values("t", 0, {value(3)});
  auto spec = kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}}, n);
  CHECK(*read_bounded(spec) == rows{"1"});
  spec.options.erase("until");
  reading r;
  REQUIRE(r.start(spec).ok());
  rows out;
  REQUIRE(r.take(out, 1).ok());
  CHECK(out == rows{"1"});
  a.commit();
  REQUIRE(r.take(out, 3).ok());
  CHECK(out == rows{"1", "2", "3"});
}

TEST_CASE("kafka source: start at a time, and at the end") {
  small_cluster cluster;
  cluster.create("t", 2);
  for (int i = 0; i < 4; ++i)
    cluster.write("t", {{std::nullopt, value(i), 0, 1356998400000 + i * 1000}});
  option_map options{{"topic", "t"}, {"until", "latest"}, {"start", "2013-01-01 00:00:01.5"}};
  CHECK(*read_bounded(kafka_source(cluster, options, n)) == rows{"2", "3"});
  options["start"] = "2013-01-01 00:00:03";
  CHECK(*read_bounded(kafka_source(cluster, options, n)) == rows{"3"});
  options["start"] = "2014-01-01 00:00:00";
  CHECK(read_bounded(kafka_source(cluster, options, n))->empty());
  options["start"] = "latest";
  CHECK(read_bounded(kafka_source(cluster, options, n))->empty());
}

TEST_CASE("kafka source: a topic grows while it is read") {
  small_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {value(1)});
  auto spec = kafka_source(cluster, {{"topic", "t"}}, n);
  reading r;
  REQUIRE(r.start(spec).ok());
  rows out;
  REQUIRE(r.take(out, 1).ok());
  cluster.create("t", 3);
  kafka_tools(cluster.bootstrap()).write("t", {{std::nullopt, value(2), 2}});
  auto found = discover(r.env, spec, {"t/0"});
  REQUIRE(found.ok());
  REQUIRE(found->splits.size() == 2);
  for (const auto& s : found->splits) REQUIRE(r.reader->add_split(s).ok());
  auto taken = r.take(out, 2);
  CHECK_MESSAGE(taken.ok(), (taken.ok() ? "" : taken.err().message));
  CHECK(out == rows{"1", "2"});
}

TEST_CASE("kafka source: a broker that goes away for a while is waited for") {
  small_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {value(1)});
  reading r;
  REQUIRE(r.start(kafka_source(cluster, {{"topic", "t"}}, n)).ok());
  rows out;
  REQUIRE(r.take(out, 1).ok());
  for (int i = 0; i < 3; ++i) cluster.broker.drop_next(small_broker::fetch);
  cluster.write_values("t", 0, {value(2)});
  REQUIRE(r.take(out, 2).ok());
  CHECK(out == rows{"1", "2"});
}

TEST_CASE("topic source: the cluster is the process's, or an option's") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {R"({"n":1})"});
  auto spec = kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}},
                           schema_of({{"n", type_id::int64}}));
  spec.connector = spec.options["connector"] = "topic";
  CHECK(*read_bounded(spec) == rows{"1"});
  spec.options.erase("bootstrap");
  CHECK(read_bounded(spec).err().message.find("no cluster is known here") != std::string::npos);
  spec.options["cluster"] = "node7:8080";
  set_topic_bootstrap([&](const option_map& o) -> result<std::string> {
    CHECK(o.at("cluster") == "node7:8080");
    return cluster.bootstrap();
  });
  CHECK(*read_bounded(spec) == rows{"1"});
  set_topic_bootstrap(nullptr);
}
