// A barrier passes full channels within the alignment limit, in simulated time.
#include <doctest/doctest.h>

#include "runtime/flow/task_builder.hpp"
#include "tests/flow/sim_graph.hpp"

namespace weir::sim {
namespace {

physical_plan line_of_three(outside& o, int64_t rows) {
  physical_plan p;
  source_spec s;
  s.connector = "simulated";
  s.columns = row_schema();
  s.physical_columns = 4;
  custom_spec middle;
  middle.library = middle.class_name = "simulated";
  sink_spec k;
  k.connector = "simulated";
  k.columns = row_schema();
  p.operators.push_back({"source", "source", s, row_schema(), false, 2});
  p.operators.push_back({"middle", "middle", middle, row_schema(), false, 2});
  p.operators.push_back({"sink", "sink", k, nullptr, false, 1});
  p.edges.push_back({operator_index{0}, operator_index{1}, 0, 0, exchange_kind::rebalance, {}});
  p.edges.push_back({operator_index{1}, operator_index{2}, 0, 0, exchange_kind::rebalance, {}});
  source_content::split split{"s", "", {}, 0};
  for (int64_t i = 0; i < rows; ++i) split.rows.push_back({i, i, i, 0});
  o.sources["source"].splits.push_back(std::move(split));
  return p;
}

}  // namespace

TEST_CASE("epochs pass a slow sink's full channels within the alignment limit") {
  outside o(7);
  o.slow_sinks = true;
  world_options options;
  options.window = {1'000'000, 3};
  options.alignment_limit_us = 5'000;
  options.interval_us = 50'000;
  options.delay_max_us = 500;
  world w(o, options);
  w.start(line_of_three(o, 3000), {{"middle", part_kind::pass}});
  // The sink takes milliseconds for a batch of a few rows: its channels stay full.
  while (w.epochs_committed() < 30 && w.step()) {
  }
  CHECK(w.epochs_committed() == 30);
  CHECK(w.epochs_with_rows_in_flight() > 0);
  // Once per task on the way at the worst, and some messages.
  CHECK(w.longest_epoch_us() < 3 * options.alignment_limit_us + 10'000);
  CHECK(o.violations.empty());
}

TEST_CASE("jobs whose rows in flight could not be placed again stay aligned") {
  outside o(1);
  auto plan = line_of_three(o, 1);
  CHECK_FALSE(stays_aligned(plan));
  auto broadcast = plan;
  broadcast.edges[0].exchange = exchange_kind::broadcast;
  CHECK(stays_aligned(broadcast));
  auto keyed = plan;
  std::get<custom_spec>(keyed.operators[1].spec).keys = {1};
  keyed.edges[0].exchange = exchange_kind::forward;
  CHECK_FALSE(stays_aligned(keyed));  // fused
  keyed.edges.push_back({operator_index{0}, operator_index{2}, 0, 0, exchange_kind::hash, {1}});
  CHECK(stays_aligned(keyed));
}

}  // namespace weir::sim
