// Keyed state: throughput, what snapshots cost, how long a barrier stops rows, restoring.
#include <algorithm>
#include <thread>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir::cli {
namespace {

// Of a key, a count and a sum: null mask and words. In a snapshot they take fewer.
constexpr uint64_t record_bytes = 44;

std::string keyed_yaml(const std::string& name, const std::string& table) {
  return "name: " + name + "\ntables:\n  rows: " + table +
         "\n  out: {with: {connector: blackhole}}\nsteps:\n"
         "  - {name: counts, from: rows, key: k, aggregate: {n: count(*), s: sum(v)}, "
         "emit: final}\nsinks:\n  - {from: counts, into: out}\n";
}

/// A hash table by hand: open addressing, room for twice the keys.
class plain_table {
 public:
  explicit plain_table(uint64_t keys) {
    size_t n = 16;
    while (n < 2 * keys) n *= 2;
    shift_ = 64 - __builtin_ctzll(n);
    slots_.resize(n);
  }
  void add(const batch& b) {
    const auto* k = b.columns[0]->data<int64_t>();
    const auto* v = b.columns[1]->data<int64_t>();
    const size_t mask = slots_.size() - 1;
    for (uint32_t i = 0; i < b.rows; ++i) {
      size_t at = (static_cast<uint64_t>(k[i]) * 0x9E3779B97F4A7C15ull) >> shift_;
      while (slots_[at].n != 0 && slots_[at].key != k[i]) at = (at + 1) & mask;
      auto& s = slots_[at];
      s.key = k[i];
      ++s.n;
      s.sum += v[i];
    }
  }

 private:
  struct slot {
    int64_t key, n;
    __int128 sum;
  };
  int shift_;
  std::vector<slot> slots_;
};

}  // namespace

result<std::vector<bench_line>> bench_keyed(const bench_setup& s) {
  const uint64_t keys = s.rows;
  // Rows enough that most keys occur, and that caches see what a stream would do to them.
  bench_table table("bench_keyed", std::max<uint64_t>(2 * keys, 1'000'000), keys);
  WEIR_ASSIGN(auto plan, bench_plan(keyed_yaml("keyed", table.yaml()), s.threads));
  engine_settings e;
  e.threads = s.threads;
  WEIR_ASSIGN(auto t, measure_throughput(plan, e, 0.3, 3 * keys, s.seconds));

  // By hand: a table per thread over its share of the batches, nothing exchanged.
  std::vector<std::unique_ptr<plain_table>> tables;
  std::vector<size_t> at;
  for (uint32_t i = 0; i < s.threads; ++i) {
    tables.push_back(std::make_unique<plain_table>(keys));
    at.push_back(i);
  }
  const auto& batches = table.batches();
  double plain = plain_loop(s.threads, std::min(1.0, s.seconds), [&](uint32_t thread) {
    const auto& b = *batches[at[thread] % batches.size()];
    at[thread] += s.threads;
    tables[thread]->add(b);
    return uint64_t{b.rows};
  });
  const double target = keys > 1'000'000 ? 30e6 : 150e6;
  return std::vector<bench_line>{
      {"throughput", t.rows_per_second, "rows/s", "plain table per thread", plain,
       t.rows_per_second / plain, target, t.rows, t.seconds},
      {"per_core", 1 / t.cpu_per_row, "rows per CPU second", "half of the target", target / 2,
       2 / t.cpu_per_row / target, target / 2, t.rows, t.seconds}};
}

result<std::vector<bench_line>> bench_snapshot_cost(const bench_setup& s) {
  const uint64_t keys = s.rows;
  bench_table table("bench_snapshot_cost", 4 * keys, keys);
  WEIR_ASSIGN(auto plan, bench_plan(keyed_yaml("snapshot_cost", table.yaml()), s.threads));
  engine_settings without;
  without.threads = s.threads;
  WEIR_ASSIGN(auto a, measure_throughput(plan, without, 0.5, 4 * keys, s.seconds));
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  engine_settings with = without;
  with.data_dir = folder->path();
  with.snapshot_interval_us = 1'000'000;
  WEIR_ASSIGN(auto b, measure_throughput(plan, with, 0.5, 4 * keys, s.seconds));
  auto line = [&](const char* metric, double with_them, double without_them) {
    return bench_line{metric,
                      100 * (1 - with_them / without_them),
                      "%",
                      "rows/s without snapshots",
                      without_them,
                      with_them / without_them,
                      5,
                      b.rows,
                      b.seconds};
  };
  return std::vector<bench_line>{line("throughput_cost", b.rows_per_second, a.rows_per_second),
                                 line("cpu_cost", 1 / b.cpu_per_row, 1 / a.cpu_per_row)};
}

