// Plans with ordered partitions: their wire form, what they must be, what their state depends on.
#include <doctest/doctest.h>

#include "sample_plan.hpp"

using namespace weir;
using namespace weir::test;

namespace {

/// sequence -> top 5 to 7 per parity => window functions -> stdout in order.
physical_plan ordered_plan() {
  physical_plan p;
  p.name = "ordered";
  p.parallelism = 2;
  add_sequence(p, "in");
  auto rows = make_schema({{"n", type_id::int64}, {"odd", type_id::int64}});
  auto in = p.operators[0].output;
  add(p, "select", project_spec{{column(in, 0), column(in, 0)}}, rows);
  top_n_spec top;
  top.keys = {1};
  top.order = {{0, true, false}, {1, false, true}};
  top.function = rank_function::dense_rank;
  top.offset = 4;
  top.limit = 3;
  top.with_number = true;
  auto numbered =
      make_schema({{"n", type_id::int64}, {"odd", type_id::int64}, {"place", type_id::int64}});
  add(p, "top", top, numbered);
  p.operators.back().emits_changes = true;
  over_spec over;
  over.keys = {1};
  over.order = {{0, false, false}};
  over.input_has_changes = true;
  over_call lag;
  lag.function = over_function::lag;
  lag.argument = 0;
  lag.otherwise = 2;
  lag.count = 2;
  lag.type = type_id::int64;
  lag.name = "before";
  over_call sum;
  sum.function = over_function::aggregate;
  sum.aggregate = aggregate_function::sum;
  sum.argument = 0;
  sum.frame.start = over_frame::bound::preceding;
  sum.frame.start_offset = scalar::of_int(type_id::int64, 3);
  sum.frame.end = over_frame::bound::unbounded_following;
  sum.type = data_type(type_id::decimal, 0);
  sum.name = "total";
  over.calls = {lag, sum};
  auto wide = std::make_shared<schema>(*numbered);
  wide->fields.push_back({"before", type_id::int64});
  wide->fields.push_back({"total", data_type(type_id::decimal, 0)});
  add(p, "over", over, wide);
  p.operators.back().emits_changes = true;
  sink_spec sink;
  sink.connector = "stdout";
  sink.options = {{"connector", "stdout"}};
  sink.columns = wide;
  sink.final_only = true;
  sink.order = {{4, true, true}};
  sink.hidden_columns = 1;
  add(p, "out", sink, nullptr, 1);
  connect(p, 0, 1);
  connect(p, 1, 2, exchange_kind::hash, {1});
  connect(p, 2, 3, exchange_kind::hash, {1});
  connect(p, 3, 4, exchange_kind::rebalance);
  return p;
}

}  // namespace

TEST_CASE("ordered partitions survive the wire") {
  const auto p = ordered_plan();
  REQUIRE_MESSAGE(validate(p).ok(), validate(p).err().message);
  const auto bytes = encode_plan(p);
  auto q = decode_plan(bytes);
  REQUIRE(q.ok());
  CHECK(encode_plan(*q) == bytes);
  const auto& top = std::get<top_n_spec>(q->operators[2].spec);
  CHECK(top.order == std::get<top_n_spec>(p.operators[2].spec).order);
  CHECK(top.function == rank_function::dense_rank);
  CHECK(top.offset == 4);
  CHECK(top.limit == 3);
  CHECK(top.with_number);
  const auto& over = std::get<over_spec>(q->operators[3].spec);
  CHECK(over.calls[0].otherwise == 2);
  CHECK(over.calls[0].count == 2);
  CHECK_FALSE(over.calls[0].filter);
  CHECK(over.calls[1].frame.start_offset.i == 3);
  CHECK(over.calls[1].frame.end == over_frame::bound::unbounded_following);
  const auto& sink = std::get<sink_spec>(q->operators[4].spec);
  CHECK(sink.order == std::vector<order_term>{{4, true, true}});
  CHECK(sink.hidden_columns == 1);
  CHECK(fingerprint(*q) == fingerprint(p));
}

