// What several processes cost: the same job in one process and in several on loopback. On a machine
// whose cores are all busy either way, more processes cannot be faster; what rows lose by crossing
// is the difference.
#include <unistd.h>

#include <algorithm>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "cluster/cli/bench_nodes.hpp"
#include "jobs/sql/job.hpp"
#include "jobs/yaml/job.hpp"

namespace weir::cli {
namespace {

constexpr size_t node_memory = size_t{2} << 30;
constexpr int64_t snapshot_interval_us = 1'000'000;
constexpr double warm_seconds = 1.0;
constexpr double warm_seconds_max = 30;
constexpr double poll_seconds = 0.25;

struct rates {
  double rows_per_second = 0, rows_per_cpu_second = 0;
  double wire_bytes_per_row = 0;
  double messages = 0, system_calls = 0, switches = 0;  // per million rows
  double in_flight_kib = 0;  // the mean of what was sent and not yet taken, of all nodes
  uint64_t rows = 0;
  double seconds = 0;
};

struct layout {
  uint32_t processes, tasks;
};

result<rates> measure(const physical_plan& plan, uint32_t processes, double seconds) {
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  WEIR_ASSIGN(auto nodes, bench_nodes::start(folder->path(), processes, node_memory));
  WEIR_TRY(nodes->submit(plan, snapshot_interval_us));
  nodes_sample first;
  const double began = wall_seconds();
  double first_rows_at = 0;
  do {
    ::usleep(50'000);
    WEIR_ASSIGN(first, nodes->sample());
    // Nodes that meet late get their share with the next epoch.
    if (first_rows_at == 0 && first.rows != 0 && first.nodes_used == processes)
      first_rows_at = wall_seconds();
    if (wall_seconds() - began > warm_seconds_max)
      return error{errc::timeout, "the job does not begin to read"};
  } while (first_rows_at == 0 || wall_seconds() - first_rows_at < warm_seconds);
  auto last = first;
  double in_flight = 0, samples = 0;
  while (last.wall_seconds - first.wall_seconds < seconds) {
    ::usleep(static_cast<useconds_t>(1e6 * std::min(poll_seconds, seconds)));
    WEIR_ASSIGN(last, nodes->sample());
    if (auto it = last.metrics.find("weir_data_in_flight_bytes"); it != last.metrics.end())
      in_flight += it->second;
    ++samples;
  }
  WEIR_TRY(nodes->cancel());
  if (last.rows <= first.rows)
    return error{errc::timeout, "the job started again while it was measured: too much else runs"};
  rates r;
  r.rows = last.rows - first.rows;
  r.seconds = last.wall_seconds - first.wall_seconds;
  const auto rows = static_cast<double>(std::max<uint64_t>(1, r.rows));
  r.rows_per_second = rows / r.seconds;
  r.rows_per_cpu_second = rows / std::max(1e-9, last.cpu_seconds - first.cpu_seconds);
  r.wire_bytes_per_row = static_cast<double>(last.loopback_bytes - first.loopback_bytes) / rows;
  r.in_flight_kib = in_flight / samples / 1024;
  auto more = [&](const char* metric) { return last.metrics[metric] - first.metrics[metric]; };
  r.messages = more("weir_data_messages_out_total") / rows * 1e6;
  r.system_calls = (more("weir_data_writes_total") + more("weir_data_reads_total")) / rows * 1e6;
  r.switches = static_cast<double>(last.switches - first.switches) / rows * 1e6;
  return r;
}

/// `plan_for`: the job at a parallelism.
template <class F>
result<std::vector<bench_line>> compare(F plan_for, const bench_setup& s) {
  // Every task on a process of its own, as placement does it; beside four processes stands one
  // with as many tasks too, which says what the tasks alone cost.
  constexpr layout layouts[] = {{1, 2}, {2, 2}, {1, 4}, {4, 4}};
  std::vector<bench_line> lines;
  rates one;
  for (const auto& l : layouts) {
    WEIR_ASSIGN(auto plan, plan_for(l.tasks));
    WEIR_ASSIGN(auto r, measure(plan, l.processes, s.seconds));
    if (lines.empty()) one = r;
    const auto name = std::to_string(l.processes) +
                      (l.processes == 1 ? "_process_" : "_processes_") + std::to_string(l.tasks) +
                      "_tasks";
    auto add = [&](const char* metric, double value, const char* unit, double reference,
                   double target) {
      lines.push_back({name + "_" + metric, value, unit, "1 process, 2 tasks", reference,
                       reference > 0 ? value / reference : 0, target, r.rows, r.seconds});
    };
    const double goal = l.processes > 1 ? 0.85 : 0;
    add("throughput", r.rows_per_second, "rows/s", one.rows_per_second, goal * one.rows_per_second);
    add("per_cpu_second", r.rows_per_cpu_second, "rows", one.rows_per_cpu_second,
        goal * one.rows_per_cpu_second);
    add("wire", r.wire_bytes_per_row, "bytes per row", one.wire_bytes_per_row, 0);
    add("messages", r.messages, "per million rows", one.messages, 0);
    add("system_calls", r.system_calls, "per million rows", one.system_calls, 0);
    add("switches", r.switches, "per million rows", one.switches, 0);
    add("in_flight", r.in_flight_kib, "KiB", one.in_flight_kib, 0);
  }
  return lines;
}

}  // namespace

result<std::vector<bench_line>> bench_cluster_keyed(const bench_setup& s) {
  const auto text =
      "name: cluster_keyed\ntables:\n"
      "  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1}}\n"
      "  out: {with: {connector: blackhole}}\nsteps:\n"
      "  - {name: rows, from: numbers, select: {k: \"n * 2654435761 % " +
      std::to_string(s.rows) +
      "\", v: n}}\n"
      "  - {name: counts, from: rows, key: k, aggregate: {c: count(*), s: sum(v)}}\n"
      "sinks:\n  - {from: counts, into: out}\n";
  return compare([&](uint32_t tasks) { return bench_plan(text, tasks); }, s);
}

result<std::vector<bench_line>> bench_cluster_wide(const bench_setup& s) {
  const std::string text =
      "CREATE TABLE bid (auction bigint, bidder bigint, price bigint, channel text, url text, "
      "date_time timestamp, extra text)\n"
      "  WITH (connector = 'nexmark', event_time = 'date_time', event_rate = '" +
      std::to_string(s.rows) +
      "');\n"
      "CREATE TABLE kept (auction bigint, bidder bigint, price bigint, channel text, url text, "
      "date_time timestamp, extra text, before bigint) WITH (connector = 'blackhole');\n"
      "INSERT INTO kept SELECT *, lag(price) OVER (PARTITION BY bidder ORDER BY date_time) FROM "
      "bid;\n";
  return compare(
      [&](uint32_t tasks) -> result<physical_plan> {
        jobs::job_settings settings;
        settings.parallelism = tasks;
        WEIR_ASSIGN(auto job,
                    jobs::load_job_text(jobs::read_sql, text, "cluster_wide.sql", ".", settings));
        return std::move(job.plan);
      },
      s);
}

}  // namespace weir::cli
