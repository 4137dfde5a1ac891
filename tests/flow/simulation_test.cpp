// Seeded simulation: random jobs with random message order, delays and failures. Every job ends and
// publishes what its delivery mode promises. WEIR_SIM_GRAPHS: how many jobs (1,000); WEIR_SIM_SEED:
// the first one's seed, to replay a failure with WEIR_SIM_GRAPHS=1.
#include <doctest/doctest.h>
#include <cstdlib>

#include "tests/flow/sim_graph.hpp"

namespace weir::sim {
namespace {

// A job of this size takes some ten thousand steps; one that takes this many does not end.
constexpr int64_t steps_max = 2'000'000;

// Between two faults: short against a job, so that most of them come while rows flow.
constexpr int64_t fault_steps_max = 1'500;

struct totals {
  uint64_t epochs = 0, unaligned = 0, faults = 0, regions = 0, taken_over = 0;
};

void fault(random_job& job, world& w) {
  auto& r = job.out.random;
  switch (r.between(0, 9)) {
    case 0:
    case 1:
      if (w.tasks() != 0)
        w.fail_task(static_cast<uint32_t>(r.between(0, static_cast<int64_t>(w.tasks()) - 1)));
      break;
    case 2:
      w.stop();
      break;
    case 5:
      w.lose_node();
      break;
    case 8:
    case 9:
      w.lose_master();
      break;
    case 6:
      w.move();
      break;
    case 7:
      w.savepoint();
      break;
    default:
      w.crash();
      if (r.one_in(2)) job.rescale();
      w.start(job.plan, job.kinds);
  }
}

/// Empty, or what went wrong.
std::string run(uint64_t seed, totals& t) {
  random_job job(seed);
  world w(job.out, job.options);
  w.start(job.plan, job.kinds);
  auto& r = job.out.random;
  int64_t next_fault = r.between(10, fault_steps_max);
  bool again = r.one_in(5);
  std::string wrong;
  int64_t steps = 0;
  for (; wrong.empty() && steps < steps_max; ++steps) {
    if (!job.out.violations.empty()) {
      wrong = job.out.violations.front();
    } else if (w.state() == job_state::failed) {
      wrong = "the job failed";
    } else if (w.state() == job_state::stopped) {
      w.crash();
      if (r.one_in(2)) job.rescale();
      w.start(job.plan, job.kinds);
    } else if (w.state() == job_state::finished) {
      if (!again) break;
      again = false;  // a finished job that is run again publishes nothing more
      w.crash();
      w.start(job.plan, job.kinds);
    } else if (job.faults > 0 && steps >= next_fault) {
      --job.faults;
      ++t.faults;
      next_fault = steps + r.between(10, fault_steps_max);
      fault(job, w);
    } else if (!w.step()) {
      wrong = "nothing can happen any more and the job has not ended";
    }
  }
  if (steps == steps_max) wrong = "the job does not end";
  if (wrong.empty()) wrong = job.difference();
  t.epochs += w.epochs_committed();
  t.unaligned += w.epochs_with_rows_in_flight();
  t.regions += w.regions_restarted();
  t.taken_over += w.taken_over();
  if (!wrong.empty())
    wrong += "\nWEIR_SIM_GRAPHS=1 WEIR_SIM_SEED=" + std::to_string(seed) + "\n" + job.describe() +
             "\n" + w.describe();
  return wrong;
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("seeds that once failed") {
  totals t;
  // 248, 413: a restarted source asked for splits before it was told which ones it had.
  // 504: a split went on at another task, ahead of its rows that were in flight in the epoch.
  for (uint64_t seed : {248, 413, 504}) CHECK(run(seed, t) == "");
}

TEST_CASE("random jobs with failures publish what their delivery mode promises") {
  uint64_t first = from_environment("WEIR_SIM_SEED", 1);
  uint64_t graphs = from_environment("WEIR_SIM_GRAPHS", 1000);
  totals t;
  int wrong = 0;
  for (uint64_t seed = first; seed < first + graphs && wrong < 3; ++seed) {
    auto what = run(seed, t);
    if (what.empty()) continue;
    ++wrong;
    FAIL_CHECK("seed " << seed << ": " << what);
  }
  MESSAGE(graphs << " graphs, " << t.epochs << " epochs, " << t.unaligned
                 << " chunks of rows in flight, " << t.faults << " faults, " << t.regions
                 << " restarts of a region alone, " << t.taken_over << " masters took over");
  if (graphs >= 100) {
    // The simulation has to reach what it is there for.
    CHECK(t.unaligned > 0);
    CHECK(t.faults > 0);
    CHECK(t.regions > 0);
    CHECK(t.taken_over > 0);
  }
}

}  // namespace weir::sim
