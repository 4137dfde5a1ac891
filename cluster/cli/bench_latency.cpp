// Latency from source to sink, and what a job costs that has nothing to do. The clock is read by
// the benchmark's own source and sink, never by operators: a row carries when it was due and when
// the source handed it out.
#include <algorithm>
#include <cstdio>
#include <mutex>
#include <thread>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/connectors/extra_connectors.hpp"

namespace weir::cli {
namespace {

constexpr const char* connector = "bench_latency";
constexpr int64_t key_count = 1'000;
constexpr int64_t tick_us = 50;  // the source looks for due rows this often

int64_t now_ns() {
  return static_cast<int64_t>(wall_seconds() * 1e9);
}

/// What sinks saw; shared by the tasks of one run.
struct latencies {
  std::mutex m;
  std::vector<double> from_source, from_due;  // microseconds
  int64_t count_from_ns = INT64_MAX;          // rows handed out earlier are warming up
};

class one_split final : public split_enumerator {
 public:
  result<discovery> discover() override {
    discovery d;
    d.bounded = false;
    d.splits.push_back({"all", "all", "", 0, 0});
    return d;
  }
};

/// Rows at a steady rate: every row that is due leaves in the next batch.
class steady_reader final : public source_reader {
 public:
  steady_reader(schema_ptr type, double rate) : type_(std::move(type)), period_ns_(1e9 / rate) {}
  status open(const operator_context& c) override {
    context_ = c;
    return {};
  }
  status add_split(source_split) override {
    has_split_ = true;
    begin_ns_ = now_ns();
    return {};
  }
  result<polled> poll(uint32_t max_rows) override {
    polled out;
    if (!has_split_) {
      out.what = polled::state::finished;
      return out;
    }
    out.split_id = "all";
    const int64_t now = now_ns();
    auto due = static_cast<uint64_t>(static_cast<double>(now - begin_ns_) / period_ns_);
    auto n = static_cast<uint32_t>(std::min<uint64_t>(due - sent_, max_rows));
    out.wake_at = context_.time->now() + tick_us;
    if (n == 0) return out;
    column_builder k(type_id::int64, *context_.memory), d(type_id::int64, *context_.memory),
        s(type_id::int64, *context_.memory);
    for (uint32_t i = 0; i < n; ++i) {
      ++sent_;
      k.append(static_cast<int64_t>(sent_) % key_count);
      d.append(begin_ns_ + static_cast<int64_t>(static_cast<double>(sent_) * period_ns_));
      s.append(now);
    }
    out.what = polled::state::batch;
    out.rows = make_batch(type_, {k.finish(), d.finish(), s.finish()});
    return out;
  }
  std::vector<source_split> snapshot() const override {
    if (!has_split_) return {};
    return {{"all", "all", "", 0, 0}};
  }
  std::string position() const override { return "row " + std::to_string(sent_); }

 private:
  schema_ptr type_;
  double period_ns_;
  operator_context context_;
  bool has_split_ = false;
  int64_t begin_ns_ = 0;
  uint64_t sent_ = 0;
};

class measuring_sink final : public stream_operator {
 public:
  explicit measuring_sink(std::shared_ptr<latencies> to) : to_(std::move(to)) {}
  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    const int64_t now = now_ns();
    const auto* due = in->columns[1]->data<int64_t>();
    const auto* sent = in->columns[2]->data<int64_t>();
    std::lock_guard lock(to_->m);
    for (uint32_t i = 0; i < in->rows; ++i) {
      uint32_t r = in->row(i);
      if (in->weight(r) < 0 || sent[r] < to_->count_from_ns) continue;
      to_->from_source.push_back(static_cast<double>(now - sent[r]) * 1e-3);
      to_->from_due.push_back(static_cast<double>(now - due[r]) * 1e-3);
    }
    return {};
  }

 private:
  std::shared_ptr<latencies> to_;
};

/// How late this machine wakes a thread that sleeps for `tick_us`: the limit below which no timed
/// source can be. Microseconds, sorted.
std::vector<double> sleep_lateness(double seconds) {
  std::vector<double> late;
  const double end = wall_seconds() + seconds;
  while (wall_seconds() < end) {
    const double before = wall_seconds();
    std::this_thread::sleep_for(std::chrono::microseconds(tick_us));
    late.push_back((wall_seconds() - before) * 1e6 - static_cast<double>(tick_us));
  }
  std::sort(late.begin(), late.end());
  return late;
}

}  // namespace

