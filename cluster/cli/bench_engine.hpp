// What benchmarks share: the engine in this process, plans from YAML text, generated input, clocks.
// A throughput is taken from a running job: rows of its sources between two reports, so that
// starting and ending cost nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/node.hpp"
#include "runtime/column/batch.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

inline constexpr uint64_t bench_seed = 1;

double wall_seconds();
/// Of all threads of this process.
double cpu_seconds();
uint64_t resident_bytes();

/// A folder in the temporary directory that is removed with what is in it.
class scratch_folder {
 public:
  static result<std::unique_ptr<scratch_folder>> make();
  ~scratch_folder();
  const std::string& path() const noexcept { return path_; }

 private:
  explicit scratch_folder(std::string p) : path_(std::move(p)) {}
  std::string path_;
};

/// Batches of two bigint columns under a name that connector memory knows: k is drawn evenly from
/// [0, keys), v from a million.
class bench_table {
 public:
  bench_table(std::string name, uint64_t rows, uint64_t keys);
  ~bench_table();
  bench_table(const bench_table&) = delete;
  bench_table& operator=(const bench_table&) = delete;
  const std::vector<batch_ptr>& batches() const noexcept { return batches_; }
  /// The YAML of a table that replays them for ever.
  std::string yaml() const;

 private:
  std::string name_;
  std::unique_ptr<memory_pool> pool_;
  std::vector<batch_ptr> batches_;
};

result<physical_plan> bench_plan(const std::string& yaml, uint32_t parallelism,
                                 const std::string& folder = ".");

struct engine_settings {
  uint32_t threads = 1;
  std::string data_dir;
  int64_t snapshot_interval_us = 3'600'000'000;  // none while a benchmark lasts
  size_t memory_bytes = size_t{12} << 30;
};

/// Rows that the job's sources have handed out, at the time of their tasks' reports.
struct progress_sample {
  std::vector<std::pair<int64_t, uint64_t>> sources;  // monotonic ns, rows; by source task
  double cpu_seconds = 0;
  job_report report;
};

class bench_engine {
 public:
  static result<std::unique_ptr<bench_engine>> start(const engine_settings&);
  ~bench_engine();

  status submit(const physical_plan&);
  /// Waits for the end of a bounded job.
  result<job_report> wait();
  /// Asks the job to end after a last epoch, or at once.
  result<job_report> stop();
  result<job_report> cancel();
  result<job_report> describe();
  /// Fresh counters of all tasks.
  result<progress_sample> sample();

 private:
  explicit bench_engine(engine_settings s) : settings_(std::move(s)) {}
  engine_settings settings_;
  std::unique_ptr<node_process> process_;
  job_actor job_;
  std::unique_ptr<caf::scoped_actor> self_;
};

struct throughput {
  double rows_per_second = 0;
  double cpu_per_row = 0;  // seconds, all threads
  uint64_t rows = 0;
  double seconds = 0;
  job_report report;
};
/// Runs an endless job: `warm_seconds`, or more until `warm_rows` rows are in, then `seconds`
/// that count.
result<throughput> measure_throughput(const physical_plan&, const engine_settings&,
                                      double warm_seconds, uint64_t warm_rows, double seconds);

/// The plain loop: each of `threads` calls step(thread), which returns rows, until `seconds` are
/// over. Rows per second of all.
double plain_loop(uint32_t threads, double seconds, const std::function<uint64_t(uint32_t)>& step);

/// Value at quantile q of [0, 1]; sorts.
double quantile(std::vector<double>&, double q);

}  // namespace weir::cli
