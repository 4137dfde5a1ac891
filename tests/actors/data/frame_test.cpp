// Heads of frames, greetings and addresses: what is written is what is read, and nothing else is.
#include "actors/data/frame.hpp"

#include <doctest/doctest.h>

using namespace weir;

namespace {

std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span(s));
}
result<greeting> decode(const std::string& s) {
  auto all = bytes_of(s);
  if (all.size() < greeting_head_bytes) return error{errc::corrupt, "short"};
  return decode_greeting(all.first(greeting_head_bytes), all.subspan(greeting_head_bytes));
}

frame_head barrier() {
  frame_head f;
  f.kind = frame_kind::message;
  f.task = 0x1122334455667788;
  f.body.channel = channel_id{7};
  f.body.sequence = 9;
  f.body.kind = message_kind::barrier;
  f.body.unaligned = true;
  f.body.value = -12;
  f.body.completed = epoch{11};
  f.body.bytes = 4711;
  return f;
}

}  // namespace

TEST_CASE("a frame's head comes back as it was") {
  auto f = barrier();
  auto back = decode_frame_head(encode_frame_head(f));
  REQUIRE(back.ok());
  CHECK(back->kind == frame_kind::message);
  CHECK(back->task == f.task);
  CHECK(back->body.channel == channel_id{7});
  CHECK(back->body.sequence == 9);
  CHECK(back->body.kind == message_kind::barrier);
  CHECK(back->body.unaligned);
  CHECK(back->body.value == -12);
  CHECK(back->body.completed == epoch{11});
  CHECK(back->body.bytes == 4711);
  CHECK(back->payload_bytes == 0);
}

TEST_CASE("a frame that no sender writes is refused") {
  auto refused = [](auto change) {
    auto f = barrier();
    change(f);
    auto r = decode_frame_head(encode_frame_head(f));
    return !r.ok() && r.err().code == errc::corrupt;
  };
  CHECK_FALSE(refused([](frame_head&) {}));
  CHECK(refused([](frame_head& f) { f.payload_bytes = 8; }));               // a barrier has no rows
  CHECK(refused([](frame_head& f) { f.body.kind = message_kind::data; }));  // rows need bytes
  CHECK(refused([](frame_head& f) {
    f.body.kind = message_kind::data;
    f.payload_bytes = 12;
  }));
  CHECK(refused([](frame_head& f) {
    f.body.kind = message_kind::data;
    f.payload_bytes = frame_payload_max + 8;
  }));
  CHECK(refused([](frame_head& f) { f.body.kind = static_cast<message_kind>(5); }));
  CHECK(refused([](frame_head& f) { f.kind = static_cast<frame_kind>(4); }));
  CHECK(refused([](frame_head& f) { f.kind = frame_kind::credit; }));  // -12 batches
  // The beginning of a frame is looked for nowhere else.
  auto text = encode_frame_head(barrier());
  text[0] ^= std::byte{1};
  CHECK_FALSE(decode_frame_head(text).ok());
}

TEST_CASE("a greeting comes back as it was; cut or damaged it is refused") {
  greeting g;
  g.batch_format = 3;
  g.life = 17;
  g.wanted = 18;
  g.address = "10.0.0.1:4711/0000000000000011";
  g.build = "weir 1.2.3";
  g.refusal = "no";
  const auto text = encode_greeting(g);
  CHECK(*greeting_rest(bytes_of(text).first(greeting_head_bytes)) ==
        text.size() - greeting_head_bytes);
  auto back = decode(text);
  REQUIRE(back.ok());
  CHECK(back->protocol == data_protocol);
  CHECK(back->batch_format == 3);
  CHECK(back->life == 17);
  CHECK(back->wanted == 18);
  CHECK(back->address == g.address);
  CHECK(back->build == g.build);
  CHECK(back->refusal == "no");
  for (size_t n = 0; n < text.size(); ++n) CHECK_FALSE(decode(text.substr(0, n)).ok());
  CHECK_FALSE(decode(text + "x").ok());
  auto other = text;
  other[0] = 'W';
  CHECK_FALSE(decode(other).ok());
  // A later protocol may say anything behind its number.
  other = text;
  other[8] = 9;
  auto later = decode(other + "more");
  REQUIRE(later.ok());
  CHECK(later->protocol == 9);
  CHECK(later->address.empty());
}

TEST_CASE("addresses") {
  auto a = parse_data_address("host.example:4711/00000000000000ff");
  REQUIRE(a.ok());
  CHECK(a->host == "host.example");
  CHECK(a->port == 4711);
  CHECK(a->life == 255);
  CHECK(to_string(*a) == "host.example:4711/00000000000000ff");
  CHECK(to_string(*parse_data_address("[::1]:1/0000000000000001")) == "[::1]:1/0000000000000001");
  for (const char* wrong :
       {"", "host:1", "host/1", "host:0/0000000000000001", ":1/0000000000000001",
        "host:1/000000000000001", "host:1/000000000000000g", "host:65536/0000000000000001"})
    CHECK_FALSE(parse_data_address(wrong).ok());
}