result<std::vector<bench_line>> bench_latency(const bench_setup& s) {
  auto seen = std::make_shared<latencies>();
  // Planned with connectors that planners know; the tasks find the benchmark's own ones.
  WEIR_ASSIGN(auto plan,
              bench_plan("name: latency\ntables:\n"
                         "  rows: {columns: {k: bigint, due: bigint, sent: bigint}, with: "
                         "{connector: memory}}\n  out: {with: {connector: blackhole}}\nsteps:\n"
                         "  - {name: newest, from: rows, where: due >= 0, key: k, aggregate: "
                         "{due: max(due), sent: max(sent)}}\nsinks:\n  - {from: newest, into: "
                         "out}\n",
                         s.threads));
  for (auto& node : plan.operators) {
    if (auto* source = std::get_if<source_spec>(&node.spec)) source->connector = connector;
    if (auto* sink = std::get_if<sink_spec>(&node.spec)) sink->connector = connector;
  }
  const auto rate = static_cast<double>(s.rows);
  add_extra_connector(
      connector,
      {[](const source_spec&) -> result<std::unique_ptr<split_enumerator>> {
         return std::unique_ptr<split_enumerator>(std::make_unique<one_split>());
       },
       [rate](const source_spec& spec) -> result<std::unique_ptr<source_reader>> {
         return std::unique_ptr<source_reader>(std::make_unique<steady_reader>(spec.columns, rate));
       },
       [seen](const sink_spec&) -> result<std::unique_ptr<stream_operator>> {
         return std::unique_ptr<stream_operator>(std::make_unique<measuring_sink>(seen));
       }});
  const double begin = wall_seconds();
  seen->count_from_ns = static_cast<int64_t>((begin + 0.5) * 1e9);
  engine_settings e;
  e.threads = s.threads;
  auto t = measure_throughput(plan, e, 0.5, 0, s.seconds);
  remove_extra_connector(connector);
  if (!t) return t.err();
  auto late = sleep_lateness(0.3);
  auto line = [&](const char* metric, std::vector<double>& from, double q, double target) {
    double v = quantile(from, q), r = quantile(late, q);
    return bench_line{
        metric, v,           "us",      "lateness of a sleeping thread", r, r > 0 ? v / r : 0,
        target, from.size(), t->seconds};
  };
  return std::vector<bench_line>{line("source_to_sink_p50", seen->from_source, 0.5, 0),
                                 line("source_to_sink_p99", seen->from_source, 0.99, 200),
                                 line("source_to_sink_p999", seen->from_source, 0.999, 0),
                                 line("due_to_sink_p99", seen->from_due, 0.99, 0)};
}

result<std::vector<bench_line>> bench_idle(const bench_setup& s) {
  const double before = static_cast<double>(resident_bytes()) / (1024 * 1024);
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  auto* f = std::fopen((folder->path() + "/empty.csv").c_str(), "w");
  if (!f || std::fclose(f) != 0) return error{errc::io, "cannot write into " + folder->path()};
  WEIR_ASSIGN(auto plan,
              bench_plan("name: idle\ntables:\n  rows: {columns: {k: bigint, v: bigint}, with: "
                         "{connector: file, path: empty.csv, format: csv, follow: true}}\n"
                         "  out: {with: {connector: blackhole}}\nsteps:\n"
                         "  - {name: counts, from: rows, key: k, aggregate: {n: count(*), s: "
                         "sum(v)}}\nsinks:\n  - {from: counts, into: out}\n",
                         s.threads, folder->path()));
  engine_settings e;
  e.threads = s.threads;
  e.data_dir = folder->path() + "/data";
  e.snapshot_interval_us = 1'000'000;
  e.memory_bytes = size_t{2} << 30;
  WEIR_ASSIGN(auto engine, bench_engine::start(e));
  WEIR_TRY(engine->submit(plan));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  WEIR_TRY(engine->describe());
  const double begin = wall_seconds(), cpu = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(s.seconds));
  const double took = wall_seconds() - begin;
  const double share = 100 * (cpu_seconds() - cpu) / took;
  const double mib = static_cast<double>(resident_bytes()) / (1024 * 1024);
  WEIR_TRY(engine->cancel());
  return std::vector<bench_line>{
      {"memory", mib, "MiB", "process before the engine starts", before, mib / before, 64, 0, took},
      {"cpu", share, "% of a core", "one core", 100, share / 100, 1, 0, took}};
}

}  // namespace weir::cli
