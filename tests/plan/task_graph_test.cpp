#include <doctest/doctest.h>

#include "runtime/plan/task_graph.hpp"
#include "tests/plan/sample_plan.hpp"

using namespace weir;
using namespace weir::test;

namespace {

task_graph graph(const physical_plan& p) {
  auto g = build_task_graph(p);
  REQUIRE_MESSAGE(g.ok(), g.err().message);
  return std::move(*g);
}

/// What must hold of every graph, whatever the plan.
void check_consistent(const task_graph& g, const physical_plan& p) {
  size_t operators = 0;
  for (const auto& c : g.chains) operators += c.operators.size();
  CHECK(operators == p.operators.size());
  for (uint32_t i = 0; i < g.tasks.size(); ++i) {
    const auto& t = g.tasks[i];
    CHECK(t.id.value == i);
    CHECK(g.task_of(t.chain, t.subtask).id == t.id);
    for (auto c : t.inputs) CHECK(g.channels[c.value].to == t.id);
    for (auto c : t.outputs) CHECK(g.channels[c.value].from == t.id);
  }
  size_t ins = 0, outs = 0, in_regions = 0;
  for (const auto& t : g.tasks) ins += t.inputs.size(), outs += t.outputs.size();
  CHECK(ins == g.channels.size());
  CHECK(outs == g.channels.size());
  for (uint32_t r = 0; r < g.regions.size(); ++r)
    for (auto t : g.regions[r]) {
      CHECK(g.tasks[t.value].region == r);
      ++in_regions;
    }
  CHECK(in_regions == g.tasks.size());
  for (uint32_t i = 0; i < g.channels.size(); ++i) {
    const auto& c = g.channels[i];
    CHECK(c.id.value == i);
    CHECK(g.tasks[c.from.value].region == g.tasks[c.to.value].region);
    CHECK(g.tasks[c.from.value].subtask == c.from_subtask);
    CHECK(g.tasks[c.to.value].subtask == c.to_subtask);
  }
}

}  // namespace

TEST_CASE("forward edges of equal parallelism fuse, exchanges and branches do not") {
  auto p = full_plan();
  auto g = graph(p);
  check_consistent(g, p);
  CHECK(to_text(g, p) ==
        "0 x4: in -> where -> select -> tumble -> words -> count/partial | hash to 1.0\n"
        "1 x2: count -> detect | rebalance to 3.0 | hash of side output 1 to 2.0\n"
        "2 x3: distinct | forward to 3.1\n"
        "3 x3: both | rebalance to 4.0\n"
        "4 x1: out\n");
  CHECK(g.tasks.size() == 4 + 2 + 3 + 3 + 1);
  CHECK(g.channels.size() == 4 * 2 + 2 * 3 + 2 * 3 + 3 + 3 * 1);
  CHECK(g.regions.size() == 1);
  // Inputs of the union's first task: those of port 0 from both detectors, then port 1.
  const auto& t = g.task_of(3, 0);
  REQUIRE(t.inputs.size() == 3);
  CHECK(g.channels[t.inputs[0].value].edge == 8);
  CHECK(g.channels[t.inputs[1].value].from_subtask == 1);
  CHECK(g.channels[t.inputs[2].value].edge == 9);
}

TEST_CASE("a whole pipeline without exchange is one chain, and each subtask a region") {
  physical_plan p;
  p.parallelism = 3;
  add_sequence(p, "in");
  auto type = p.operators[0].output;
  add(p, "where", filter_spec{literal(scalar::of_bool(true))}, type);
  add_blackhole(p, "out", type);
  connect(p, 0, 1);
  connect(p, 1, 2);
  auto g = graph(p);
  check_consistent(g, p);
  CHECK(to_text(g, p) == "0 x3: in -> where -> out\n");
  CHECK(g.channels.empty());
  CHECK(g.regions.size() == 3);
}

TEST_CASE("two consumers of one operator stay apart, connected subtask by subtask") {
  physical_plan p;
  p.parallelism = 2;
  add_sequence(p, "in");
  auto type = p.operators[0].output;
  add_blackhole(p, "a", type);
  add_blackhole(p, "b", type);
  connect(p, 0, 1);
  connect(p, 0, 2);
  auto g = graph(p);
  check_consistent(g, p);
  CHECK(to_text(g, p) == "0 x2: in | forward to 1.0 | forward to 2.0\n1 x2: a\n2 x2: b\n");
  REQUIRE(g.channels.size() == 4);
  CHECK(g.channels[1].from_subtask == 1);
  CHECK(g.channels[1].to_subtask == 1);
  REQUIRE(g.regions.size() == 2);
  CHECK(g.regions[0] == std::vector<task_id>{task_id(0), task_id(2), task_id(4)});
}

TEST_CASE("separate pipelines of one job are separate regions") {
  physical_plan p;
  p.parallelism = 2;
  add_sequence(p, "a");
  add_sequence(p, "b");
  auto type = p.operators[0].output;
  add_blackhole(p, "out a", type, 1);
  add_blackhole(p, "out b", type);
  connect(p, 0, 2, exchange_kind::rebalance);
  connect(p, 1, 3);
  auto g = graph(p);
  check_consistent(g, p);
  CHECK(to_text(g, p) == "0 x2: a | rebalance to 2.0\n1 x2: b -> out b\n2 x1: out a\n");
  CHECK(g.regions.size() == 3);
}

TEST_CASE("union of three inputs starts a chain that goes on") {
  physical_plan p;
  p.parallelism = 2;
  for (auto id : {"a", "b", "c"}) add_sequence(p, id);
  auto type = p.operators[0].output;
  add(p, "all", union_spec{}, type);
  add_blackhole(p, "out", type);
  connect(p, 0, 3, exchange_kind::forward, {}, 0);
  connect(p, 1, 3, exchange_kind::rebalance, {}, 1);
  connect(p, 2, 3, exchange_kind::forward, {}, 2);
  connect(p, 3, 4);
  auto g = graph(p);
  check_consistent(g, p);
  CHECK(g.chains[3].operators.size() == 2);
  CHECK(g.chains[3].in_edges == std::vector<uint32_t>{0, 1, 2});
  CHECK(g.channels.size() == 2 + 4 + 2);
}

TEST_CASE("the graph depends on the plan alone") {
  auto p = full_plan();
  auto back = decode_plan(encode_plan(p));
  REQUIRE(back.ok());
  auto a = graph(p), b = graph(*back);
  CHECK(to_text(a, p) == to_text(b, *back));
  REQUIRE(a.channels.size() == b.channels.size());
  for (size_t i = 0; i < a.channels.size(); ++i) {
    CHECK(a.channels[i].from == b.channels[i].from);
    CHECK(a.channels[i].to == b.channels[i].to);
  }
}

TEST_CASE("too many channels are refused with the operators named") {
  physical_plan p;
  p.parallelism = 2000;
  add_sequence(p, "in");
  add_blackhole(p, "out", p.operators[0].output);
  connect(p, 0, 1, exchange_kind::rebalance);
  auto g = build_task_graph(p);
  REQUIRE_FALSE(g.ok());
  CHECK(g.err().code == errc::unsupported);
  CHECK(g.err().message ==
        "the plan needs more than 1048576 channels between tasks; lower the parallelism of "
        "\"in\" or \"out\"");
}

TEST_CASE("an invalid plan is refused") {
  CHECK_FALSE(build_task_graph({}).ok());
}
