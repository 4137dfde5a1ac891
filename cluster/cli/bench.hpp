// weir bench: what the engine does in this process, each number beside a plain loop or a limit that
// was measured in the same run. docs/benchmarks.md says what each one means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir::cli {

struct bench_options {
  std::string name;  // empty: all, each briefly
  uint32_t parallelism = 0;
  uint64_t rows = 0;   // 0 = the benchmark's own size
  double seconds = 0;  // 0 = the benchmark's own time
  uint32_t runs = 1;
  std::string peer;  // HOST:PORT of another broker that `kafka` measures too
  int peer_pid = 0;  // its process, for its CPU time and memory
};

/// Runs one benchmark or all of them. Returns the process's exit code.
int run_bench(const bench_options&);
/// "filter_project, operator_tax, ...", for --help.
std::string bench_names();

/// One run of one benchmark; a CSV line.
struct bench_line {
  std::string metric;
  double value = 0;
  std::string unit;
  std::string reference;  // what it is compared with, measured in the same run
  double reference_value = 0;
  double ratio = 0;  // value / reference_value
  double target = 0;
  uint64_t rows = 0;
  double seconds = 0;
};

struct bench_setup {
  uint32_t threads = 1;
  uint64_t rows = 0;
  double seconds = 1;
  std::string peer;
  int peer_pid = 0;
};

struct benchmark_info {
  const char* name;
  const char* workload;
  uint64_t rows;   // its own size; what it counts is in the workload
  double seconds;  // of measuring, when it is run by name; of all together at most
                   // `seconds_in_all`, negative: only by name
  double seconds_in_all;
  uint64_t rows_in_all;
  result<std::vector<bench_line>> (*run)(const bench_setup&);
};

// One function each; bench_*.cpp.
result<std::vector<bench_line>> bench_idle(const bench_setup&);
result<std::vector<bench_line>> bench_cluster_idle(const bench_setup&);
result<std::vector<bench_line>> bench_filter_project(const bench_setup&);
result<std::vector<bench_line>> bench_operator_tax(const bench_setup&);
result<std::vector<bench_line>> bench_keyed(const bench_setup&);
result<std::vector<bench_line>> bench_wordcount(const bench_setup&);
result<std::vector<bench_line>> bench_csv(const bench_setup&);
result<std::vector<bench_line>> bench_snapshot_cost(const bench_setup&);
result<std::vector<bench_line>> bench_barrier_stall(const bench_setup&);
result<std::vector<bench_line>> bench_restore(const bench_setup&);
result<std::vector<bench_line>> bench_latency(const bench_setup&);
result<std::vector<bench_line>> bench_kafka(const bench_setup&);
result<std::vector<bench_line>> bench_log(const bench_setup&);
result<std::vector<bench_line>> bench_cluster_keyed(const bench_setup&);
result<std::vector<bench_line>> bench_cluster_wide(const bench_setup&);
result<std::vector<bench_line>> bench_cluster_transport(const bench_setup&);
result<std::vector<bench_line>> bench_cluster_scale(const bench_setup&);

}  // namespace weir::cli
