#include "runtime/kafka/groups/assignors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka::membership {
namespace {

const uuid a = test_id(1);
const uuid b = test_id(2);
const uuid c = test_id(3);

assignor_member member(std::string_view id, std::vector<uuid> topics,
                       const assignment* current = nullptr) {
  assignor_member m;
  m.id = id;
  std::sort(topics.begin(), topics.end());
  m.topics = std::move(topics);
  m.current = current;
  return m;
}

TEST_CASE("uniform: partitions are spread evenly and stay where they are") {
  const assignor_topics topics{{a, 4}, {b, 3}};
  auto one = assign(assignor::uniform, {member("m1", {a, b})}, topics);
  CHECK(one[0] == assignment{{a, {0, 1, 2, 3}}, {b, {0, 1, 2}}});

  const auto two =
      assign(assignor::uniform, {member("m1", {a, b}, &one[0]), member("m2", {a, b})}, topics);
  CHECK(count_partitions(two[0]) == 4);
  CHECK(count_partitions(two[1]) == 3);
  CHECK(is_subset(two[0], one[0]));  // it only gave up

  const auto again = assign(assignor::uniform,
                            {member("m1", {a, b}, &two[0]), member("m2", {a, b}, &two[1])}, topics);
  CHECK(again == two);
}

TEST_CASE("uniform: more members than partitions") {
  const auto out = assign(assignor::uniform,
                          {member("m1", {a}), member("m2", {a}), member("m3", {a})}, {{a, 2}});
  CHECK(count_partitions(out[0]) == 1);
  CHECK(count_partitions(out[1]) == 1);
  CHECK(out[2].empty());
}

TEST_CASE("uniform: different subscriptions are balanced as far as they allow") {
  const assignor_topics topics{{a, 6}, {b, 2}};
  const assignment all{{a, {0, 1, 2, 3, 4, 5}}, {b, {0, 1}}};
  const auto out =
      assign(assignor::uniform, {member("m1", {a, b}, &all), member("m2", {a})}, topics);
  CHECK(count_partitions(out[0]) == 4);
  CHECK(out[0].at(b) == std::vector<int32_t>{0, 1});
  CHECK(count_partitions(out[1]) == 4);
}

TEST_CASE("uniform: partitions of topics that went are given up") {
  const assignment old{{a, {0}}, {c, {0, 1}}};
  const auto out = assign(assignor::uniform, {member("m1", {a}, &old)}, {{a, 2}});
  CHECK(out[0] == assignment{{a, {0, 1}}});
}

TEST_CASE("range: contiguous ranges, alike for topics of the same size") {
  const assignor_topics topics{{a, 5}, {b, 5}};
  const auto out = assign(assignor::range, {member("m2", {a, b}), member("m1", {a, b})}, topics);
  CHECK(out[1] == assignment{{a, {0, 1, 2}}, {b, {0, 1, 2}}});  // m1 comes first by its id
  CHECK(out[0] == assignment{{a, {3, 4}}, {b, {3, 4}}});
}

TEST_CASE("range: static members come first, by instance") {
  auto s2 = member("x1", {a});
  s2.instance_id = "i2";
  auto s1 = member("x2", {a});
  s1.instance_id = "i1";
  const auto out = assign(assignor::range, {member("a0", {a}), s2, s1}, {{a, 3}});
  CHECK(out[2] == assignment{{a, {0}}});
  CHECK(out[1] == assignment{{a, {1}}});
  CHECK(out[0] == assignment{{a, {2}}});
}

TEST_CASE("any assignor gives every subscribed partition to exactly one of its subscribers") {
  std::mt19937_64 random(20261126);
  const auto draw = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (int round = 0; round < 300; ++round) {
    assignor_topics topics;
    const size_t topic_count = 1 + draw(5);
    for (size_t t = 0; t < topic_count; ++t)
      topics[test_id(100 + t)] = static_cast<int32_t>(draw(12));
    std::vector<std::string> ids;
    const size_t member_count = 1 + draw(8);
    for (size_t m = 0; m < member_count; ++m) ids.push_back("m" + std::to_string(m));
    std::vector<assignment> current(member_count);
    const bool same = draw(2) == 0;
    for (int step = 0; step < 4; ++step) {
      std::vector<assignor_member> members;
      for (size_t m = 0; m < member_count; ++m) {
        std::vector<uuid> subscribed;
        for (const auto& [id, n] : topics)
          if (same || draw(2) == 0) subscribed.push_back(id);
        members.push_back(member(ids[m], subscribed, &current[m]));
      }
      const auto kind = draw(2) == 0 ? assignor::uniform : assignor::range;
      auto out = assign(kind, members, topics);
      for (const auto& [id, n] : topics) {
        size_t subscribers = 0;
        for (const auto& m : members)
          subscribers += std::count(m.topics.begin(), m.topics.end(), id) > 0 ? 1 : 0;
        for (int32_t p = 0; p < n; ++p) {
          size_t owners = 0;
          for (size_t m = 0; m < member_count; ++m) {
            if (!contains(out[m], id, p)) continue;
            ++owners;
            CHECK(std::count(members[m].topics.begin(), members[m].topics.end(), id) == 1);
          }
          CHECK(owners == (subscribers > 0 ? 1 : 0));
        }
      }
      if (same && kind == assignor::uniform) {
        size_t least = SIZE_MAX;
        size_t most = 0;
        for (const auto& mine : out) {
          least = std::min(least, count_partitions(mine));
          most = std::max(most, count_partitions(mine));
        }
        CHECK(most - least <= 1);
      }
      current = std::move(out);
    }
  }
}

}  // namespace
}  // namespace weir::kafka::membership
