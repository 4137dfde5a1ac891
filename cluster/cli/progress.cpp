#include "cluster/cli/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "runtime/base/units.hpp"

namespace weir::cli {
namespace {

template <class... Ts>
std::string format(const char* pattern, Ts... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

bool is_source(const operator_node& n) {
  return std::holds_alternative<source_spec>(n.spec);
}
bool is_sink(const operator_node& n) {
  return std::holds_alternative<sink_spec>(n.spec);
}

double seconds_between(int64_t a, int64_t b) {
  return static_cast<double>(std::max<int64_t>(0, b - a)) / 1e6;
}

/// Source work done and total, in the unit of the splits' weights (bytes, or rows without bytes).
double share_done(const job_report& r, const flow_totals& t) {
  if (r.input_weight == 0) return -1;
  auto done = static_cast<double>(t.bytes_in ? t.bytes_in : t.rows_in);
  return std::min(1.0, done / static_cast<double>(r.input_weight));
}

}  // namespace

flow_totals totals_of(const job_report& r, const physical_plan& plan) {
  std::set<std::string> sources, sinks;
  for (const auto& n : plan.operators) {
    if (is_source(n)) sources.insert(n.id);
    if (is_sink(n)) sinks.insert(n.id);
  }
  flow_totals t;
  for (const auto& task : r.tasks)
    for (const auto& o : task.operators) {
      t.skipped += o.errors_skipped;
      t.dead_letters += o.dead_letters;
      t.late += o.late_rows;
      if (sources.contains(o.operator_id)) {
        t.rows_in += o.rows_out;
        t.bytes_in += o.bytes_in;
      }
      if (sinks.contains(o.operator_id)) {
        t.rows_out += o.rows_in;
        t.bytes_out += o.bytes_out;
      }
    }
  return t;
}

std::string progress_line(const job_report& r, const physical_plan& plan, const job_report* since,
                          size_t width) {
  auto t = totals_of(r, plan);
  double share = r.bounded ? share_done(r, t) : -1;
  std::string line;
  if (share >= 0) line += format("%3.0f%% · ", share * 100);
  line += format_count(static_cast<double>(t.rows_in)) + " rows";
  if (t.bytes_in) line += " (" + format_size(t.bytes_in) + ")";
  line += " in, " + format_count(static_cast<double>(t.rows_out)) + " out";
  if (since) {
    double seconds = seconds_between(since->now, r.now);
    auto before = totals_of(*since, plan).rows_in;
    if (seconds > 0 && t.rows_in >= before)
      line += " · " + format_count(static_cast<double>(t.rows_in - before) / seconds) + " rows/s";
  }
  if (r.completed_epoch)
    line += format(" · epoch %llu, ", static_cast<unsigned long long>(r.completed_epoch)) +
            format_duration_us(std::max<int64_t>(0, r.now - r.completed_at)) + " ago";
  if (!r.last_epoch_error.empty()) line += " · last epoch failed: " + r.last_epoch_error;
  if (r.restarts) line += format(" · %u restart%s", r.restarts, r.restarts == 1 ? "" : "s");
  double elapsed = seconds_between(r.started_at, r.now);
  if (share > 0.02 && share < 1 && elapsed > 0.5)
    line += " · " + format_duration_us(static_cast<int64_t>(elapsed * (1 - share) / share * 1e6)) +
            " left";
  if (width && line.size() > width) line.resize(width);
  return line;
}

std::string summary_line(const job_report& r, const physical_plan& plan) {
  auto t = totals_of(r, plan);
  double elapsed = seconds_between(r.started_at, r.now);
  std::string line = "job " + r.name + " " + to_string(static_cast<job_state>(r.state)) + ": " +
                     std::to_string(t.rows_in) + " rows";
  if (t.bytes_in) line += " (" + format_size(t.bytes_in) + ")";
  line += " in, " + std::to_string(t.rows_out) + " out in " +
          format_duration_us(static_cast<int64_t>(elapsed * 1e6));
  if (elapsed > 0)
    line += ", " + format_count(static_cast<double>(t.rows_in) / elapsed) + " rows/s";
  if (r.completed_epoch) line += ", " + std::to_string(r.completed_epoch) + " epochs";
  if (r.restarts) line += ", " + std::to_string(r.restarts) + " restarts";
  if (t.skipped) line += ", " + std::to_string(t.skipped) + " bad records skipped";
  if (t.dead_letters) line += ", " + std::to_string(t.dead_letters) + " dead letters";
  if (t.late) line += ", " + std::to_string(t.late) + " late rows left out";
  return line;
}

std::string operator_table(const job_report& r, const physical_plan& plan) {
  struct sums {
    uint64_t in = 0, out = 0, busy = 0, state = 0, blocked = 0, idle = 0, total = 0;
  };
  std::map<std::string, sums> by_id;
  for (const auto& task : r.tasks) {
    uint64_t total = task.busy_ns + task.backpressured_ns + task.idle_ns;
    for (const auto& o : task.operators) {
      auto& s = by_id[o.operator_id];
      s.in += o.rows_in;
      s.out += o.rows_out;
      s.busy += o.busy_ns;
      s.state += o.state_bytes;
      s.blocked += task.backpressured_ns;
      s.idle += task.idle_ns;
      s.total += total;
    }
  }
  std::string text = format("%-32s %12s %12s %6s %8s %6s %10s\n", "operator", "rows in", "rows out",
                            "busy", "blocked", "idle", "state");
  for (const auto& n : plan.operators) {
    auto it = by_id.find(n.id);
    if (it == by_id.end()) continue;
    const auto& s = it->second;
    auto share = [&s](uint64_t part) {
      return s.total ? 100.0 * static_cast<double>(part) / static_cast<double>(s.total) : 0.0;
    };
    std::string name = n.name.empty() ? n.id : n.name;
    if (name.size() > 32) name = name.substr(0, 31) + "~";
    text += format("%-32s %12llu %12llu %5.1f%% %7.1f%% %5.1f%% %10s\n", name.c_str(),
                   static_cast<unsigned long long>(s.in), static_cast<unsigned long long>(s.out),
                   share(s.busy), share(s.blocked), share(s.idle),
                   s.state ? format_size(s.state).c_str() : "-");
  }
  return text;
}

}  // namespace weir::cli
