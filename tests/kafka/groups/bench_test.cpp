// What groups cost, printed as CSV; skipped unless asked for: test_kafka_groups -ns -tc="bench*".
#include <chrono>
#include <cstdio>

#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka {
namespace {

class stopwatch {
 public:
  double us() const {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void print(const char* what, size_t size, size_t count, double us) {
  std::printf("groups,%s,%zu,%zu,%.2f us each\n", what, size, count,
              us / static_cast<double>(count));
}

TEST_CASE("bench: consumer protocol" * doctest::skip()) {
  for (const size_t members : {1U, 100U, 1'000U}) {
    harness h({{"t", 1'000}});
    const stopwatch join;
    for (size_t i = 0; i < members; ++i) (void)h.heartbeat(h.hello("m" + std::to_string(i)));
    print("join", members, members, join.us());
    const stopwatch settle;
    size_t beats = 0;
    std::vector<int32_t> epochs(members, 0);
    for (int round = 0; round < 3; ++round) {
      for (const auto& m : h.g->consumer_describe(1).members) {
        auto q = h.pulse(m.member_id, m.member_epoch);
        auto& owned = q.topic_partitions.emplace();
        for (const auto& t : m.assignment.topic_partitions)
          owned.push_back({t.topic_id, t.partitions});
        (void)h.heartbeat(q);
        ++beats;
      }
    }
    print("reconcile", members, beats, settle.us());
    REQUIRE(std::string(h.g->consumer_describe(1).group_state) == "Stable");
    const int32_t epoch = h.g->consumer_describe(1).group_epoch;
    const stopwatch beat;
    constexpr size_t rounds = 100'000;
    for (size_t i = 0; i < rounds; ++i) {
      const group_call c = h.call(1);
      group_effects out;
      h.g->consumer_heartbeat(c, h.pulse("m" + std::to_string(i % members), epoch), out);
      REQUIRE(out.replies.size() == 1);
    }
    print("heartbeat", members, rounds, beat.us());
  }
}

TEST_CASE("bench: commits" * doctest::skip()) {
  for (const int32_t partitions : {1, 100, 1'000}) {
    harness h({{"t", 10'000}});
    auto q = h.commit_request("", -1, 0, 0);
    for (int32_t p = 1; p < partitions; ++p) {
      q.topics[0].partitions.push_back(q.topics[0].partitions[0]);
      q.topics[0].partitions.back().partition_index = p;
    }
    const size_t rounds = 200'000 / static_cast<size_t>(partitions);
    const stopwatch commit;
    for (size_t i = 0; i < rounds; ++i) {
      const group_call c = h.call(9);
      group_effects out;
      h.g->commit_offsets(c, q, out);
      group_effects done;
      h.g->on_written(out.writes.at(0).id, error_code::none, h.now, done);
      REQUIRE(done.replies.size() == 1);
    }
    print("commit", static_cast<size_t>(partitions), rounds, commit.us());
  }
}

TEST_CASE("bench: classic protocol" * doctest::skip()) {
  for (const size_t members : {10U, 1'000U}) {
    group_options o = harness::quick();
    o.initial_rebalance_delay_ms = 1'000;
    harness h({{"t", 1'000}}, o);
    const stopwatch join;
    std::vector<std::string> ids;
    for (size_t i = 0; i < members; ++i) ids.push_back(h.join_new().first);
    h.pass(2'000);
    print("classic join", members, members, join.us());
    const stopwatch sync;
    std::vector<std::pair<std::string, std::string>> assignments;
    for (const auto& id : ids) assignments.emplace_back(id, std::string(20, 'a'));
    const std::string leader = h.g->describe(6).members.at(0).member_id;
    for (const auto& id : ids) (void)h.sync(id, 1, assignments);
    print("classic sync", members, members, sync.us());
    const stopwatch beat;
    constexpr size_t rounds = 100'000;
    for (size_t i = 0; i < rounds; ++i) (void)h.beat(ids[i % members], 1);
    print("classic heartbeat", members, rounds, beat.us());
  }
}

}  // namespace
}  // namespace weir::kafka
