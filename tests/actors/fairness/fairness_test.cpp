// Two jobs in one process: neither starves the other, however greedy it is. Times are compared with
// times of the same run only, so that a slow or busy machine changes both.
#include <doctest/doctest.h>

#include <caf/scoped_actor.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "actors/node.hpp"
#include "jobs/yaml/job.hpp"

using namespace weir;
using clock_type = std::chrono::steady_clock;

namespace {

/// Counts 1, 2, 3 ... by key as fast as it can, for ever when `end` is empty.
physical_plan counting_job(const std::string& name, const std::string& end, int keys,
                           uint32_t parallelism) {
  std::string text = "name: " + name + R"(
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1)" +
                     (end.empty() ? "" : ", end: " + end) + R"(}}
  out: {with: {connector: blackhole}}
steps:
  - {name: sums, from: numbers, key: {g: "n % )" +
                     std::to_string(keys) +
                     R"("}, aggregate: {c: count(*), total: sum(n)}, emit: final}
sinks:
  - {from: sums, into: out}
)";
  jobs::job_settings settings;
  settings.default_parallelism = parallelism;
  auto job = jobs::load_job_text(jobs::read_yaml, text, name + ".yaml", ".", settings);
  INFO((job ? std::string() : job.err().message));
  REQUIRE(job.ok());
  return job->plan;
}

struct process {
  std::unique_ptr<node_process> node;
  process() {
    node_options o;
    o.scheduler_threads = 2;
    auto started = node_process::start(o);
    REQUIRE(started.ok());
    node = std::move(*started);
  }
  job_actor submit(const physical_plan& plan) {
    job_options o;
    o.snapshot_interval_us = 100'000;
    auto job = node->submit(plan.name, plan, o, [](std::string) {});
    REQUIRE(job.ok());
    return *job;
  }
  template <class Atom>
  job_report ask(const job_actor& job, Atom what) {
    job_report report;
    caf::scoped_actor self(node->system());
    self->request(job, std::chrono::seconds(120), what)
        .receive([&](job_report& r) { report = std::move(r); },
                 [](const caf::error& e) { FAIL(caf::to_string(e)); });
    return report;
  }
  /// Rows that the job's source has given. Two rounds: an answer is of the round before.
  uint64_t rows(const job_actor& job) {
    ask(job, describe_atom::value);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    uint64_t n = 0;
    for (const auto& t : ask(job, describe_atom::value).tasks)
      for (const auto& o : t.operators)
        if (o.operator_id.find("numbers") != std::string::npos) n += o.rows_out;
    return n;
  }
  /// Seconds that the job takes from its start to its end.
  double run(const physical_plan& plan) {
    auto began = clock_type::now();
    auto report = ask(submit(plan), wait_atom::value);
    CHECK(static_cast<job_state>(report.state) == job_state::finished);
    return std::chrono::duration<double>(clock_type::now() - began).count();
  }
  void cancel(const job_actor& job) {
    caf::anon_send(job, cancel_atom::value);
    ask(job, wait_atom::value);
  }
};

}  // namespace

TEST_CASE("a small job beside a greedy one takes a few times as long as alone") {
  process p;
  double alone = p.run(counting_job("alone", "10000000", 100, 1));
  auto greedy = p.submit(counting_job("greedy", "", 1'000'000, 4));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  double beside = p.run(counting_job("beside", "10000000", 100, 1));
  uint64_t before = p.rows(greedy);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(p.rows(greedy) > before);
  p.cancel(greedy);
  MESSAGE("alone ", alone, " s, beside a greedy job ", beside, " s");
  // The greedy job has eight tasks, the small one two on the same two threads. Its slices are over
  // a cold, large table: longer than the small job's.
  CHECK(beside < 15 * alone + 1);
}

TEST_CASE("two equal endless jobs advance alike") {
  process p;
  auto one = p.submit(counting_job("one", "", 100'000, 2));
  auto two = p.submit(counting_job("two", "", 100'000, 2));
  // From when both run: how long a deployment takes is another matter.
  for (int i = 0; i < 1000 && (p.rows(one) == 0 || p.rows(two) == 0); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const uint64_t first_before = p.rows(one), second_before = p.rows(two);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  auto first = static_cast<double>(p.rows(one) - first_before);
  auto second = static_cast<double>(p.rows(two) - second_before);
  MESSAGE(first, " and ", second, " rows");
  CHECK(first > 0);
  CHECK(second > 0);
  CHECK(first < 3 * second);
  CHECK(second < 3 * first);
  p.cancel(one);
  p.cancel(two);
}