TEST_CASE("plans with ordered partitions that do not hold together are refused") {
  auto p = ordered_plan();
  auto why = [&p] {
    auto s = validate(p);
    return s.ok() ? std::string() : s.err().message;
  };
  SUBCASE("a term of no column") {
    std::get<top_n_spec>(p.operators[2].spec).order[0].column = 7;
    CHECK(why() == "plan: top_n \"top\": order names column 7 of 2");
  }
  SUBCASE("a number without its column") {
    std::get<top_n_spec>(p.operators[2].spec).with_number = false;
    CHECK(why() == "plan: top_n \"top\": output is not the input");
  }
  SUBCASE("all rows in parallel") {
    std::get<top_n_spec>(p.operators[2].spec).keys.clear();
    CHECK(why() == "plan: top_n \"top\": a top_n without keys has parallelism 2, not 1");
  }
  SUBCASE("a preselection that numbers") {
    std::get<top_n_spec>(p.operators[2].spec).preselect = true;
    CHECK(why() == "plan: top_n \"top\": preselects rows that change, or numbers them");
  }
  SUBCASE("an argument of no column") {
    std::get<over_spec>(p.operators[3].spec).calls[0].argument = 9;
    CHECK(why() == "plan: over \"over\": argument names column 9 of 3");
  }
  SUBCASE("not in order of time") {
    std::get<over_spec>(p.operators[3].spec).time_column = 0;
    CHECK(why() == "plan: over \"over\": its rows do not leave in order of event time");
  }
}

TEST_CASE("a preselection stands anywhere, keeps nothing and travels with the plan") {
  auto p = ordered_plan();
  auto& top = p.operators[2];
  auto& spec = std::get<top_n_spec>(top.spec);
  CHECK(keeps_state(top));
  CHECK(takes_state_ttl(top.spec));
  const auto before = fingerprint(p);
  spec.preselect = true;
  CHECK_FALSE(keeps_state(top));
  CHECK_FALSE(takes_state_ttl(top.spec));
  CHECK(fingerprint(p) != before);
  // Without its number, which those behind it read.
  spec.with_number = false;
  top.output = p.operators[1].output;
  auto& over = std::get<over_spec>(p.operators[3].spec);
  over.calls[0].otherwise.reset();
  auto wide = std::make_shared<schema>(*p.operators[3].output);
  wide->fields.erase(wide->fields.begin() + 2);
  p.operators[3].output = wide;
  auto& sink = std::get<sink_spec>(p.operators[4].spec);
  sink.columns = wide;
  sink.order.clear();
  REQUIRE_MESSAGE(validate(p).ok(), validate(p).err().message);
  // Any exchange may be in front of it: it chooses among what is there.
  for (auto& e : p.edges)
    if (e.to.value == 2) {
      e.exchange = exchange_kind::rebalance;
      e.keys.clear();
    }
  CHECK(validate(p).ok());
  auto q = decode_plan(encode_plan(p));
  REQUIRE(q.ok());
  CHECK(std::get<top_n_spec>(q->operators[2].spec).preselect);
}

TEST_CASE("state of ordered partitions is kept as far as it can serve") {
  const auto p = ordered_plan();
  auto of = [](const physical_plan& plan, uint32_t i) {
    return state_fingerprint(plan.operators[i], input_schemas(plan, operator_index(i)));
  };
  auto q = p;
  auto& top = std::get<top_n_spec>(q.operators[2].spec);
  top.limit = 100;
  CHECK(of(q, 2) != of(p, 2));  // rows that were not kept are missing
  top.input_has_changes = true;
  auto all = q;
  std::get<top_n_spec>(all.operators[2].spec).limit = 5;
  CHECK(of(q, 2) == of(all, 2));
  CHECK(keeps_state(p.operators[2]));
  CHECK(keeps_state(p.operators[3]));
}
