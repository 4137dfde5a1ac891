// Where tasks go, as a pure function.
#include "actors/placement_rules.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace weir::placing;

namespace {

std::vector<node> alike(int32_t count) {
  std::vector<node> out;
  for (int32_t i = 1; i <= count; ++i) out.push_back({i, true, 4, uint64_t{2} << 30, 0});
  return out;
}
std::vector<int32_t> ids(const std::vector<node>& nodes, const std::vector<choice>& placed) {
  std::vector<int32_t> out;
  for (const auto& c : placed) out.push_back(nodes[c.node].id);
  return out;
}
std::map<int32_t, int> counts(const std::vector<node>& nodes, const std::vector<choice>& placed) {
  std::map<int32_t, int> out;
  for (const auto& c : placed) ++out[nodes[c.node].id];
  return out;
}
using list = std::vector<int32_t>;
using map = std::map<int32_t, int>;

}  // namespace

TEST_CASE("slots go round the nodes, beginning with another one for each job") {
  auto nodes = alike(3);
  CHECK(ids(nodes, place_slots(nodes, 3, {}, {}, 0)) == list{1, 2, 3});
  CHECK(ids(nodes, place_slots(nodes, 3, {}, {}, 1)) == list{2, 3, 1});
  CHECK(counts(nodes, place_slots(nodes, 7, {}, {}, 0)) == map{{1, 3}, {2, 2}, {3, 2}});
  CHECK(place_slots(nodes, 3, {}, {}, 0).front().why == reason::load);
  CHECK(place_slots({}, 3, {}, {}, 0).empty());
}

TEST_CASE("who can do more gets more, in proportion: CPUs or memory, whichever is less") {
  auto nodes = alike(3);
  nodes[0].cpus = 8;
  CHECK(capacities(nodes) == std::vector<uint32_t>{1000, 500, 500});
  CHECK(counts(nodes, place_slots(nodes, 8, {}, {}, 0)) == map{{1, 4}, {2, 2}, {3, 2}});
  nodes[0].memory = uint64_t{512} << 20;
  CHECK(capacities(nodes) == std::vector<uint32_t>{250, 500, 500});
  CHECK(counts(nodes, place_slots(nodes, 5, {}, {}, 0)) == map{{1, 1}, {2, 2}, {3, 2}});
}

TEST_CASE("where that leaves a choice, nodes with fewer tasks of other jobs") {
  auto nodes = alike(3);
  nodes[0].tasks = 6;
  nodes[1].tasks = 1;
  nodes[2].tasks = 3;
  CHECK(ids(nodes, place_slots(nodes, 1, {}, {}, 0)) == list{2});
  CHECK(counts(nodes, place_slots(nodes, 2, {}, {}, 0)) == map{{2, 1}, {3, 1}});
  CHECK(counts(nodes, place_slots(nodes, 4, {}, {}, 0)) == map{{1, 1}, {2, 2}, {3, 1}});
}

TEST_CASE("slots stay where they were, whatever other jobs do, unless a node would have none") {
  auto nodes = alike(3);
  nodes[0].tasks = 50;
  auto placed = place_slots(nodes, 3, {1, 3, 2}, {}, 2);
  CHECK(ids(nodes, placed) == list{1, 3, 2});
  CHECK(placed[0].why == reason::stays);
  // One more or less than the fair share.
  CHECK(ids(nodes, place_slots(nodes, 6, {1, 1, 1, 2, 2, 3}, {}, 0)) == list{1, 1, 1, 2, 2, 3});
  // A node that joined.
  for (const auto& copies : {std::vector<std::pair<int32_t, int32_t>>{}, {{1, 2}, {2, 1}}})
    CHECK(counts(nodes, place_slots(nodes, 4, {1, 1, 2, 2}, copies, 0)) ==
          map{{1, 1}, {2, 2}, {3, 1}});
  auto moved = ids(nodes, place_slots(nodes, 6, {1, 1, 1, 2, 2, 2}, {}, 0));
  CHECK(moved == list{1, 1, 3, 2, 2, 3});
}

