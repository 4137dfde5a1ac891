#include "cluster/cli/bench_nexmark.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "cluster/cli/nexmark_engine.hpp"
#include "cluster/cli/nexmark_queries.hpp"
#include "cluster/cli/run.hpp"
#include "jobs/sql/job.hpp"
#include "runtime/base/nearest.hpp"

namespace weir::cli {
namespace {

constexpr uint64_t events_default = 100'000'000;
constexpr uint64_t event_rate_default = 100'000;
constexpr size_t memory_limit = size_t{8} << 30;
// Rows that were due earlier show how the job starts, not how it runs.
constexpr int64_t warm_us = 500'000;

constexpr const char* csv_header =
    "query,events,seconds,events_per_second,cpu_seconds,peak_mib,rows_in,rows_out,epochs,"
    "latency_p50_ms,latency_p99_ms,latency_p999_ms,latency_rate,parallelism,snapshot_interval_us,"
    "event_rate,seed,full_events,in_memory,run";

struct measured {
  double seconds = 0, cpu = 0;
  double peak_mib = 0;
  uint64_t rows_in = 0, rows_out = 0, epochs = 0;
  std::vector<double> latency_ms;  // p50, p99, p99.9; empty when it was not measured
};

/// The most memory that the process has held since the last reset.
double peak_mib() {
  double kib = 0;
  if (auto* f = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, f) != nullptr)
      if (std::sscanf(line, "VmHWM: %lf kB", &kib) == 1) break;
    std::fclose(f);
  }
  return kib / 1024;
}
void reset_peak() {
  ::malloc_trim(0);
  if (auto* f = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", f);
    std::fclose(f);
  }
}

using variables = std::map<std::string, std::string>;

/// Those of `all` that the text knows: others are an error.
variables known_in(std::string_view text, variables all) {
  std::erase_if(all, [text](const auto& v) {
    return text.find("${" + v.first + ":-") == std::string_view::npos;
  });
  return all;
}

result<physical_plan> plan_of(const nexmark_query& q, const nexmark_options& o, variables extra) {
  jobs::job_settings s;
  s.parallelism = o.parallelism;
  extra.merge(variables{{"SINK", "blackhole"},
                        {"OUT", ""},
                        {"FORMAT", ""},
                        {"EMIT", ""},
                        {"PARTITION_BY", ""},
                        {"SEED", std::to_string(o.seed)},
                        {"FULL_EVENTS", o.full_events ? "true" : "false"},
                        {"EVENTS", std::to_string(o.events)},
                        {"EVENT_RATE", std::to_string(o.event_rate)}});
  s.set = known_in(q.text, std::move(extra));
  WEIR_ASSIGN(auto job, jobs::load_job_text(jobs::read_sql, std::string(q.text),
                                            std::string(q.name) + ".sql", ".", s));
  return std::move(job.plan);
}

/// Rows out of sources and into sinks.
void count_rows(const physical_plan& plan, const job_report& r, measured& m) {
  for (const auto& t : r.tasks)
    for (const auto& op : t.operators)
      for (const auto& node : plan.operators) {
        if (node.id != op.operator_id) continue;
        if (std::holds_alternative<source_spec>(node.spec)) m.rows_in += op.rows_out;
        if (std::holds_alternative<sink_spec>(node.spec)) m.rows_out += op.rows_in;
      }
}

result<job_report> run_to_end(const physical_plan& plan, const nexmark_options& o, measured& m) {
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  engine_settings e;
  e.threads = o.parallelism;
  e.data_dir = folder->path() + "/data";
  e.snapshot_interval_us = o.snapshot_interval_us;
  e.memory_bytes = memory_limit;
  WEIR_ASSIGN(auto engine, bench_engine::start(e));
  const double begin = wall_seconds(), cpu = cpu_seconds();
  WEIR_TRY(engine->submit(plan));
  WEIR_ASSIGN(auto report, engine->wait());
  m.seconds = wall_seconds() - begin;
  m.cpu = cpu_seconds() - cpu;
  return report;
}

/// As fast as it goes.
status measure_speed(const nexmark_query& q, const nexmark_options& o, measured& m) {
  WEIR_ASSIGN(auto plan, plan_of(q, o, {}));
  std::unique_ptr<memory_laps> laps;
  if (o.in_memory) {
    WEIR_ASSIGN(laps, memory_laps::make(plan, o.parallelism));
  }
  reset_peak();
  WEIR_ASSIGN(auto report, run_to_end(plan, o, m));
  m.peak_mib = peak_mib();
  m.epochs = report.completed_epoch;
  count_rows(plan, report, m);
  return {};
}

/// At a steady rate, event time passing as fast as time does.
status measure_latency(const nexmark_query& q, nexmark_options o, measured& m) {
  o.event_rate = o.rate;
  const double seconds = std::max(o.seconds + warm_us * 1e-6, latency_probe::seconds_min(q.name));
  o.events = static_cast<uint64_t>(seconds * static_cast<double>(o.rate));
  WEIR_ASSIGN(auto plan, plan_of(q, o, {{"RATE", std::to_string(o.rate)}}));
  auto seen = std::make_shared<nexmark_latencies>();
  latency_probe probe(plan, q.name, seen);
  if (!probe.measures()) return {};
  measured ignored;
  WEIR_TRY(run_to_end(plan, o, ignored));
  auto ms = seen->milliseconds(warm_us, static_cast<int64_t>(seconds * 1e6));
  if (ms.empty()) return {};
  m.latency_ms = {quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 0.999)};
  return {};
}

