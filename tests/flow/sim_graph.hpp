// Random jobs for the simulation: graph, input, limits and faults from one seed, and the output
// that the job has to publish.
#pragma once

#include "tests/flow/sim_world.hpp"

namespace weir::sim {

struct random_job {
  explicit random_job(uint64_t seed);

  outside out;
  world_options options;
  physical_plan plan;
  std::map<std::string, part_kind> kinds;
  int faults = 0;
  bool may_rescale = true;

  /// Every operator at another parallelism; forward edges keep equal ones equal.
  void rescale();
  /// Empty, or how the published output differs from what the delivery mode promises.
  std::string difference() const;
  std::string describe() const;

 private:
  void add_sources();
  void add_middle();
  void add_sinks();
  bool keeps_order(uint32_t op) const;
  void connect(uint32_t from, uint32_t to, uint16_t port, bool keyed);
  uint32_t add(std::string id, operator_spec, uint32_t parallelism);

  using expected_rows =
      std::pair<std::map<row, int64_t>, std::map<std::pair<int64_t, int64_t>, int64_t>>;
  expected_rows expected(uint32_t op) const;
};

}  // namespace weir::sim
