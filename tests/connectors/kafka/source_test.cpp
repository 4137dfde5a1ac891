#include "sources.hpp"

using namespace weir;
using namespace weir::test;

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

TEST_CASE("kafka source: upserts, and records without a value that take a key's row away") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write("t", {{R"({"n":1})", R"({"n":1,"s":"a"})"},
                      {R"({"n":2})", R"({"n":2,"s":null})"},
                      {R"({"n":1})", std::nullopt}});
  auto columns = std::make_shared<schema>(
      *schema_of({{"n", type_id::int64}, {"s", type_id::string}, {"o", type_id::int64}}));
  columns->fields[0].nullable = false;  // the PRIMARY KEY
  auto spec = kafka_source(
      cluster, {{"topic", "t"}, {"until", "latest"}, {"format", "upsert_json"}, {"offset", "o"}},
      columns);
  auto read = [&spec] {
    reading r;
    REQUIRE(r.start(spec).ok());
    rows out;
    for (int i = 0; i < 5000; ++i) {
      auto p = r.reader->poll(8192);
      if (!p) return rows{p.err().message};
      if (p->rows) {
        append_rows(out, *p->rows);
        for (uint32_t k = 0; k < p->rows->rows; ++k)
          out[out.size() - p->rows->rows + k] += p->rows->weight(k) > 0 ? "+" : "-";
      }
      if (p->what == polled::state::finished) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return out;
  };
  CHECK(read() == rows{"1|a|0+", "2|NULL|1+", "1|NULL|2-"});
  cluster.write("t", {{R"({"n":3})", R"({"s":"b"})"}});
  CHECK(read() == rows{"t/0:3: the record has no member \"n\" of the PRIMARY KEY"});
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
    REQUIRE(r.take(out, 700, 700).ok());
    CHECK(out.size() == 700);
    splits = r.reader->snapshot();
    CHECK(r.reader->position() == "t/0:699");
    // What is read behind the snapshot is read again.
    rows behind;
    REQUIRE(r.take(behind, 100).ok());
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
  cluster.write_values("t", 0, {R"({"n":1,"s":"a"})"});
  // From here on it is only asked when it woke us (for the event above, too).
  bool came = false;
  for (int i = 0, woken = 0; i < 20'000 && !came; ++i) {
    if (int now = *r.wakes; now != woken) {
      woken = now;
      auto p = r.reader->poll(10);
      REQUIRE(p.ok());
      came = p->what == polled::state::batch;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(came);
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
