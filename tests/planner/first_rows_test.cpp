// Plans of first rows: where they are chosen in front of the exchange too, and where not.
#include <doctest/doctest.h>

#include "jobs/plan/builder.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/plan/task_graph.hpp"

using namespace weir;
using namespace weir::planner;

namespace {

template <class T>
T ok(result<T> r) {
  REQUIRE_MESSAGE(r.ok(), r.err().message);
  return std::move(*r);
}
void ok(const status& s) {
  REQUIRE_MESSAGE(s.ok(), s.err().message);
}

table_def rides() {
  table_def t;
  t.name = "rides";
  t.columns = {{"car", type_id::string, ""},
               {"fare", type_id::int64, ""},
               {"tip", type_id::int64, ""},
               {"t", type_id::timestamp, ""}};
  t.options = {{"connector", "file"}, {"path", "in.csv"}, {"format", "csv"}, {"event_time", "t"}};
  return t;
}
const table_def out{"out", {}, {{"connector", "blackhole"}}};

struct job : plan_builder {
  explicit job(uint32_t parallelism = 2) : plan_builder(settings(parallelism)) {}
  static plan_settings settings(uint32_t parallelism) {
    plan_settings s;
    s.parallelism = parallelism;
    return s;
  }
  relation top(relation in, std::vector<uint32_t> keys, top_n_def d = {}) {
    d.keys = std::move(keys);
    if (d.order.empty()) d.order = {{1, true, false}};
    return ok(top_n(in, std::move(d), {"top", "", 0}));
  }
  std::string plan(relation r) {
    ok(sink(r, out));
    const auto p = ok(build());
    ok(validate(p));
    auto g = build_task_graph(p);
    REQUIRE_MESSAGE(g.ok(), g.err().message);
    return to_text(*g, p);
  }
};

}  // namespace

TEST_CASE("first rows are chosen in front of the exchange, in the chain of what makes the rows") {
  job j;
  auto r = ok(j.filter(ok(j.source(rides())),
                       ok(expr::bind("tip > 0", *j.schema_of(ok(j.source(rides()))))),
                       {"tipped", "", 0}));
  CHECK(j.plan(j.top(r, {0})) ==
        "0 x2: source/rides -> tipped -> top/preselect | hash to 1.0\n"
        "1 x2: top -> sink/out\n");
}

TEST_CASE("so are the first of all rows, wherever they come from side by side") {
  job j;
  CHECK(j.plan(j.top(ok(j.source(rides())), {})) ==
        "0 x2: source/rides -> top/preselect | rebalance to 1.0\n"
        "1 x1: top -> sink/out\n");
}

TEST_CASE("rows that others read too, that may be taken back or are all wanted go on whole") {
  {
    job j;
    auto r = ok(j.source(rides()));
    ok(j.sink(r, out, {"all", "", 0}));
    auto p = j.plan(j.top(r, {0}));
    CHECK(p.find("preselect") == std::string::npos);
  }
  {
    job j;
    top_n_def d;
    d.limit = UINT64_MAX;
    CHECK(j.plan(j.top(ok(j.source(rides())), {0}, d)).find("preselect") == std::string::npos);
  }
  {
    job j;
    aggregate_def a;
    auto r = ok(j.source(rides()));
    a.keys = {{"car", column_ref(*j.schema_of(r), 0)}};
    a.calls = {{aggregate_function::count_star, nullptr, nullptr, "", type_id::int64, "n"}};
    auto p = j.plan(j.top(ok(j.aggregate(r, a, {"counts", "", 0})), {1}));
    CHECK(p.find("preselect") == std::string::npos);
  }
  {
    job j;  // they lie by that key already
    aggregate_def a;
    auto r = ok(j.window(ok(j.source(rides())), {{window_kind::tumble, 3'600'000'000, 0}, {}},
                         {"hours", "", 0}));
    const auto& type = *j.schema_of(r);
    a.keys = {{"window_start", column_ref(type, 4)}, {"window_end", column_ref(type, 5)}};
    a.calls = {{aggregate_function::max, column_ref(type, 1), nullptr, "", type_id::int64, "high"}};
    auto p =
        j.plan(j.top(ok(j.aggregate(r, a, {"best", "", 0})), {0, 1}, {{}, {{2, true, false}}}));
    CHECK(p ==
          "0 x2: source/rides -> hours -> best/partial | hash to 1.0\n"
          "1 x2: best -> top -> sink/out\n");
  }
}

TEST_CASE("a preselection has the operator's choice, and numbers nothing") {
  job j;
  top_n_def d;
  d.function = rank_function::dense_rank;
  d.offset = 1;
  d.limit = 3;
  d.number_name = "n";
  ok(j.sink(j.top(ok(j.source(rides())), {0}, d), out));
  const auto p = ok(j.build());
  const top_n_spec *before = nullptr, *behind = nullptr;
  for (const auto& n : p.operators)
    if (const auto* t = std::get_if<top_n_spec>(&n.spec)) (t->preselect ? before : behind) = t;
  REQUIRE(before);
  REQUIRE(behind);
  CHECK(behind->with_number);
  CHECK_FALSE(before->with_number);
  CHECK(before->keys == behind->keys);
  CHECK(before->order == behind->order);
  CHECK(before->function == rank_function::dense_rank);
  CHECK(before->offset == 1);
  CHECK(before->limit == 3);
  CHECK_FALSE(keeps_state(p.operators[1]));
}
