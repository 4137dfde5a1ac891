// Reader and writer: primitive types, bounds, tags, holes, headers.
#include <doctest/doctest.h>

#include <unordered_set>

#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"
#include "runtime/kafka/protocol/messages/stored.hpp"
#include "runtime/kafka/protocol/protocol.hpp"
#include "tests/kafka/protocol/hex.hpp"

namespace weir::kafka::test {
namespace {

template <class T>
status decode_hex(std::string_view text, T& out, int16_t version) {
  const auto bytes = unhex(text);
  reader r(bytes);
  WEIR_TRY(decode(r, out, version));
  return r.expect_end();
}

}  // namespace

TEST_CASE("kafka wire: unsigned varints") {
  const std::pair<uint32_t, const char*> cases[] = {
      {0, "00"},     {1, "01"},       {127, "7f"},       {128, "8001"},
      {300, "ac02"}, {16383, "ff7f"}, {16384, "808001"}, {0xffffffff, "ffffffff0f"}};
  for (const auto& [value, text] : cases) {
    writer w;
    w.unsigned_varint(value);
    CHECK(hex(w.view()) == text);
    reader r(w.view());
    CHECK(r.unsigned_varint("v") == value);
    CHECK(r.expect_end().ok());
  }
  for (const char* text : {"", "80", "ffffffff10", "ffffffffff01"}) {
    const auto bytes = unhex(text);
    reader r(bytes);
    CHECK(r.unsigned_varint("v") == 0);
    CHECK(!r.ok());
  }
}

TEST_CASE("kafka wire: integers are big endian, errors stick and name the field") {
  writer w;
  w.int8(-2), w.int16(258), w.int32(-3), w.int64(1LL << 40), w.float64(1.5), w.boolean(true);
  CHECK(hex(w.view()) == squeezed("fe 0102 fffffffd 0000010000000000 3ff8000000000000 01"));
  reader r(w.view());
  r.begin_message("Test", 4, false);
  CHECK(r.int8("a") == -2);
  CHECK(r.int16("b") == 258);
  CHECK(r.int32("c") == -3);
  CHECK(r.int64("d") == 1LL << 40);
  CHECK(r.float64("e") == 1.5);
  CHECK(r.boolean("f"));
  CHECK(r.state().ok());
  CHECK(r.int32("things[].size") == 0);
  CHECK(r.string("other").empty());
  CHECK(r.state().err().message == "Test v4: things[].size: the message ends here at byte 24");
}

TEST_CASE("kafka wire: uuids are printed as Kafka prints them") {
  uuid u;
  CHECK(u.is_zero());
  CHECK(u.to_string() == "AAAAAAAAAAAAAAAAAAAAAA");
  for (size_t i = 0; i < 16; ++i) u.bytes[i] = static_cast<uint8_t>(0xf0 + i);
  CHECK(u.to_string() == "8PHy8_T19vf4-fr7_P3-_w");
  CHECK(uuid::parse(u.to_string()) == u);
  CHECK(!uuid::parse("8PHy8_T19vf4-fr7_P3-_"));
  CHECK(!uuid::parse("8PHy8_T19vf4-fr7_P3-_x"));  // bits beyond the 128
  CHECK(!uuid::parse("8PHy8/T19vf4+fr7/P3+/w"));
  CHECK(std::unordered_set<uuid>{u, uuid{}, u}.size() == 2);
}

TEST_CASE("kafka wire: lengths that the message cannot hold are refused before memory is taken") {
  metadata_request m;
  auto s = decode_hex("7fffffff", m, 1);
  CHECK(
      s.err().message ==
      "MetadataRequest v1: topics: an array of more elements than the message can hold at byte 4");
  // Compact: 2^32 - 1 elements, then lengths.
  CHECK(!decode_hex("ffffffff0f 01", m, 9).ok());
  CHECK(!decode_hex("00000001 7fff 61", m, 1).ok());
  CHECK(!decode_hex("fffffffe", m, 1).ok());
  CHECK(decode_hex("ffffffff", m, 1).ok());
  CHECK(!m.topics);
  CHECK(!decode_hex("ffffffff", m, 0).ok());  // version 0 has no null here

  // A megabyte of empty compact strings: 32 MiB of std::string pass, twice nested they do not.
  std::vector<std::byte> big(1 << 20);
  writer w;
  w.begin_message(true);
  w.array(big.size());
  w.raw(big);
  reader r(w.view());
  r.begin_message("Test", 0, true);
  std::vector<std::string> out;
  CHECK(r.filled_array("a", 1, sizeof(std::string)) == 1 << 20);
  CHECK(r.filled_array("b", 1, sizeof(std::string)) == 0);
  reader greedy(w.view());
  greedy.begin_message("Test", 0, true);
  CHECK(greedy.filled_array("a", 1, 200) == 0);
  CHECK(greedy.state().err().message.find("too much memory") != std::string::npos);
}

TEST_CASE("kafka wire: records point into the request's buffer") {
  const auto bytes = unhex("ffff 0001 00007530 00000001 0001 74 00000001 00000002 00000003 aabbcc");
  reader r(bytes);
  produce_request m;
  REQUIRE(decode(r, m, 3).ok());
  REQUIRE(r.expect_end().ok());
  const auto& records = m.topic_data.at(0).partition_data.at(0).records;
  CHECK(records.bytes.data() == bytes.data() + bytes.size() - 3);
  CHECK(hex(records.bytes) == "aabbcc");
  CHECK(m.acks == 1);
  CHECK(m.timeout_ms == 30000);
}

TEST_CASE("kafka wire: holes are counted but not written") {
  fetch_response m;
  auto& t = m.responses.emplace_back();
  t.topic = "t";
  for (uint32_t i = 0; i < 2; ++i) {
    auto& p = t.partitions.emplace_back();
    p.partition_index = static_cast<int32_t>(i);
    p.records = record_bytes::hole(10 + i, 5);
  }
  for (const int16_t v : {4, 11, 12}) {
    CAPTURE(v);
    writer w;
    w.int8(0);  // something in front: the frame does not start at 0
    encode_response(w, 77, m, v);
    REQUIRE(w.holes().size() == 2);
    CHECK(w.holes()[1].id == 11);
    CHECK(w.total_size() == w.size() + 10);
    // Fill the holes, and it is the message with the bytes inside.
    std::string all;
    size_t at = 0;
    for (const auto& h : w.holes()) {
      all += as_string_view(w.view().subspan(at, h.position - at));
      all += "abcde";
      at = h.position;
    }
    all += as_string_view(w.view().subspan(at));
    reader r(as_bytes_view(all).subspan(1));
    CHECK(r.int32("length") == static_cast<int32_t>(all.size() - 5));
    CHECK(*decode_response_header(r, *find_api(1), v) == 77);
    fetch_response back;
    REQUIRE(decode(r, back, v).ok());
    CHECK(r.expect_end().ok());
    CHECK(as_string_view(back.responses[0].partitions[1].records.bytes) == "abcde");
    // A second frame in the same writer counts its own bytes only.
    const size_t before = w.size();
    encode_response(w, 78, heartbeat_response{}, 0);
    CHECK(hex(w.view().subspan(before)) == "000000060000004e0000");
  }
}

TEST_CASE("kafka wire: unknown tags are skipped, known ones are read, broken ones refused") {
  find_coordinator_request m;
  const std::string head = "00 02 02 6b ";  // key_type 0, one coordinator key "k"
  REQUIRE(decode_hex(head + "02 05 02 abcd 09 00", m, 4).ok());
  CHECK(m.coordinator_keys == std::vector<std::string>{"k"});
  CHECK(!decode_hex(head + "01 05 03 abcd", m, 4).ok());  // longer than the message
  CHECK(!decode_hex(head + "02 05 02 abcd", m, 4).ok());  // the second is missing
  CHECK(!decode_hex(head + "ffffffff0f 00 00", m, 4).ok());

  fetch_request f;
  f.cluster_id = "c";
  f.replica_state.replica_id = 3;
  writer w;
  encode(w, f, 15);
  const std::string tags = squeezed("02 00 02 02 63 01 0d 00000003 ffffffffffffffff 00");
  REQUIRE(hex(w.view()).ends_with(tags));
  fetch_request back;
  REQUIRE(decode_hex(hex(w.view()), back, 15).ok());
  CHECK(back == f);
  // The tag's size must fit its value.
  auto text = hex(w.view());
  text.replace(text.size() - tags.size(), tags.size(), squeezed("01 00 03 02 63 00"));
  CHECK(decode_hex(text, back, 15).err().message ==
        "FetchRequest v15: tags: a tagged field that is longer than its value at byte 29");
}

TEST_CASE("kafka wire: request headers") {
  const auto round = [](const request_header& h) {
    writer w;
    encode(w, h);
    reader r(w.view());
    request_header back;
    CHECK(decode(r, back).ok());
    CHECK(r.expect_end().ok());
    CHECK(back == h);
    return hex(w.view());
  };
  CHECK(round({3, 8, 5, "me"}) == squeezed("0003 0008 00000005 0002 6d65"));
  CHECK(round({3, 9, 5, "me"}) == squeezed("0003 0009 00000005 0002 6d65 00"));
  CHECK(round({3, 9, 5, std::nullopt}) == squeezed("0003 0009 00000005 ffff 00"));
  CHECK(round({18, 99, 5, "me"}) == squeezed("0012 0063 00000005 0002 6d65 00"));
  CHECK(round({999, 1, 5, "me"}) == squeezed("03e7 0001 00000005 0002 6d65"));
  const auto bytes = unhex("0003 0009 0000");
  reader r(bytes);
  request_header h;
  CHECK(decode(r, h).err().message ==
        "request header v1: correlation_id: the message ends here at byte 4");
}

TEST_CASE("kafka wire: the response to ApiVersions keeps the old header") {
  CHECK(response_header_version(*find_api(18), 4) == 0);
  CHECK(response_header_version(*find_api(3), 8) == 0);
  CHECK(response_header_version(*find_api(3), 9) == 1);
  CHECK(request_header_version(*find_api(18), 3) == 2);
  CHECK(response_header_version(*find_api(17), 1) == 0);
}

TEST_CASE("kafka wire: stored records and blobs have their version in front") {
  offset_commit_key key;
  key.group = "g", key.topic = "t", key.partition = 3;
  writer w;
  encode_versioned(w, key);
  CHECK(hex(w.view()) == squeezed("0001 0001 67 0001 74 00000003"));
  reader r(w.view());
  offset_commit_key back;
  CHECK(*decode_versioned(r, back) == 1);
  CHECK(back == key);

  // A newer member's subscription is read as far as we know it.
  const auto blob = unhex("0009 00000001 0001 74 ffffffff 00000000 ffffffff ffff abcdef");
  reader newer(blob);
  consumer_protocol_subscription s;
  CHECK(*decode_versioned(newer, s, true) == 9);
  CHECK(s.topics == std::vector<std::string>{"t"});
  CHECK(newer.remaining() == 3);
  reader strict(blob);
  CHECK(decode_versioned(strict, s).err().code == errc::unsupported);
}

TEST_CASE("kafka wire: long strings of old versions are cut to what their length can say") {
  describe_groups_response m;
  m.groups.emplace_back().group_state = std::string(40000, 'x');
  writer w;
  encode(w, m, 0);
  describe_groups_response back;
  reader r(w.view());
  REQUIRE(decode(r, back, 0).ok());
  CHECK(back.groups[0].group_state.size() == 32767);
}

TEST_CASE("kafka wire: a writer can be used again, and gives its buffer away") {
  writer w;
  w.records(record_bytes::hole(1, 9));
  w.clear();
  CHECK(w.total_size() == 0);
  CHECK(w.holes().empty());
  w.int16(5);
  const auto bytes = w.take();
  CHECK(hex(bytes) == "0005");
  CHECK(w.size() == 0);
  w.int8(1);
  CHECK(hex(w.view()) == "01");
}

}  // namespace weir::kafka::test
