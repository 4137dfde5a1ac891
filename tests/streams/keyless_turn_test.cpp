#include "cluster/streams/keyless_turn.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using weir::streams::keyless_stretch_bytes;
using weir::streams::keyless_turn;

TEST_CASE("records without a key begin where they are told, also beyond the last partition") {
  CHECK(keyless_turn(6, 0).partition() == 0);
  CHECK(keyless_turn(6, 5).partition() == 5);
  CHECK(keyless_turn(6, 4'294'967'295u).partition() == 4'294'967'295u % 6);
  CHECK(keyless_turn(1, 17).partition() == 0);
}

TEST_CASE("a stretch of records stays together, then comes the next partition") {
  keyless_turn t(3, 1, 100);
  std::vector<int32_t> to;
  for (int i = 0; i < 12; ++i) {
    to.push_back(t.partition());
    t.added(40);
  }
  CHECK(to == std::vector<int32_t>{1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1});
}

TEST_CASE("behind a batch that is sent comes another partition, with a whole stretch") {
  keyless_turn t(3, 0, 100);
  t.added(90);
  t.next();
  CHECK(t.partition() == 1);
  t.added(90);
  CHECK(t.partition() == 1);
  t.added(90);
  CHECK(t.partition() == 2);
}

TEST_CASE("a record larger than a stretch is one, and one partition is enough") {
  keyless_turn t(2, 0, 100);
  t.added(1'000'000);
  CHECK(t.partition() == 1);
  keyless_turn one(1, 0, 100);
  for (int i = 0; i < 10; ++i) {
    CHECK(one.partition() == 0);
    one.added(60);
  }
}

TEST_CASE("wherever they begin, partitions get about as much") {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const auto partitions = static_cast<int32_t>(1 + random() % 20);
    keyless_turn t(partitions, static_cast<uint32_t>(random()));
    std::vector<size_t> bytes(static_cast<size_t>(partitions));
    for (int i = 0; i < 50'000; ++i) {
      const size_t size = 20 + random() % 100;
      bytes[static_cast<size_t>(t.partition())] += size;
      t.added(size);
    }
    const auto [least, most] = std::minmax_element(bytes.begin(), bytes.end());
    // A stretch more, and what each of theirs was longer by.
    const size_t stretches = *most / keyless_stretch_bytes + 1;
    CHECK(*most - *least <= keyless_stretch_bytes + stretches * 120);
  }
}
