#include "cluster/cli/bench_engine.hpp"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>

#include "jobs/yaml/job.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/connectors/memory_source.hpp"

namespace weir::cli {
namespace {

constexpr auto reply_timeout = std::chrono::seconds(10);
constexpr auto end_timeout = std::chrono::seconds(300);

double seconds_of(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

void sleep_seconds(double s) {
  std::this_thread::sleep_for(std::chrono::duration<double>(s));
}

}  // namespace

double wall_seconds() {
  return seconds_of(CLOCK_MONOTONIC);
}
double cpu_seconds() {
  return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t resident_bytes() {
  unsigned long long all = 0, resident = 0;
  if (auto* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%llu %llu", &all, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

result<std::unique_ptr<scratch_folder>> scratch_folder::make() {
  std::string pattern = std::filesystem::temp_directory_path() / "weir-bench-XXXXXX";
  if (!::mkdtemp(pattern.data())) return error{errc::io, "cannot make a folder " + pattern};
  return std::unique_ptr<scratch_folder>(new scratch_folder(std::move(pattern)));
}

scratch_folder::~scratch_folder() {
  std::error_code ignored;  // what stays in the temporary directory is no harm
  std::filesystem::remove_all(path_, ignored);
}

bench_table::bench_table(std::string name, uint64_t rows, uint64_t keys)
    : name_(std::move(name)), pool_(std::make_unique<memory_pool>()) {
  auto type = std::make_shared<schema>();
  type->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
  std::mt19937_64 random(bench_seed);
  const uint64_t n = std::max<uint64_t>(1, (rows + batch_rows_target - 1) / batch_rows_target);
  for (uint64_t b = 0; b < n; ++b) {
    column_builder k(type_id::int64, *pool_), v(type_id::int64, *pool_);
    k.reserve(batch_rows_target);
    v.reserve(batch_rows_target);
    for (uint32_t i = 0; i < batch_rows_target; ++i) {
      k.append(static_cast<int64_t>(random() % keys));
      v.append(static_cast<int64_t>(random() % 1'000'000));
    }
    batches_.push_back(make_batch(type, {k.finish(), v.finish()}));
  }
  memory_tables::put(name_, batches_);
}

bench_table::~bench_table() {
  memory_tables::remove(name_);
}

std::string bench_table::yaml() const {
  return "{columns: {k: bigint, v: bigint}, with: {connector: memory, name: " + name_ +
         ", rows: 1000000000000000}}";
}

result<physical_plan> bench_plan(const std::string& yaml, uint32_t parallelism,
                                 const std::string& folder) {
  jobs::job_settings settings;
  settings.parallelism = parallelism;
  WEIR_ASSIGN(auto job, jobs::load_job_text(jobs::read_yaml, yaml, "bench.yaml", folder, settings));
  return std::move(job.plan);
}

result<std::unique_ptr<bench_engine>> bench_engine::start(const engine_settings& s) {
  std::unique_ptr<bench_engine> e(new bench_engine(s));
  node_options node;
  node.data_dir = s.data_dir;
  node.memory_bytes = s.memory_bytes;
  node.scheduler_threads = s.threads;
  WEIR_ASSIGN(e->process_, node_process::start(node));
  e->self_ = std::make_unique<caf::scoped_actor>(e->process_->system());
  return e;
}

bench_engine::~bench_engine() {
  self_.reset();
  job_ = job_actor();
}

status bench_engine::submit(const physical_plan& plan) {
  job_options o;
  o.snapshot_interval_us = settings_.snapshot_interval_us;
  o.restarts_max = 0;
  WEIR_ASSIGN(job_, process_->submit(plan.name, plan, o, [](const std::string& line) {
    std::fprintf(stderr, "weir: %s\n", line.c_str());
  }));
  return {};
}

result<job_report> bench_engine::wait() {
  result<job_report> out = error{errc::internal, "no answer"};
  (*self_)
      ->request(job_, end_timeout, wait_atom::value)
      .receive([&](job_report& r) { out = std::move(r); },
               [&](const caf::error& e) {
                 out = error{errc::internal, "the job does not end: " + caf::to_string(e)};
               });
  if (out && static_cast<job_state>(out->state) == job_state::failed)
    return error{errc::internal, "the job failed: " + out->error};
  return out;
}

result<job_report> bench_engine::stop() {
  caf::anon_send(job_, stop_atom::value);
  return wait();
}

result<job_report> bench_engine::cancel() {
  caf::anon_send(job_, cancel_atom::value);
  return wait();
}

result<job_report> bench_engine::describe() {
  result<job_report> out = error{errc::internal, "no answer"};
  (*self_)
      ->request(job_, reply_timeout, describe_atom::value)
      .receive([&](job_report& r) { out = std::move(r); },
               [&](const caf::error& e) {
                 out = error{errc::internal, "the job master does not answer: " + to_string(e)};
               });
  if (out && static_cast<job_state>(out->state) == job_state::failed)
    return error{errc::internal, "the job failed: " + out->error};
  return out;
}

result<progress_sample> bench_engine::sample() {
  constexpr int tries_max = 5'000;  // of a millisecond: tasks answer between slices of work
  const int64_t asked = static_cast<int64_t>(wall_seconds() * 1e9);
  progress_sample s;
  s.cpu_seconds = cpu_seconds();
  for (int i = 0; i < tries_max; ++i) {
    WEIR_ASSIGN(s.report, describe());
    bool fresh = !s.report.tasks.empty() &&
                 std::all_of(s.report.tasks.begin(), s.report.tasks.end(),
                             [&](const task_report& t) { return t.at_ns > asked; });
    if (fresh) {
      for (const auto& t : s.report.tasks)
        if (t.chain == 0 && !t.operators.empty())
          s.sources.emplace_back(t.at_ns, t.operators.front().rows_out);
      return s;
    }
    sleep_seconds(0.001);
  }
  return error{errc::internal, "the tasks of the job do not answer"};
}

result<throughput> measure_throughput(const physical_plan& plan, const engine_settings& settings,
                                      double warm_seconds, uint64_t warm_rows, double seconds) {
  WEIR_ASSIGN(auto engine, bench_engine::start(settings));
  WEIR_TRY(engine->submit(plan));
  sleep_seconds(warm_seconds);
  auto total = [](const progress_sample& s) {
    uint64_t n = 0;
    for (const auto& t : s.sources) n += t.second;
    return n;
  };
  WEIR_ASSIGN(auto first, engine->sample());
  while (total(first) < warm_rows) {
    sleep_seconds(0.02);
    WEIR_ASSIGN(first, engine->sample());
  }
  sleep_seconds(seconds);
  WEIR_ASSIGN(auto last, engine->sample());
  WEIR_TRY(engine->cancel());
  throughput t;
  for (size_t i = 0; i < last.sources.size(); ++i) {
    auto rows = last.sources[i].second - first.sources[i].second;
    double took = static_cast<double>(last.sources[i].first - first.sources[i].first) * 1e-9;
    t.rows += rows;
    t.rows_per_second += static_cast<double>(rows) / took;
    t.seconds = std::max(t.seconds, took);
  }
  t.cpu_per_row =
      (last.cpu_seconds - first.cpu_seconds) / static_cast<double>(std::max<uint64_t>(1, t.rows));
  t.report = std::move(last.report);
  return t;
}

double plain_loop(uint32_t threads, double seconds, const std::function<uint64_t(uint32_t)>& step) {
  std::atomic<uint64_t> rows{0};
  const double begin = wall_seconds();
  auto work = [&](uint32_t i) {
    uint64_t n = 0;
    while (wall_seconds() < begin + seconds) n += step(i);
    rows += n;
  };
  std::vector<std::thread> all;
  for (uint32_t i = 0; i < threads; ++i) all.emplace_back(work, i);
  for (auto& t : all) t.join();
  return static_cast<double>(rows.load()) / (wall_seconds() - begin);
}

double quantile(std::vector<double>& v, double q) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  auto at = static_cast<size_t>(std::ceil(q * static_cast<double>(v.size())));
  return v[std::min(v.size() - 1, at == 0 ? 0 : at - 1)];
}

}  // namespace weir::cli
