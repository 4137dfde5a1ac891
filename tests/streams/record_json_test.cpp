// Records as JSON and back, positions and times as users write them, Kafka's hash of keys.
#include <doctest/doctest.h>

#include "cluster/streams/partitioner.hpp"
#include "cluster/streams/record_json.hpp"
#include "cluster/streams/start_position.hpp"

using namespace weir;
using namespace weir::streams;

namespace {

byte_view bytes(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

std::string json_of(const record& r, bool embed = false) {
  std::string out;
  append_record_json(out, 3, r, {embed});
  return out;
}

new_record parsed(const std::string& text) {
  simdjson::dom::parser parser;
  auto r = parse_record_json(parser.parse(text).value(), 1'000'000);
  REQUIRE(r.ok());
  return *r;
}
std::string refused(const std::string& text) {
  simdjson::dom::parser parser;
  auto r = parse_record_json(parser.parse(text).value(), 1'000'000);
  return r ? "" : r.err().message;
}

}  // namespace

TEST_CASE("a record as JSON: text, null, bytes that are no text, headers") {
  record r;
  r.offset = 17;
  r.timestamp_ms = 1'700'000'000'123;
  CHECK(json_of(r) ==
        R"({"partition": 3, "offset": 17, "timestamp": "2023-11-14 22:13:20.123", "key": null, )"
        R"("value": null, "headers": {}})");
  r.key = bytes("a\"b");
  r.value = bytes("\xff\x01");
  const record_header headers[] = {{"h", bytes("1")}, {"g", std::nullopt}, {"h", bytes("2")}};
  r.headers = headers;
  CHECK(json_of(r) ==
        R"({"partition": 3, "offset": 17, "timestamp": "2023-11-14 22:13:20.123", "key": "a\"b", )"
        R"("value": {"base64": "/wE="}, "headers": {"h": ["1", "2"], "g": null}})");
}

TEST_CASE("a value that is JSON is embedded when that is asked for, and only then") {
  record r;
  r.value = bytes(R"({"a": [1]})");
  CHECK(json_of(r).find(R"("value": "{\"a\": [1]}")") != std::string::npos);
  CHECK(json_of(r, true).find(R"("value": {"a": [1]},)") != std::string::npos);
  r.value = bytes("{a");
  CHECK(json_of(r, true).find(R"("value": "{a")") != std::string::npos);
}

TEST_CASE("what was printed can be read again") {
  record r;
  r.offset = 5;
  r.timestamp_ms = 1'700'000'000'123;
  r.key = bytes("k");
  r.value = bytes(std::string_view("\0\xff", 2));
  const record_header headers[] = {{"h", bytes("1")}, {"h", bytes("2")}};
  r.headers = headers;
  const auto back = parsed(json_of(r));
  CHECK(back.key == "k");
  CHECK(back.value == std::string("\0\xff", 2));
  CHECK(back.partition == 3);
  CHECK(back.timestamp_ms == 1'700'000'000'123);
  REQUIRE(back.headers.size() == 2);
  CHECK(back.headers[1].first == "h");
  CHECK(back.headers[1].second == "2");
}

TEST_CASE("records that are written by hand") {
  CHECK(parsed(R"({"value": {"a": 1}})").value == R"({"a":1})");
  CHECK(parsed(R"({"key": 7, "value": null})").key == "7");
  CHECK_FALSE(parsed(R"({"key": 7, "value": null})").value.has_value());
  CHECK(parsed(R"({"timestamp": "-1m"})").timestamp_ms == 940'000);
  CHECK(refused("[1]").find("a record is an object") != std::string::npos);
  CHECK(refused(R"({"vale": 1})").find("no \"vale\"") != std::string::npos);
  CHECK(refused(R"({"partition": -1})").find("partition") != std::string::npos);
  CHECK(refused(R"({"value": {"base64": "!"}})").find("base64") != std::string::npos);
}

TEST_CASE("keys out of JSON values") {
  simdjson::dom::parser parser;
  const simdjson::dom::element doc =
      parser.parse(std::string(R"({"id": 7, "user": {"name": "ann"}, "none": null})")).value();
  CHECK(*key_of_json(doc, "id") == "7");
  CHECK(*key_of_json(doc, "user.name") == "ann");
  CHECK_FALSE(key_of_json(doc, "none")->has_value());
  CHECK(key_of_json(doc, "user.age").err().code == errc::unknown_name);
}

TEST_CASE("positions and times") {
  using kind = start_position::kind;
  CHECK(parse_start_position("oldest", 0)->what == kind::earliest);
  CHECK(parse_start_position("latest", 0)->what == kind::latest);
  CHECK(parse_start_position("offset:7", 0)->value == 7);
  CHECK(parse_start_position("after:7", 0)->value == 8);
  CHECK(parse_start_position("time:2023-11-14 22:13:20", 0)->value == 1'700'000'000'000);
  CHECK(parse_start_position("time:1700000000000", 0)->value == 1'700'000'000'000);
  CHECK(parse_start_position("time:-5m", 1'000'000)->value == 700'000);
  for (const auto* bad : {"", "begin", "offset:", "offset:-1", "offset:x", "time:", "time:soon"})
    CHECK(parse_start_position(bad, 0).err().code == errc::invalid_argument);
}

TEST_CASE("keys go where Kafka's clients put them") {
  // Of Kafka's UtilsTest.
  const std::pair<const char*, int32_t> known[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107}};
  for (auto [key, hash] : known) CHECK(static_cast<int32_t>(murmur2(bytes(key))) == hash);
}
