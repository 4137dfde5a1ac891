// Every message in every version: what is encoded comes back; damaged bytes are refused or decode
// to something that is itself a message.
#include <doctest/doctest.h>

#include <random>

#include "tests/kafka/protocol/all_messages.hpp"

namespace weir::kafka::test {
namespace {

template <class F>
void for_each_version(F&& f) {
  for (const auto& c : all_messages())
    for (int16_t v = c.info.min_version; v <= c.info.max_version; ++v) {
      CAPTURE(c.info.name);
      CAPTURE(v);
      f(c, v);
    }
}

std::vector<std::byte> random_message(const message_case& c, int16_t v, uint64_t seed) {
  writer w;
  c.encode_random(seed, v, w);
  return w.take();
}

}  // namespace

TEST_CASE("kafka messages: every one in every version comes back equal") {
  size_t versions = 0;
  for_each_version([&](const message_case& c, int16_t v) {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      const auto s = c.round_trip(seed, v);
      if (!s) FAIL_CHECK("seed " << seed << ": " << s.err().text());
    }
    ++versions;
  });
  CHECK(versions > 400);
}

TEST_CASE("kafka messages: decoding and encoding again gives the same bytes") {
  for_each_version([&](const message_case& c, int16_t v) {
    for (uint64_t seed = 100; seed < 110; ++seed) {
      const auto bytes = random_message(c, v, seed);
      writer w;
      const auto s = c.again(bytes, v, w);
      REQUIRE_MESSAGE(s.ok(), s.err().text());
      CHECK(std::ranges::equal(w.view(), bytes));
    }
  });
}

TEST_CASE("kafka messages: every truncation is refused with the message's name") {
  for_each_version([&](const message_case& c, int16_t v) {
    const auto bytes = random_message(c, v, 7);
    for (size_t n = 0; n < bytes.size(); ++n) {
      writer w;
      const auto s = c.again(bytes_view(bytes).first(n), v, w);
      if (s.ok()) {
        FAIL_CHECK("accepted with " << n << " of " << bytes.size() << " bytes");
        break;
      }
      if (s.err().code != errc::parse || !s.err().message.starts_with(c.info.name)) {
        FAIL_CHECK(s.err().text());
        break;
      }
    }
  });
}

TEST_CASE("kafka messages: flipped bits are refused, or give a message that comes back") {
  std::mt19937_64 rng(20);
  size_t accepted = 0, refused = 0;
  for_each_version([&](const message_case& c, int16_t v) {
    for (uint64_t seed = 200; seed < 205; ++seed) {
      const auto good = random_message(c, v, seed);
      for (int i = 0; i < 30 && !good.empty(); ++i) {
        auto bad = good;
        for (uint64_t flips = 1 + rng() % 3; flips > 0; --flips)
          bad[rng() % bad.size()] ^= static_cast<std::byte>(1 << rng() % 8);
        writer w;
        if (!c.again(bad, v, w).ok()) {
          ++refused;
          continue;
        }
        ++accepted;
        const auto same = c.same(bad, w.view(), v);
        if (!same || !*same) FAIL_CHECK("seed " << seed << ": " << same.ok());
      }
    }
  });
  CHECK(accepted > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("kafka messages: a version outside of the message's is refused, and named") {
  for (const auto& c : all_messages()) {
    for (const int v : {c.info.min_version - 1, c.info.max_version + 1}) {
      writer w;
      const auto s = c.again({}, static_cast<int16_t>(v), w);
      REQUIRE(!s.ok());
      CHECK(s.err().code == errc::unsupported);
      CHECK(s.err().message.find(c.info.name) != std::string::npos);
    }
  }
}

}  // namespace weir::kafka::test
