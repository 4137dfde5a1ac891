// What was added to topics behind what was read, and tables that are looked up there.
#include "runtime/connectors/growing_source.hpp"
#include "runtime/connectors/kafka/kafka_split.hpp"
#include "sources.hpp"

using namespace weir;
using namespace weir::test;

namespace {

/// Polls until all splits are read; the weights of the rows.
std::vector<int> take_weighted(reading& r, rows& out) {
  std::vector<int> weights;
  for (int i = 0; i < 20'000; ++i) {
    auto p = r.reader->poll(8192);
    REQUIRE_MESSAGE(p.ok(), (p.ok() ? "" : p.err().text()));
    if (p->rows) {
      append_rows(out, *p->rows);
      for (uint32_t k = 0; k < p->rows->rows; ++k) weights.push_back(p->rows->weight(k));
    }
    if (p->what == polled::state::finished) return weights;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL("no more rows come");
  return weights;
}

struct growing {
  environment env;
  std::unique_ptr<split_enumerator> made;
  std::vector<source_split> read;

  growing_enumerator& of(const source_spec& spec) {
    made = std::move(*make_enumerator(spec, *env.files, 1));
    auto* g = dynamic_cast<growing_enumerator*>(made.get());
    REQUIRE(g);
    auto found = made->discover();
    REQUIRE(found.ok());
    CHECK(found->bounded);
    read = found->splits;
    return *g;
  }
};

}  // namespace

TEST_CASE_FIXTURE(growing,
                  "kafka source: what was added behind splits is read on by the same reader") {
  mock_cluster cluster;
  cluster.create("t", 2);
  cluster.write_values("t", 0, {R"({"n":1,"s":"a"})"});
  auto& source = of(kafka_source(cluster, {{"topic", "t"}, {"lookup", "true"}}, pair));
  REQUIRE(read.size() == 2);
  reading r;
  REQUIRE(r.start(kafka_source(cluster, {{"topic", "t"}, {"lookup", "true"}}, pair), read).ok());
  rows out;
  REQUIRE(r.take(out).ok());
  CHECK(out == rows{"1|a"});
  auto none = source.discover_behind(read);
  REQUIRE(none.ok());
  CHECK(none->splits.empty());
  cluster.write_values("t", 0, {R"({"n":2,"s":"b"})"});
  cluster.write_values("t", 1, {R"({"n":3,"s":"c"})"});
  auto more = source.discover_behind(read);
  REQUIRE(more.ok());
  CHECK_FALSE(more->anew);
  REQUIRE(more->splits.size() == 2);
  for (const auto& s : more->splits) REQUIRE(r.reader->add_split(s).ok());
  REQUIRE(r.take(out).ok());
  CHECK(sorted(out) == rows{"1|a", "2|b", "3|c"});
}

TEST_CASE_FIXTURE(growing, "kafka source: a topic that was made anew is read from its beginning") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write_values("t", 0, {R"({"n":1,"s":"a"})", R"({"n":2,"s":"b"})"});
  auto& source = of(kafka_source(cluster, {{"topic", "t"}, {"lookup", "true"}}, pair));
  // As if it had had more records.
  kafka_split s;
  s.from = {"t", 0};
  s.next = s.end = 7;
  read[0].payload = s.encode();
  auto more = source.discover_behind(read);
  REQUIRE(more.ok());
  CHECK(more->anew);
  REQUIRE(more->splits.size() == 1);
  reading r;
  REQUIRE(r.start(kafka_source(cluster, {{"topic", "t"}, {"lookup", "true"}}, pair), more->splits)
              .ok());
  rows out;
  REQUIRE(r.take(out).ok());
  CHECK(out == rows{"1|a", "2|b"});
}

TEST_CASE("kafka source: where a table is looked up records without a value take rows away") {
  mock_cluster cluster;
  cluster.create("t", 1);
  cluster.write("t", {{R"({"s":"a"})", R"({"n":1,"s":"a"})"}, {R"({"s":"a"})", std::nullopt}});
  reading r;
  REQUIRE(
      r.start(kafka_source(cluster, {{"topic", "t"}, {"lookup", "true"}, {"format", "upsert_json"}},
                           pair))
          .ok());
  rows out;
  CHECK(take_weighted(r, out) == std::vector<int>{1, -1});
  CHECK(out == rows{"1|a", "NULL|a"});

  cluster.create("u", 1);
  cluster.write("u", {{"a", R"({"n":1})"}, {"a", std::nullopt}});
  reading by_key;
  REQUIRE(
      by_key.start(kafka_source(cluster, {{"topic", "u"}, {"lookup", "true"}, {"key", "s"}}, pair))
          .ok());
  out.clear();
  CHECK(take_weighted(by_key, out) == std::vector<int>{1, -1});
  CHECK(out == rows{"1|a", "NULL|a"});
}
