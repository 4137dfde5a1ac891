#include "sinks.hpp"

using namespace weir;
using namespace weir::test;

TEST_CASE("kafka sink: at least once: rows leave at once, a barrier waits for them") {
  small_cluster cluster;
  cluster.create("out", 2);
  for (bool by_option : {true, false}) {
    running r;
    option_map options;
    if (by_option) options["delivery"] = "at_least_once";
    REQUIRE(r.start(kafka_sink_spec(cluster, options, two), 1, "a1", nullptr, by_option).ok());
    REQUIRE(r.rows_to(0, by_option ? 0 : 100, 100).ok());
    REQUIRE(r.barrier().ok());
    CHECK(values_of(cluster.read("out", 2)) == expected(0, by_option ? 100 : 200));
    REQUIRE(r.complete().ok());
  }
  CHECK(!cluster.committed("weir-job-sink/out-0", "out", 0));
}

TEST_CASE("kafka sink: keys decide the partition as Java's producer does; parts by options") {
  small_cluster cluster;
  cluster.create("out", 4);
  auto type = schema_of({{"k", type_id::string},
                         {"v", type_id::int64},
                         {"at", type_id::timestamp},
                         {"h", type_id::json}});
  running r;
  option_map options{{"key", "k"}, {"timestamp", "at"}, {"headers", "h"}};
  REQUIRE(r.start(kafka_sink_spec(cluster, options, type), 1, "a1").ok());
  auto b = batch_of(
      r.env.pool, type,
      {texts(r.env.pool, {"21", "foobar", "a-little-bit-long-string", ""}),
       fixed<int64_t>(r.env.pool, type_id::int64, {1, 2, 3, 4}),
       fixed<int64_t>(r.env.pool, type_id::timestamp,
                      {1356998400123456, 1356998400000000, 1356998400000000, 1356998400000000}),
       texts(r.env.pool,
             {R"({"a":"x","b":null,"c":["1","2"],"d":{"base64":"/w=="},"n":5})", std::nullopt, "{}",
              std::nullopt},
             type_id::json)});
  REQUIRE(r.sinks[0]->process_batch(0, b, r.out).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  auto all = cluster.read("out", 4);
  std::map<std::string, kafka_record> by_key;
  for (const auto& [p, records] : all)
    for (const auto& x : records) by_key[*x.key] = x;
  REQUIRE(by_key.size() == 4);
  // Kafka's own test vectors of murmur2 (clients' UtilsTest): "21" -973932308, "foobar" -790332482,
  // "a-little-bit-long-string" -985981536; positive, modulo 4.
  CHECK(by_key["21"].partition == (-973932308 & 0x7fffffff) % 4);
  CHECK(by_key["foobar"].partition == (-790332482 & 0x7fffffff) % 4);
  CHECK(by_key["a-little-bit-long-string"].partition == (-985981536 & 0x7fffffff) % 4);
  const auto& first = by_key["21"];
  CHECK(*first.value == R"({"v":1})");
  CHECK(first.timestamp_ms == 1356998400123);
  using header = std::pair<std::string, std::optional<std::string>>;
  CHECK(first.headers ==
        std::vector<header>{
            {"a", "x"}, {"b", std::nullopt}, {"c", "1"}, {"c", "2"}, {"d", "\xff"}, {"n", "5"}});
  CHECK(by_key[""].headers.empty());
}

TEST_CASE("kafka sink: formats csv and raw, a partition by column") {
  small_cluster cluster;
  cluster.create("out", 2);
  cluster.create("raw", 2);
  auto type = schema_of({{"s", type_id::string}, {"n", type_id::int64}, {"p", type_id::int32}});
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {{"format", "csv"}, {"partition", "p"}}, type), 1, "a1")
              .ok());
  auto b = batch_of(
      r.env.pool, type,
      {texts(r.env.pool, {"a,b", std::nullopt}), fixed<int64_t>(r.env.pool, type_id::int64, {1, 2}),
       fixed<int32_t>(r.env.pool, type_id::int32, {1, 0})});
  REQUIRE(r.sinks[0]->process_batch(0, b, r.out).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  auto all = cluster.read("out", 2);
  REQUIRE(all[0].size() == 1);
  REQUIRE(all[1].size() == 1);
  CHECK(*all[0][0].value == ",2");
  CHECK(*all[1][0].value == "\"a,b\",1");
  CHECK(!all[1][0].key);
  r.stop();

  auto one = schema_of({{"v", type_id::string}, {"k", type_id::bytes}});
  option_map raw{{"topic", "raw"}, {"format", "raw"}, {"key", "k"}};
  REQUIRE(r.start(kafka_sink_spec(cluster, raw, one), 1, "a1").ok());
  auto lines = batch_of(
      r.env.pool, one,
      {texts(r.env.pool, {"a\n\"b", std::nullopt}), texts(r.env.pool, {"x", "x"}, type_id::bytes)});
  REQUIRE(r.sinks[0]->process_batch(0, lines, r.out).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  CHECK(values_of(cluster.read("raw", 2)) == rows{"-", "a\n\"b"});
}

TEST_CASE("kafka sink: changes as upserts under the primary key, and as Debezium's envelopes") {
  small_cluster cluster;
  cluster.create("out", 1);
  cluster.create("debezium", 1);
  for (const char* format : {"upsert_json", "debezium_json"}) {
    bool upserts = std::string(format) == "upsert_json";
    running r;
    auto spec = kafka_sink_spec(cluster,
                                {{"format", format}, {"topic", upserts ? "out" : "debezium"}}, two);
    spec.keys = {0};
    REQUIRE(r.start(spec, 1, "a1").ok());
    auto b = batch_of(r.env.pool, two,
                      {fixed<int64_t>(r.env.pool, type_id::int64, {1, 2, 1, 1, 2}),
                       texts(r.env.pool, {"a", "b", "a", "c", "b"})},
                      {1, 1, -1, 1, -1});
    auto first =
        batch_of(r.env.pool, two,
                 {fixed<int64_t>(r.env.pool, type_id::int64, {3}), texts(r.env.pool, {"x"})});
    auto second = batch_of(
        r.env.pool, two,
        {fixed<int64_t>(r.env.pool, type_id::int64, {3, 3, 1}), texts(r.env.pool, {"x", "y", "c"})},
        {-1, 1, -1});
    for (const auto& x : {b, first, second}) REQUIRE(r.sinks[0]->process_batch(0, x, r.out).ok());
    REQUIRE(r.barrier().ok());
    REQUIRE(r.complete().ok());
    auto all = cluster.read(upserts ? "out" : "debezium", 1)[0];
    rows got;
    for (const auto& x : all) got.push_back(x.key.value_or("-") + " " + x.value.value_or("-"));
    if (upserts)
      CHECK(got == rows{R"({"n":1} {"n":1,"s":"c"})", R"({"n":3} {"n":3,"s":"x"})",
                        R"({"n":3} {"n":3,"s":"y"})", R"({"n":1} -)"});
    else
      CHECK(got == rows{R"({"n":1} {"before":null,"after":{"n":1,"s":"c"},"op":"c"})",
                        R"({"n":3} {"before":null,"after":{"n":3,"s":"x"},"op":"c"})",
                        R"({"n":3} {"before":{"n":3,"s":"x"},"after":{"n":3,"s":"y"},"op":"u"})",
                        R"({"n":1} {"before":{"n":1,"s":"c"},"after":null,"op":"d"})"});
  }
}

TEST_CASE("kafka sink: rows that are taken back, headers that are none: the job hears of it") {
  small_cluster cluster;
  cluster.create("out", 1);
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {}, two), 1, "a1").ok());
  auto b =
      batch_of(r.env.pool, two,
               {fixed<int64_t>(r.env.pool, type_id::int64, {1}), texts(r.env.pool, {"a"})}, {-1});
  auto refused = r.sinks[0]->process_batch(0, b, r.out);
  REQUIRE(!refused.ok());
  CHECK(refused.err().code == errc::unsupported);
  r.stop();
  auto type = schema_of({{"n", type_id::int64}, {"h", type_id::string}});
  REQUIRE(r.start(kafka_sink_spec(cluster, {{"headers", "h"}}, type), 1, "a1").ok());
  auto bad =
      batch_of(r.env.pool, type,
               {fixed<int64_t>(r.env.pool, type_id::int64, {1}), texts(r.env.pool, {"[1]"})});
  CHECK(r.sinks[0]->process_batch(0, bad, r.out).err().message ==
        "topic out: headers are a JSON object of texts, such as {\"trace\":\"a1\"}, not '[1]'");
}

TEST_CASE("kafka sink: a task that ends while no broker answers does not wait") {
  sink_spec spec;
  {
    small_cluster cluster;
    spec = kafka_sink_spec(cluster, {}, two);
  }  // gone
  running r;
  REQUIRE(r.start(spec, 1, "a1").ok());
  REQUIRE(r.rows_to(0, 0, 10).ok());
  auto began = std::chrono::steady_clock::now();
  r.stop();
  CHECK(std::chrono::steady_clock::now() - began < 5s);
}
