#include "clusters.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "tests/connectors/support.hpp"

using namespace weir;
using namespace weir::test;
using rows = std::vector<std::string>;

namespace {

const auto pair = schema_of({{"n", type_id::int64}, {"s", type_id::string}});

source_spec kafka_source(const kafka_tools& cluster, option_map options, schema_ptr columns) {
  source_spec s;
  s.connector = "kafka";
  s.options = std::move(options);
  s.options["connector"] = "kafka";
  s.options["bootstrap"] = cluster.bootstrap();
  // The mock answers a fetch without records only after its whole wait.
  s.options["kafka.fetch.wait.max.ms"] = "10";
  s.columns = std::move(columns);
  s.physical_columns = static_cast<uint32_t>(s.columns->size());
  return s;
}

result<discovery> discover(environment& env, const source_spec& spec,
                           const std::vector<std::string>& seen = {}) {
  WEIR_ASSIGN(auto enumerator, make_enumerator(spec, *env.files, 1));
  if (!seen.empty()) enumerator->restore(seen);
  return enumerator->discover();
}

// Waking comes from librdkafka's threads.
struct reading {
  environment env;
  std::shared_ptr<std::atomic<int>> wakes = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<source_reader> reader;

  status start(const source_spec& spec, const std::vector<source_split>& splits) {
    auto made = make_reader(spec);
    if (!made) return made.err();
    reader = std::move(*made);
    auto c = env.context();
    c.wake = [w = wakes] { w->fetch_add(1); };
    WEIR_TRY(reader->open(c));
    for (const auto& s : splits) WEIR_TRY(reader->add_split(s));
    return {};
  }
  status start(const source_spec& spec) {
    WEIR_ASSIGN(auto found, discover(env, spec));
    return start(spec, found.splits);
  }
  /// Until it is finished, or `count` rows have come.
  status take(rows& out, size_t count = SIZE_MAX, uint32_t max_rows = 8192) {
    for (auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         std::chrono::steady_clock::now() < until;) {
      auto p = reader->poll(max_rows);
      if (!p) return p.err();
      if (p->rows) append_rows(out, *p->rows);
      if (p->what == polled::state::finished || out.size() >= count) return {};
      if (p->what == polled::state::pending)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {errc::timeout, "no more rows come"};
  }
  ~reading() {
    if (reader) (void)reader->close();
  }
};

result<rows> read_bounded(const source_spec& spec, uint32_t max_rows = 8192) {
  reading r;
  WEIR_TRY(r.start(spec));
  rows out;
  WEIR_TRY(r.take(out, SIZE_MAX, max_rows));
  return out;
}

rows sorted(rows r) {
  std::sort(r.begin(), r.end());
  return r;
}

}  // namespace

TEST_CASE("kafka source: a topic is read to the ends that it has at the start") {
  mock_cluster cluster;
  cluster.create("t", 2);
  cluster.write_values("t", 0, {R"({"n":1,"s":"a"})", R"({"n":2,"s":"b"})"});
  cluster.write_values("t", 1, {R"({"s":"c","n":3})"});
  auto spec = kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}}, pair);
  environment env;
  auto found = discover(env, spec);
  REQUIRE(found.ok());
  CHECK(found->bounded);
  CHECK(found->side_by_side);
  REQUIRE(found->splits.size() == 2);
  CHECK(found->splits[0].id == "t/0");
  CHECK(found->splits[1].id == "t/1");
  CHECK(found->splits[0].weight == 2);
  cluster.write_values("t", 0, {R"({"n":9,"s":"too late"})"});
  reading r;
  REQUIRE(r.start(spec, found->splits).ok());
  rows out;
  REQUIRE(r.take(out).ok());
  CHECK(sorted(out) == rows{"1|a", "2|b", "3|c"});
  CHECK(r.env.metrics.bytes_in == 45);
}

TEST_CASE("kafka source: formats csv and raw") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {"1;a", "2;\"b;\"\"c\"\n", "3;NA"});
  option_map csv{{"topic", "t"},
                 {"until", "latest"},
                 {"format", "csv"},
                 {"delimiter", ";"},
                 {"null_text", "NA"}};
  CHECK(*read_bounded(kafka_source(cluster, csv, pair)) == rows{"1|a", "2|b;\"c", "3|NULL"});
  option_map raw{{"topic", "t"}, {"until", "latest"}, {"format", "raw"}};
  CHECK(*read_bounded(kafka_source(cluster, raw, schema_of({{"line", type_id::string}})), 2) ==
        rows{"1;a", "2;\"b;\"\"c\"\n", "3;NA"});
}

