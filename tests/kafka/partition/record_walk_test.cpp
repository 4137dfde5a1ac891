#include "runtime/kafka/partition/record_walk.hpp"

#include <doctest/doctest.h>

#include <random>

#include "runtime/log/record_batch_builder.hpp"
#include "runtime/log/record_reader.hpp"

using namespace weir;
using namespace weir::kafka;

namespace {

std::optional<record_facts> read_slowly(record_batch_view batch) {
  record_reader reader;
  if (!reader.open(batch).ok()) return std::nullopt;
  record_facts facts;
  record r;
  for (;;) {
    auto more = reader.next(r);
    if (!more.ok()) return std::nullopt;
    if (!*more) return facts;
    facts.timestamp_min_ms = std::min(facts.timestamp_min_ms, r.timestamp_ms);
    facts.timestamp_max_ms = std::max(facts.timestamp_max_ms, r.timestamp_ms);
    facts.all_have_keys = facts.all_have_keys && r.key.has_value();
  }
}

std::vector<std::byte> random_batch(std::mt19937& random) {
  record_batch_builder b;
  std::vector<std::byte> text(300, std::byte{'x'});
  const auto piece = [&] {
    return byte_view(text).first(random() % 3 ? random() % 20 : random() % 300);
  };
  for (size_t n = 1 + random() % 6; n > 0; --n) {
    std::optional<byte_view> key, value;
    if (random() % 4) key = piece();
    if (random() % 4) value = piece();
    std::vector<record_header> headers(random() % 3);
    for (auto& h : headers) {
      h.key = "k";
      if (random() % 2) h.value = piece();
    }
    b.add(1'000'000 + static_cast<int64_t>(random() % 100'000), key, value, headers);
  }
  return *b.build();
}

}  // namespace

TEST_CASE("the quick look and the reader say the same of whole and of damaged records") {
  std::mt19937 random(5);
  int whole = 0, damaged = 0;
  for (int i = 0; i < 40'000; ++i) {
    auto bytes = random_batch(random);
    if (i % 4 != 0) {
      const size_t at =
          record_batch_header_bytes + random() % (bytes.size() - record_batch_header_bytes);
      bytes[at] = static_cast<std::byte>(random());
    }
    const record_batch_view batch(bytes);
    const auto quick = walk_records(batch), slow = read_slowly(batch);
    REQUIRE(quick.has_value() == slow.has_value());
    ++(quick ? whole : damaged);
    if (!quick) continue;
    CHECK(quick->timestamp_min_ms == slow->timestamp_min_ms);
    CHECK(quick->timestamp_max_ms == slow->timestamp_max_ms);
    CHECK(quick->all_have_keys == slow->all_have_keys);
  }
  CHECK(whole > 5000);
  CHECK(damaged > 3000);
}
