#include "runtime/io/executor.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <vector>

using namespace weir;

TEST_CASE("a lane keeps its order and never runs twice at a time") {
  std::vector<int> seen[4];
  std::atomic<int> inside[4] = {};
  std::atomic<bool> overlap{false};
  {
    auto io = make_thread_executor(4);
    uint64_t lanes[4];
    for (auto& l : lanes) l = io->new_lane();
    CHECK(lanes[0] != lanes[1]);
    for (int i = 0; i < 1000; ++i)
      for (int l = 0; l < 4; ++l)
        io->submit(lanes[l], [&, i, l] {
          if (inside[l].fetch_add(1) != 0) overlap = true;
          seen[l].push_back(i);
          inside[l].fetch_sub(1);
        });
  }  // the destructor finishes what was submitted
  CHECK(!overlap);
  for (auto& s : seen) {
    REQUIRE(s.size() == 1000);
    for (int i = 0; i < 1000; ++i) REQUIRE(s[i] == i);
  }
}

TEST_CASE("work may submit work, also while the executor ends") {
  int done = 0;
  io_executor* raw = nullptr;
  std::function<void(int)> chain = [&](int left) {
    ++done;
    if (left > 0) raw->submit(7, [&chain, left] { chain(left - 1); });
  };
  {
    auto io = make_thread_executor(2);
    raw = io.get();
    raw->submit(7, [&chain] { chain(99); });
  }
  CHECK(done == 100);
}

TEST_CASE("different lanes run at the same time") {
  auto io = make_thread_executor(2);
  std::atomic<int> arrived{0};
  std::atomic<int> met{0};
  for (uint64_t lane : {1, 2})
    io->submit(lane, [&] {
      arrived.fetch_add(1);
      arrived.notify_all();
      for (int seen = arrived.load(); seen < 2; seen = arrived.load()) arrived.wait(seen);
      met.fetch_add(1);
    });
  io.reset();
  CHECK(met == 2);
}

TEST_CASE("the inline executor runs at once and keeps a lane's order") {
  auto io = make_inline_executor();
  std::vector<int> order;
  io->submit(1, [&] {
    io->submit(1, [&] { order.push_back(3); });  // same lane: after this one
    io->submit(2, [&] { order.push_back(1); });  // another lane: now
    order.push_back(2);
  });
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(io->new_lane() != io->new_lane());
}
