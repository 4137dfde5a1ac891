// Over its limits the budget gives credit back window by window, never to nobody.
#include <doctest/doctest.h>

#include "actors/data/credit_budget.hpp"

using namespace weir;

namespace {

using end = credit_budget::end;

uint64_t bytes_of(const std::vector<credit_budget::grant>& all) {
  uint64_t n = 0;
  for (const auto& g : all) n += g.amount.bytes;
  return n;
}

}  // namespace

TEST_CASE("below the limits what is taken is granted at once, to who sent it") {
  credit_budget b({1000, 1000});
  b.arrived(1, {10, 5}, 300);
  CHECK(b.in_flight() == 300);
  auto g = b.consumed(1, {10, 5}, 77, {100, 1});
  REQUIRE(g.size() == 1);
  CHECK(g[0].connection == 1);
  CHECK(g[0].of == end{10, 5});
  CHECK(g[0].sender == 77);
  CHECK(g[0].amount.bytes == 100);
  CHECK(g[0].amount.batches == 1);
  CHECK(b.in_flight() == 200);
  CHECK(b.in_flight(1) == 200);
  CHECK(b.in_flight(2) == 0);
}

TEST_CASE("over the node's limit credit is held back until less is in flight") {
  credit_budget b({500, UINT64_MAX});
  b.arrived(1, {10, 1}, 400);
  b.arrived(2, {11, 2}, 400);
  CHECK(b.consumed(1, {10, 1}, 7, {100, 1}).empty());
  CHECK(b.held_back() == 1);
  CHECK(b.consumed(1, {10, 1}, 7, {100, 1}).empty());
  CHECK(b.held_back() == 1);
  // 600 in flight; the other channel takes 100: 500 is the limit, both are granted all.
  auto g = b.consumed(2, {11, 2}, 8, {100, 1});
  CHECK(g.size() == 2);
  CHECK(bytes_of(g) == 300);
  CHECK(b.held_back() == 0);
}

TEST_CASE("over a limit a channel that is empty gets its window back whole") {
  credit_budget b({100, UINT64_MAX});
  b.arrived(1, {10, 1}, 200);
  b.arrived(1, {11, 2}, 400);
  CHECK(b.consumed(1, {10, 1}, 7, {150, 1}).empty());
  auto g = b.consumed(1, {10, 1}, 7, {50, 1});
  REQUIRE(g.size() == 1);
  CHECK(g[0].amount.bytes == 200);
  CHECK(g[0].amount.batches == 2);
  CHECK(b.held_back() == 0);
  CHECK(b.in_flight() == 400);
}

TEST_CASE("a connection over its limit does not hold back others") {
  credit_budget b({10'000, 100});
  b.arrived(1, {10, 1}, 500);
  b.arrived(2, {11, 2}, 90);
  CHECK(b.consumed(1, {10, 1}, 7, {50, 1}).empty());
  CHECK(bytes_of(b.consumed(2, {11, 2}, 8, {50, 1})) == 50);
  CHECK(b.held_back() == 1);
  // What the slow one has taken since is granted with what was held.
  auto g = b.consumed(1, {10, 1}, 7, {350, 3});
  REQUIRE(g.size() == 1);
  CHECK(g[0].amount.bytes == 400);
  CHECK(g[0].amount.batches == 4);
}

TEST_CASE("tasks and connections that are over count no more") {
  credit_budget b({100, UINT64_MAX});
  b.arrived(1, {10, 1}, 300);
  b.arrived(2, {11, 2}, 80);
  CHECK(b.consumed(2, {11, 2}, 8, {30, 1}).empty());
  auto g = b.forget_task(10);
  REQUIRE(g.size() == 1);
  CHECK(g[0].of == end{11, 2});
  CHECK(g[0].amount.bytes == 30);
  CHECK(b.in_flight() == 50);
  CHECK(b.forget_connection(2).empty());
  CHECK(b.in_flight() == 0);
  // A task may take what it had got before it hears of the end.
  CHECK(b.consumed(2, {11, 2}, 8, {50, 1}).empty());
  CHECK(b.in_flight() == 0);
}