TEST_CASE("what a lost node had goes where its copy is, a draining node gets nothing") {
  auto nodes = alike(3);
  nodes[1].usable = false;
  auto placed = place_slots(nodes, 3, {1, 2, 3}, {{1, 2}, {2, 3}, {3, 1}}, 0);
  CHECK(ids(nodes, placed) == list{1, 3, 3});
  CHECK(placed[1].why == reason::copy);
  // Though others have less, up to twice the fair share.
  nodes = alike(4);
  nodes[1].usable = false;
  CHECK(ids(nodes, place_slots(nodes, 3, {1, 2, 3}, {{2, 1}}, 0)) == list{1, 1, 3});
  placed = place_slots(nodes, 5, {1, 2, 2, 2, 2}, {{2, 1}}, 0);
  CHECK(counts(nodes, placed) == map{{1, 4}, {4, 1}});
  // A cluster of which only draining nodes are left has nowhere to go.
  for (auto& n : nodes) n.usable = false;
  CHECK(place_slots(nodes, 3, {1, 2, 3}, {}, 0).empty());
}

TEST_CASE("more and fewer slots than before") {
  auto nodes = alike(3);
  CHECK(ids(nodes, place_slots(nodes, 2, {3, 2, 1}, {}, 0)) == list{3, 2});
  auto placed = ids(nodes, place_slots(nodes, 5, {3, 2, 1}, {}, 0));
  CHECK(list(placed.begin(), placed.begin() + 3) == list{3, 2, 1});
}

TEST_CASE("source tasks are beside the leaders of their partitions, in proportion") {
  auto nodes = alike(3);
  auto placed = place_beside(nodes, 3, {2, 3, 1}, {});
  CHECK(counts(nodes, placed) == map{{1, 1}, {2, 1}, {3, 1}});
  CHECK(placed[0].why == reason::leaders);
  CHECK(ids(nodes, place_beside(nodes, 1, {2}, {})) == list{2});
  CHECK(ids(nodes, place_beside(nodes, 1, {2, 2, 3}, {})) == list{2});
  CHECK(ids(nodes, place_beside(nodes, 2, {3, 3, 3, 3}, {})) == list{3, 3});
  CHECK(counts(nodes, place_beside(nodes, 3, {1, 1, 1, 1, 2, 2}, {})) == map{{1, 2}, {2, 1}});
  CHECK(read_locally(nodes, {0, 0, 1}, {1, 1, 1, 1, 2, 2}) == 6);
  CHECK(read_locally(nodes, {0, 1, 2}, {1, 1, 1, 1, 2, 2}) == 4);
}

TEST_CASE("tasks without partitions of their own, or whose leaders are elsewhere, go by load") {
  auto nodes = alike(3);
  nodes[2].tasks = 9;
  auto placed = place_beside(nodes, 3, {3}, {});
  CHECK(counts(nodes, placed) == map{{1, 1}, {2, 1}, {3, 1}});
  CHECK(placed[0].why == reason::leaders);
  CHECK(nodes[placed[0].node].id == 3);
  CHECK(placed[1].why == reason::load);
  CHECK(counts(nodes, place_beside(nodes, 2, {-1, -1}, {})) == map{{1, 1}, {2, 1}});
  nodes[2].usable = false;  // it leads, but takes no tasks
  CHECK(counts(nodes, place_beside(nodes, 2, {3, 3}, {})) == map{{1, 1}, {2, 1}});
  CHECK(place_beside({}, 2, {3, 3}, {}).empty());
}

TEST_CASE(
    "source tasks stay unless a tenth of the partitions more would be read where they are led") {
  auto nodes = alike(2);
  list leaders(20, 1);
  leaders[0] = leaders[1] = 2;  // two of twenty: not worth it
  auto placed = place_beside(nodes, 2, leaders, {1, 1});
  CHECK(ids(nodes, placed) == list{1, 1});
  CHECK(placed[1].why == reason::stays);
  for (int i = 0; i < 10; ++i) leaders[i] = 2;
  CHECK(counts(nodes, place_beside(nodes, 2, leaders, {1, 1})) == map{{1, 1}, {2, 1}});
  // The one that can stay does.
  CHECK(ids(nodes, place_beside(nodes, 2, leaders, {2, 2})) == list{2, 1});
}