TEST_CASE("kafka source: raw values keep their bytes, tombstones are NULL") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write("t", {{"k1", "cr\r"}, {"k2", std::nullopt}, {std::nullopt, ""}});
  auto spec =
      kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}, {"format", "raw"}, {"key", "k"}},
                   schema_of({{"v", type_id::string}, {"k", type_id::string}}));
  CHECK(*read_bounded(spec) == rows{"cr\r|k1", "NULL|k2", "|NULL"});
  auto json = kafka_source(cluster, {{"topic", "j"}, {"until", "latest"}, {"key", "k"}},
                           schema_of({{"k", type_id::string}, {"n", type_id::int64}}));
  cluster.create("j", 1);
  cluster.write("j", {{"a", R"({"n":1})"}, {"b", std::nullopt}});
  CHECK(*read_bounded(json) == rows{"a|1", "b|NULL"});
}

TEST_CASE("kafka source: parts of records are columns by options, in the table's order") {
  mock_cluster cluster;
  cluster.create("t", 2);
  kafka_record r{"key", R"({"n":7})", 1, 1356998400123};
  r.headers = {{"a", "x\"y"}, {"b", std::nullopt}, {"c", "1"}, {"c", "2"}, {"d", "\xff"}};
  cluster.write("t", {r, {std::nullopt, R"({"n":8})", 1, 1356998400124}});
  auto spec = kafka_source(cluster,
                           {{"topic", "t"},
                            {"until", "latest"},
                            {"key", "k"},
                            {"partition", "p"},
                            {"offset", "o"},
                            {"timestamp", "at"},
                            {"headers", "h"},
                            {"topic_name", "from_topic"}},
                           schema_of({{"o", type_id::int64},
                                      {"n", type_id::int64},
                                      {"k", type_id::string},
                                      {"p", type_id::int32},
                                      {"at", type_id::timestamp},
                                      {"h", type_id::json},
                                      {"from_topic", type_id::string}}));
  CHECK(*read_bounded(spec) ==
        rows{"0|7|key|1|2013-01-01 00:00:00.123|"
             R"({"a":"x\"y","b":null,"c":["1","2"],"d":{"base64":"/w=="}}|t)",
             "1|8|NULL|1|2013-01-01 00:00:00.124|NULL|t"});
}

TEST_CASE("kafka source: Debezium's changes have weights, its tombstones leave no row") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write("t", {{"1", R"({"before":null,"after":{"n":1,"s":"a"},"op":"c"})"},
                      {"1", R"({"before":{"n":1,"s":"a"},"after":{"n":1,"s":"b"},"op":"u"})"},
                      {"1", R"({"before":{"n":1,"s":"b"},"after":null,"op":"d"})"},
                      {"1", std::nullopt}});
  auto columns = schema_of({{"n", type_id::int64}, {"s", type_id::string}, {"o", type_id::int64}});
  auto spec = kafka_source(
      cluster, {{"topic", "t"}, {"until", "latest"}, {"format", "debezium_json"}, {"offset", "o"}},
      columns);
  reading r;
  REQUIRE(r.start(spec).ok());
  rows out;
  std::vector<int> weights;
  for (int i = 0; i < 5000; ++i) {
    auto p = r.reader->poll(8192);
    REQUIRE(p.ok());
    if (p->rows) {
      append_rows(out, *p->rows);
      for (uint32_t k = 0; k < p->rows->rows; ++k) weights.push_back(p->rows->weight(k));
    }
    if (p->what == polled::state::finished) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(out == rows{"1|a|0", "1|a|1", "1|b|1", "1|b|2"});
  CHECK(weights == std::vector<int>{1, -1, 1, -1});
}

