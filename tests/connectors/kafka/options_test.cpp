#include <doctest/doctest.h>

#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/kafka/kafka_split.hpp"
#include "runtime/connectors/kafka/records.hpp"
#include "tests/connectors/support.hpp"

using namespace weir;
using namespace weir::test;

namespace {

std::string problem(option_map options, bool as_sink = false) {
  options.try_emplace("connector", "kafka");
  options.try_emplace("bootstrap", "b:9092");
  auto s = check_options(options["connector"], options, as_sink);
  return s ? "" : s.err().message;
}
bool mentions(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("kafka options: what may be said, and what a wrong one is told") {
  CHECK(problem({{"topic", "t"}}) == "");
  CHECK(problem({{"topics", "a, b"}, {"start", "2013-01-01 10:00:00"}}) == "");
  CHECK(problem({{"pattern", "a.*"}, {"start", "latest"}, {"until", "latest"}}) == "");
  CHECK(problem({{"topic", "t"}, {"start", "0:15,1:20"}, {"group", "g"}}) == "");
  CHECK(mentions(problem({}), "exactly one of the options topic, topics"));
  CHECK(mentions(problem({{"topic", "t"}, {"pattern", "x"}}), "exactly one of"));
  CHECK(mentions(problem({{"topic", "a b"}}), "names of letters"));
  CHECK(mentions(problem({{"pattern", "("}}), "a regular expression"));
  CHECK(mentions(problem({{"topic", "t"}, {"start", "soon"}}), "earliest, latest, group"));
  CHECK(mentions(problem({{"topics", "a,b"}, {"start", "0:1"}}), "offsets are of one topic"));
  CHECK(mentions(problem({{"topic", "t"}, {"start", "group"}}), "needs the option group"));
  CHECK(mentions(problem({{"topic", "t"}, {"topik", "u"}}), "did you mean \"topic\""));
  CHECK(mentions(problem({{"topic", "t"}, {"format", "jsn"}}), "did you mean \"json\""));
  CHECK(mentions(problem({{"topic", "t"}, {"delimiter", ";"}}), "belongs to format csv"));
  CHECK(mentions(problem({{"topic", "t"}, {"delivery", "exactly_once"}}), "has no meaning"));
  option_map no_cluster{{"connector", "kafka"}, {"topic", "t"}};
  CHECK(mentions(check_options("kafka", no_cluster, false).err().message, "option bootstrap"));
  no_cluster["connector"] = "topic";
  CHECK(check_options("topic", no_cluster, false).ok());
  no_cluster["cluster"] = "h:1";
  CHECK(check_options("topic", no_cluster, true).ok());
  CHECK(mentions(problem({{"topic", "t"}, {"cluster", "h:1"}}), "has no option cluster"));
}

TEST_CASE("kafka options: tables that are looked up") {
  CHECK(problem({{"topic", "t"}, {"lookup", "true"}, {"cache", "10s"}}) == "");
  CHECK(problem({{"topic", "t"}, {"lookup", "true"}, {"format", "upsert_json"}}) == "");
  CHECK(problem({{"topic", "t"}, {"format", "upsert_json"}}) == "");
  CHECK(mentions(problem({{"topic", "t"}, {"cache", "10s"}}), "needs lookup = true"));
  CHECK(mentions(problem({{"topic", "t"}, {"lookup", "true"}, {"until", "latest"}}),
                 "option until has no meaning for a table that is looked up"));
  CHECK(mentions(
      problem({{"topic", "t"}, {"lookup", "true"}, {"format", "upsert_json"}, {"key", "k"}}),
      "have the PRIMARY KEY as their key"));
}

TEST_CASE("kafka options: sinks") {
  CHECK(problem({{"topic", "t"}, {"format", "upsert_json"}}, true) == "");
  CHECK(mentions(problem({}, true), "the option topic, which is missing"));
  CHECK(mentions(problem({{"topic", "t"}, {"start", "latest"}}, true), "has no meaning"));
  CHECK(
      mentions(problem({{"topic", "t"}, {"key_in_value", "true"}}, true), "needs the option key"));
  CHECK(mentions(
      problem({{"topic", "t"}, {"delivery", "at_least_once"}, {"transactional_id", "x"}}, true),
      "has no meaning with delivery"));
}

TEST_CASE("kafka options: librdkafka's own are checked by it") {
  CHECK(problem({{"topic", "t"}, {"kafka.security.protocol", "SASL_SSL"}}) == "");
  CHECK(problem({{"topic", "t"}, {"kafka.linger.ms", "20"}}, true) == "");
  CHECK(mentions(problem({{"topic", "t"}, {"kafka.fetch.wait.maxms", "20"}}, true),
                 "did you mean \"fetch.wait.max.ms\""));
  CHECK(mentions(problem({{"topic", "t"}, {"kafka.linger.ms", "soon"}}, true),
                 "option kafka.linger.ms = 'soon'"));
  CHECK(mentions(problem({{"topic", "t"}, {"kafka.group.id", "g"}}), "use the option group"));
}

TEST_CASE("kafka options: columns that options name") {
  schema s = *schema_of({{"k", type_id::string}, {"n", type_id::int64}});
  auto why = [&](option_map options, bool as_sink = false) {
    auto checked = check_kafka_table("t", s, options, as_sink);
    return checked ? "" : checked.err().message;
  };
  CHECK(why({{"key", "k"}, {"offset", "n"}}) == "");
  CHECK(mentions(why({{"key", "kk"}}), "names \"kk\", which is no column of it; did you mean"));
  CHECK(mentions(why({{"key", "n"}}), "text or bytea is needed"));
  CHECK(mentions(why({{"partition", "n"}}), "column \"n\" is bigint, but int is needed"));
  CHECK(mentions(why({{"key", "k"}, {"headers", "k"}}), "name the same column"));
  CHECK(mentions(why({{"key", "k"}, {"format", "upsert_json"}}, true), "PRIMARY KEY as their key"));
  CHECK(mentions(why({{"format", "raw"}}, true), "format raw needs a table of one column"));
}

TEST_CASE("kafka split: positions round-trip; damaged ones are refused") {
  kafka_split s;
  s.from = {"t", 3};
  for (int64_t next : {kafka_split::earliest, int64_t{0}, int64_t{1} << 60}) {
    s.next = next;
    s.end = 77;
    s.dead_letter_bytes = 5;
    auto text = s.encode();
    auto back = kafka_split::decode(text);
    REQUIRE(back.ok());
    CHECK(back->from.topic == "t");
    CHECK(back->from.partition == 3);
    CHECK(back->next == next);
    CHECK(back->end == 77);
    CHECK(back->dead_letter_bytes == 5);
    for (size_t n = 0; n < text.size(); ++n) CHECK(!kafka_split::decode(text.substr(0, n)).ok());
  }
  s.next = -1;
  CHECK(!kafka_split::decode(s.encode()).ok());
}

TEST_CASE("kafka records: round trip; damaged ones are refused") {
  std::string headers, bytes;
  REQUIRE(headers_from_json(R"({"a":"1","b":null})", headers).ok());
  append_record(bytes, {"k", "v", headers, 2, 17});
  append_record(bytes, {std::nullopt, std::nullopt, {}, -1, 0});
  append_record(bytes, {"", "", {}, -1, 0});
  record_cursor cursor(bytes);
  record_view r;
  REQUIRE(*cursor.next(r));
  CHECK(*r.key == "k");
  CHECK(*r.value == "v");
  CHECK(r.partition == 2);
  CHECK(r.timestamp_ms == 17);
  header_cursor h(r.headers);
  header_view v;
  REQUIRE(*h.next(v));
  CHECK(v.name == "a");
  CHECK(*v.value == "1");
  REQUIRE(*h.next(v));
  CHECK(!v.value);
  CHECK(!*h.next(v));
  REQUIRE(*cursor.next(r));
  CHECK(!r.key);
  CHECK(!r.value);
  REQUIRE(*cursor.next(r));
  CHECK(r.key->empty());
  CHECK(!*cursor.next(r));
  // Cut anywhere, reading ends or fails, within the bytes that are there.
  for (size_t n = 1; n < bytes.size(); ++n) {
    std::string cut(bytes.data(), n);
    record_cursor c(cut);
    while (true) {
      auto more = c.next(r);
      if (!more || !*more) break;
    }
  }
  for (const char* bad :
       {"[]", "{\"a\":{\"x\":1}}", "{\"a\":[[1]]}", "nonsense", "{\"a\":{\"base64\":\"!!!!\"}}"})
    CHECK(!headers_from_json(bad, headers).ok());
}
