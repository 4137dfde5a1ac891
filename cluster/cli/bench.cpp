#include "cluster/cli/bench.hpp"

#include <algorithm>
#include <cstdio>
#include <thread>

#include "cluster/cli/bench_engine.hpp"
#include "cluster/cli/run.hpp"
#include "runtime/base/nearest.hpp"

namespace weir::cli {
namespace {

// idle first: it looks at this process's memory.
constexpr benchmark_info benchmarks[] = {
    {"idle", "a job that follows an empty file, 1 s snapshots", 0, 5, 2, 0, bench_idle},
    {"filter_project", "WHERE k < 500000 over k in [0, 1000000), SELECT k + v; 2 MiB of batches",
     131'072, 3, 1, 131'072, bench_filter_project},
    {"operator_tax", "16 operators: WHERE k >= 0 and SELECT k + 1, v in turn; one thread", 131'072,
     3, 1, 131'072, bench_operator_tax},
    {"keyed_100k", "count(*), sum(v) by 100000 keys, exchange included", 100'000, 3, 1, 100'000,
     bench_keyed},
    {"keyed_10m", "count(*), sum(v) by 10000000 keys, exchange included", 10'000'000, 4, 2,
     10'000'000, bench_keyed},
    {"wordcount", "words of a cached text file, counted; rows = words", 40'000'000, 0, 0,
     40'000'000, bench_wordcount},
    {"csv", "six columns of a cached CSV file, four of them used", 4'000'000, 0, 0, 4'000'000,
     bench_csv},
    {"snapshot_cost", "count(*), sum(v) by 1000000 keys, all changing: 1 s snapshots against none",
     1'000'000, 5, 3, 1'000'000, bench_snapshot_cost},
    {"barrier_stall", "100 ms snapshots, 10 MB of changed state each", 10'000'000, 10, 2,
     10'000'000, bench_barrier_stall},
    {"restore", "a job continues from a snapshot in the cache; rows = bytes of state",
     uint64_t{1} << 30, 0, 0, uint64_t{128} << 20, bench_restore},
    {"latency", "100000 rows/s: filter, exchange, max by 1000 keys as changes, sink", 100'000, 5, 2,
     100'000, bench_latency},
    {"kafka",
     "a broker process on loopback, one librdkafka producer and consumer, one partition, fsync",
     10'000'000, 5, 2, 1'000'000, bench_kafka},
    {"log",
     "records of 100 B in batches of 16 KiB to 1 MiB, group commit with fsync; then single "
     "records, 20000/s over many partitions; rows = partitions",
     10'000, 3, 0.5, 200, bench_log},
    {"cluster_idle", "three local nodes by `weir cluster up`, then nothing to do", 0, 10, -1, 0,
     bench_cluster_idle},
    {"cluster_keyed",
     "count(*), sum(v) by 1000000 keys over 16-byte rows, nearly all of which cross: one process "
     "against 2 and 4 on loopback; rows = keys",
     1'000'000, 5, -1, 1'000'000, bench_cluster_keyed},
    {"cluster_wide",
     "Nexmark's bids, all columns, by bidder with lag(price): one process against 2 and 4 on "
     "loopback; rows = events a second of event time",
     10'000'000, 5, -1, 10'000'000, bench_cluster_wide},
    {"cluster_transport",
     "rows between two processes by the connection of their own, against messages of CAF's BASP; "
     "batches of 8192 and of 64 rows of 16 bytes",
     0, 2, -1, 0, bench_cluster_transport},
    {"cluster_scale",
     "costs of rows, messages and bytes, measured, and a simulation of 1 to 1000 nodes with them; "
     "rows = keys",
     1'000'000, 2, -1, 1'000'000, bench_cluster_scale},
};

constexpr const char* header =
    "benchmark,metric,value,unit,reference,reference_value,ratio,target,rows,seconds,threads,"
    "batch_rows,seed,run";

void print_line(const benchmark_info& b, const bench_line& l, uint32_t threads,
                const std::string& run) {
  std::printf("%s,%s,%.6g,%s,%s,%.6g,%.4g,%.6g,%llu,%.3f,%u,%u,%llu,%s\n", b.name, l.metric.c_str(),
              l.value, l.unit.c_str(), l.reference.c_str(), l.reference_value, l.ratio, l.target,
              static_cast<unsigned long long>(l.rows), l.seconds, threads, batch_rows_target,
              static_cast<unsigned long long>(bench_seed), run.c_str());
  std::fflush(stdout);
}

/// The runs' medians, metric by metric.
bench_line median_of(const std::vector<bench_line>& lines) {
  bench_line m = lines.front();
  auto middle = [&](auto field) {
    std::vector<double> v;
    for (const auto& l : lines) v.push_back(l.*field);
    return quantile(v, 0.5);
  };
  m.value = middle(&bench_line::value);
  m.reference_value = middle(&bench_line::reference_value);
  m.ratio = middle(&bench_line::ratio);
  m.seconds = middle(&bench_line::seconds);
  return m;
}

status run_one(const benchmark_info& b, const bench_options& o, bool all) {
  bench_setup setup;
  setup.threads = o.parallelism ? o.parallelism : std::max(1u, std::thread::hardware_concurrency());
  setup.rows = o.rows ? o.rows : all ? b.rows_in_all : b.rows;
  setup.seconds = o.seconds > 0 ? o.seconds : all ? b.seconds_in_all : b.seconds;
  setup.peer = o.peer;
  setup.peer_pid = o.peer_pid;
  std::fprintf(stderr, "%s: %s; rows %llu, batches of %u, %u threads, seed %llu\n", b.name,
               b.workload, static_cast<unsigned long long>(setup.rows), batch_rows_target,
               setup.threads, static_cast<unsigned long long>(bench_seed));
  std::vector<std::vector<bench_line>> by_metric;
  for (uint32_t run = 1; run <= o.runs; ++run) {
    WEIR_ASSIGN(auto lines, b.run(setup));
    by_metric.resize(lines.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      print_line(b, lines[i], setup.threads, std::to_string(run));
      by_metric[i].push_back(lines[i]);
    }
  }
  if (o.runs > 1)
    for (const auto& lines : by_metric) print_line(b, median_of(lines), setup.threads, "median");
  return {};
}

}  // namespace

std::string bench_names() {
  std::string names;
  for (const auto& b : benchmarks) names += (names.empty() ? "" : ", ") + std::string(b.name);
  return names;
}

int run_bench(const bench_options& o) {
  std::vector<std::string> known;
  for (const auto& b : benchmarks) known.emplace_back(b.name);
  if (!o.name.empty() && std::find(known.begin(), known.end(), o.name) == known.end()) {
    std::fprintf(stderr, "weir: there is no benchmark \"%s\"%s (known: %s)\n", o.name.c_str(),
                 nearest_hint(o.name, known).c_str(), bench_names().c_str());
    return exit_usage;
  }
  std::printf("%s\n", header);
  for (const auto& b : benchmarks) {
    if (!o.name.empty() && o.name != b.name) continue;
    if (o.name.empty() && b.seconds_in_all < 0) continue;
    if (auto s = run_one(b, o, o.name.empty()); !s) {
      std::fprintf(stderr, "weir: benchmark %s: %s\n", b.name, s.err().message.c_str());
      return exit_failed;
    }
  }
  return exit_ok;
}

}  // namespace weir::cli