TEST_CASE("kafka source: a snapshot's positions are exact; the rest is read by another reader") {
  mock_cluster cluster;
  cluster.create("t", 1);
  std::vector<std::string> values;
  rows expected;
  for (int i = 0; i < 5000; ++i) {
    values.push_back("{\"n\":" + std::to_string(i) + ",\"s\":\"x\"}");
    expected.push_back(std::to_string(i) + "|x");
  }
  cluster.write_values("t", 0, values);
  auto spec = kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}}, pair);
  rows out;
  std::vector<source_split> splits;
  {
    reading r;
    REQUIRE(r.start(spec).ok());
    REQUIRE(r.take(out, 1, 700).ok());
    CHECK(out.size() == 700);
    splits = r.reader->snapshot();
    CHECK(r.reader->position() == "t/0:699");
    // What is read behind the snapshot is read again.
    rows behind;
    REQUIRE(r.take(behind, 100, 100).ok());
  }
  REQUIRE(splits.size() == 1);
  CHECK(splits[0].id == "t/0");
  CHECK(splits[0].weight == 4300);
  reading r;
  REQUIRE(r.start(spec, splits).ok());
  REQUIRE(r.take(out, SIZE_MAX, 1000).ok());
  CHECK(out == expected);
}

TEST_CASE("kafka source: new partitions and topics are found, and read from their beginning") {
  mock_cluster cluster;
  cluster.create("clicks_a", 1);
  cluster.create("other", 1);
  cluster.write_values("clicks_a", 0, {R"({"n":1,"s":"before"})"});
  auto spec = kafka_source(cluster, {{"pattern", "clicks_.*"}, {"start", "latest"}}, pair);
  environment env;
  auto found = discover(env, spec);
  REQUIRE(found.ok());
  CHECK(!found->bounded);
  REQUIRE(found->splits.size() == 1);
  CHECK(found->splits[0].id == "clicks_a/0");
  reading r;
  REQUIRE(r.start(spec, found->splits).ok());
  rows out;
  cluster.write_values("clicks_a", 0, {R"({"n":2,"s":"after"})"});
  REQUIRE(r.take(out, 1).ok());
  CHECK(out == rows{"2|after"});
  cluster.create("clicks_b", 1);
  cluster.write_values("clicks_b", 0, {R"({"n":3,"s":"new"})"});
  auto more = discover(env, spec, {"clicks_a/0"});
  REQUIRE(more.ok());
  REQUIRE(more->splits.size() == 1);
  CHECK(more->splits[0].id == "clicks_b/0");
  REQUIRE(r.reader->add_split(more->splits[0]).ok());
  REQUIRE(r.take(out, 2).ok());
  CHECK(out == rows{"2|after", "3|new"});
}