result<std::vector<bench_line>> bench_barrier_stall(const bench_setup& s) {
  const uint64_t keys = std::max<uint64_t>(1, s.rows / record_bytes);
  bench_table table("bench_barrier_stall", 4 * keys, keys);
  WEIR_ASSIGN(auto plan, bench_plan(keyed_yaml("barrier_stall", table.yaml()), s.threads));
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  engine_settings e;
  e.threads = s.threads;
  e.data_dir = folder->path();
  e.snapshot_interval_us = 100'000;
  WEIR_ASSIGN(auto t, measure_throughput(plan, e, 0.5, 4 * keys, s.seconds));
  std::vector<double> stalls;
  for (const auto& task : t.report.tasks)
    for (auto ns : task.stalls_ns) stalls.push_back(static_cast<double>(ns) * 1e-6);
  double median = quantile(stalls, 0.5), p99 = quantile(stalls, 0.99);
  double most = stalls.empty() ? 0 : stalls.back();
  auto line = [&](const char* metric, double v) {
    return bench_line{
        metric,        v,        "ms", "median stall", median, median > 0 ? v / median : 0, 1,
        stalls.size(), t.seconds};
  };
  return std::vector<bench_line>{line("p99", p99), line("max", most)};
}

result<std::vector<bench_line>> bench_restore(const bench_setup& s) {
  const uint64_t keys = std::max<uint64_t>(1, s.rows / record_bytes);
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  auto plan = bench_plan(
      "name: restore\ntables:\n  rows: {columns: {k: bigint}, with: {connector: sequence, rate: "
      "10000000}}\n"
      "  out: {with: {connector: blackhole}}\nsteps:\n"
      "  - {name: counts, from: rows, key: k, aggregate: {n: count(*), s: sum(k)}, emit: final}\n"
      "sinks:\n  - {from: counts, into: out}\n",
      s.threads);
  if (!plan) return plan.err();
  engine_settings e;
  e.threads = s.threads;
  e.data_dir = folder->path();
  {
    uint64_t rows = 0;
    WEIR_ASSIGN(auto engine, bench_engine::start(e));
    WEIR_TRY(engine->submit(*plan));
    while (rows < keys) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      WEIR_ASSIGN(auto sample, engine->sample());
      rows = 0;
      for (const auto& t : sample.sources) rows += t.second;
    }
    WEIR_TRY(engine->stop());
  }
  // What the epoch holds: rows went on to come while its state was written.
  uint64_t records = 0;
  {
    snapshot_options how;
    how.read_only = true;
    WEIR_ASSIGN(auto store, snapshot_store::open(folder->path() + "/snapshots", how));
    auto epochs = store->inspect({plan->name, ""});
    if (epochs.empty()) return error{errc::not_found, "the job left no snapshot"};
    for (const auto& op : epochs.back().operators)
      for (const auto& state : op.states) records += state.records;
  }
  const auto bytes = static_cast<double>(records * record_bytes);
  // The limit: as many bytes copied by as many threads.
  std::vector<std::vector<char>> from(s.threads, std::vector<char>(8 << 20, 1)), to = from;
  double copied = plain_loop(s.threads, 0.2, [&](uint32_t i) {
    std::copy(from[i].begin(), from[i].end(), to[i].begin());
    return uint64_t{from[i].size()};
  });
  WEIR_ASSIGN(auto engine, bench_engine::start(e));
  const double begin = wall_seconds(), cpu = cpu_seconds();
  WEIR_TRY(engine->submit(*plan));
  for (;;) {
    WEIR_ASSIGN(auto report, engine->describe());
    if (static_cast<job_state>(report.state) == job_state::running) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double took = wall_seconds() - begin, cpu_took = cpu_seconds() - cpu;
  WEIR_TRY(engine->cancel());
  const double gib = 1024.0 * 1024 * 1024;
  return std::vector<bench_line>{
      {"time_per_gib", took / bytes * gib, "s", "memcpy", gib / copied, took / bytes * copied, 1,
       records, took},
      {"cpu_per_gib", cpu_took / bytes * gib, "CPU seconds", "memcpy by all threads",
       gib / copied * s.threads, cpu_took / bytes * copied / s.threads, 1.0 * s.threads, records,
       took}};
}

}  // namespace weir::cli