void print_csv(const nexmark_query& q, const nexmark_options& o, const measured& m, uint32_t run) {
  auto latency = [&m](size_t i) {
    char text[32] = "";
    if (!m.latency_ms.empty()) std::snprintf(text, sizeof text, "%.3f", m.latency_ms[i]);
    return std::string(text);
  };
  std::printf(
      "%s,%llu,%.3f,%.6g,%.3f,%.1f,%llu,%llu,%llu,%s,%s,%s,%s,%u,%lld,%llu,%lld,%d,%d,%u\n",
      std::string(q.name).c_str(), static_cast<unsigned long long>(o.events), m.seconds,
      static_cast<double>(o.events) / m.seconds, m.cpu, m.peak_mib,
      static_cast<unsigned long long>(m.rows_in), static_cast<unsigned long long>(m.rows_out),
      static_cast<unsigned long long>(m.epochs), latency(0).c_str(), latency(1).c_str(),
      latency(2).c_str(), m.latency_ms.empty() ? "" : std::to_string(o.rate).c_str(), o.parallelism,
      static_cast<long long>(o.snapshot_interval_us), static_cast<unsigned long long>(o.event_rate),
      static_cast<long long>(o.seed), o.full_events, o.in_memory, run);
}

void print_row(const nexmark_query& q, const nexmark_options& o, const measured& m) {
  std::printf("%-4s %10.0f %8.2f %8.2f %9.0f %12llu", std::string(q.name).c_str(),
              static_cast<double>(o.events) / m.seconds / 1000, m.seconds, m.cpu, m.peak_mib,
              static_cast<unsigned long long>(m.rows_out));
  if (m.latency_ms.empty())
    std::printf(" %9s %9s\n", "-", "-");
  else
    std::printf(" %9.2f %9.2f\n", m.latency_ms[0], m.latency_ms[1]);
}

void print_heading(const nexmark_options& o) {
  if (o.csv) {
    std::printf("%s\n", csv_header);
    return;
  }
  std::printf(
      "%llu events, %llu per second of event time, seed %lld, %u tasks, snapshots every "
      "%.3g s%s%s\n",
      static_cast<unsigned long long>(o.events), static_cast<unsigned long long>(o.event_rate),
      static_cast<long long>(o.seed), o.parallelism,
      static_cast<double>(o.snapshot_interval_us) * 1e-6,
      o.full_events ? ", every column generated" : "",
      o.in_memory ? ", from batches in memory" : "");
  std::printf("%-4s %10s %8s %8s %9s %12s %9s %9s\n", "", "k events/s", "seconds", "CPU s",
              "peak MiB", "rows out", "p50 ms", "p99 ms");
}

result<std::vector<nexmark_query>> chosen(const nexmark_options& o) {
  std::vector<nexmark_query> out;
  std::vector<std::string> names;
  for (const auto& q : nexmark_queries()) names.emplace_back(q.name);
  for (const auto& name : o.queries) {
    auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end())
      return error{errc::unknown_name, "there is no query \"" + name + "\"" +
                                           nearest_hint(name, names) + " (known: " + names.front() +
                                           " to " + names.back() + ")"};
    out.push_back(nexmark_queries()[static_cast<size_t>(at - names.begin())]);
  }
  if (o.queries.empty()) out.assign(nexmark_queries().begin(), nexmark_queries().end());
  return out;
}

}  // namespace

int bench_nexmark(const nexmark_options& given) {
  auto o = given;
  if (!o.dump.empty()) {
    std::string summary;
    if (auto s = dump_nexmark(o, summary); !s) {
      std::fprintf(stderr, "weir: %s\n", s.err().message.c_str());
      return exit_failed;
    }
    std::fprintf(stderr, "%s in %s\n", summary.c_str(), o.dump.c_str());
    return exit_ok;
  }
  if (!o.events) o.events = events_default;
  if (!o.event_rate) o.event_rate = event_rate_default;
  if (!o.parallelism) o.parallelism = std::max(1u, std::thread::hardware_concurrency());
  auto queries = chosen(o);
  if (!queries) {
    std::fprintf(stderr, "weir: %s\n", queries.err().message.c_str());
    return exit_usage;
  }
  print_heading(o);
  for (const auto& q : *queries) {
    if (auto plan = plan_of(q, o, {}); !plan) {
      // A query that was asked for by name has to run.
      std::fprintf(stderr, "weir: %s\n", plan.err().message.c_str());
      if (!o.queries.empty()) return exit_failed;
      continue;
    }
    for (uint32_t run = 1; run <= o.runs; ++run) {
      measured m;
      auto s = measure_speed(q, o, m);
      if (s.ok() && o.seconds > 0 && !o.in_memory) s = measure_latency(q, o, m);
      if (!s) {
        std::fprintf(stderr, "weir: %s: %s\n", std::string(q.name).c_str(),
                     s.err().message.c_str());
        return exit_failed;
      }
      if (o.csv)
        print_csv(q, o, m, run);
      else
        print_row(q, o, m);
      std::fflush(stdout);
    }
  }
  return exit_ok;
}

}  // namespace weir::cli