TEST_CASE("kafka source: an idle reader is woken by a record") {
  mock_cluster cluster;
  cluster.create("t", 1);
  auto spec = kafka_source(cluster, {{"topic", "t"}}, pair);
  reading r;
  REQUIRE(r.start(spec).ok());
  // Past the event that says that there is nothing.
  for (int i = 0; i < 200; ++i) {
    auto p = r.reader->poll(10);
    REQUIRE(p.ok());
    REQUIRE(p->what == polled::state::pending);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  int before = *r.wakes;
  cluster.write_values("t", 0, {R"({"n":1,"s":"a"})"});
  for (int i = 0; i < 5000 && *r.wakes == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(*r.wakes > before);
  auto p = r.reader->poll(10);
  REQUIRE(p.ok());
  CHECK(p->what == polled::state::batch);
}

TEST_CASE("kafka source: start by offsets, by what a group has committed") {
  mock_cluster cluster;
  cluster.create("t", 2);
  cluster.write_values("t", 0, {R"({"n":0})", R"({"n":1})", R"({"n":2})"});
  cluster.write_values("t", 1, {R"({"n":10})", R"({"n":11})"});
  auto n = schema_of({{"n", type_id::int64}});
  option_map options{{"topic", "t"}, {"until", "latest"}, {"start", "0:2"}};
  CHECK(sorted(*read_bounded(kafka_source(cluster, options, n))) == rows{"10", "11", "2"});
  options["start"] = "0:0,2:1";
  CHECK(read_bounded(kafka_source(cluster, options, n)).err().message ==
        "option start names partition 2, but topic \"t\" has 2 partitions");

  // Progress is told to the group when its epoch is complete.
  option_map grouped{{"topic", "t"}, {"group", "g"}};
  {
    reading r;
    REQUIRE(r.start(kafka_source(cluster, grouped, n)).ok());
    rows out;
    REQUIRE(r.take(out, 5).ok());
    (void)r.reader->snapshot();
    CHECK(!cluster.committed("g", "t", 0));
    REQUIRE(r.reader->on_epoch_complete(epoch{1}).ok());
  }  // the end waits for the commit
  CHECK(cluster.committed("g", "t", 0)->first == 3);
  CHECK(cluster.committed("g", "t", 1)->first == 2);
  cluster.write_values("t", 1, {R"({"n":12})"});
  grouped["start"] = "group";
  grouped["until"] = "latest";
  CHECK(*read_bounded(kafka_source(cluster, grouped, n)) == rows{"12"});
}

TEST_CASE("kafka source: bad records end the job, are skipped, or kept with their position") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {R"({"n":1})", "oops", R"({"n":"x"})", R"({"n":4})"});
  auto n = schema_of({{"n", type_id::int64}});
  option_map options{{"topic", "t"}, {"until", "latest"}};
  auto spec = kafka_source(cluster, options, n);
  auto failed = read_bounded(spec);
  REQUIRE(!failed.ok());
  CHECK(failed.err().code == errc::parse);
  CHECK(failed.err().message.starts_with("t/0:1: not a valid JSON object"));
  spec.on_error = error_policy::skip;
  CHECK(*read_bounded(spec) == rows{"1", "4"});

  temporary_folder folder;
  spec.on_error = error_policy::dead_letter;
  spec.dead_letter_path = folder / "bad";
  reading r;
  REQUIRE(r.start(spec).ok());
  rows out;
  REQUIRE(r.take(out).ok());
  CHECK(out == rows{"1", "4"});
  CHECK(r.env.metrics.dead_letters == 2);
  std::string letters;
  for (const auto& e : fs::directory_iterator(folder / "bad")) {
    CHECK(e.path().filename().string().starts_with("t-0-"));
    letters += read_file(e.path().string());
  }
  CHECK(letters.find(R"("position":"t/0:1")") != std::string::npos);
  CHECK(letters.find(R"("raw":"oops")") != std::string::npos);
  CHECK(letters.find(R"("position":"t/0:2")") != std::string::npos);
}

TEST_CASE("kafka source: a CSV record whose quote stays open spoils no other record") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {"1,\"a,b\"", "2,\"open", "3,c", "4,\"d\""});
  auto spec = kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}, {"format", "csv"}}, pair);
  auto failed = read_bounded(spec);
  REQUIRE(!failed.ok());
  CHECK(failed.err().message == "t/0:1: a quote is never closed");
  spec.on_error = error_policy::skip;
  CHECK(*read_bounded(spec) == rows{"1|a,b", "3|c", "4|d"});
}

TEST_CASE("kafka source: rows know the records that they came from") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {R"({"n":1})", R"({"n":2})"});
  reading r;
  REQUIRE(r.start(kafka_source(cluster, {{"topic", "t"}, {"until", "latest"}},
                               schema_of({{"n", type_id::int64}})))
              .ok());
  for (int i = 0; i < 5000; ++i) {
    auto p = r.reader->poll(8192);
    REQUIRE(p.ok());
    if (p->rows) {
      auto at = r.reader->locate(p->rows->physical_rows, 1);
      REQUIRE(at);
      CHECK(at->position == "t/0:1");
      CHECK(*at->bytes == R"({"n":2})");
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL("no rows came");
}

TEST_CASE("kafka source: what does not exist is named") {
  mock_cluster cluster;
  cluster.create("clicks", 1);
  environment env;
  auto spec = kafka_source(cluster, {{"topic", "clicks"}, {"start", "0:5"}},
                           schema_of({{"n", type_id::int64}}));
  reading r;
  REQUIRE(r.start(spec).ok());
  rows out;
  auto gone = r.take(out, 1);
  REQUIRE(!gone.ok());
  CHECK(gone.err().message.starts_with("clicks/0:5: the partition has no record of this offset"));

  spec.options["bootstrap"] = "127.0.0.1:1";
  spec.options["kafka.socket.timeout.ms"] = "1000";
  auto unreachable = discover(env, spec);
  REQUIRE(!unreachable.ok());
  CHECK(unreachable.err().message.find("127.0.0.1:1") != std::string::npos);
  CHECK(unreachable.err().message.find("refused") != std::string::npos);
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
