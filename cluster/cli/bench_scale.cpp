// Where a keyed exchange between all nodes of a cluster saturates: the costs of rows, messages and
// bytes are measured here and now, on one machine, and a simulation (scale_model) has as many nodes
// as nobody has at hand.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "actors/data/exchange.hpp"
#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "cluster/cli/scale_model.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/codec.hpp"

namespace weir::cli {
namespace {

// Batches that are under way at once while messages are measured: a window.
constexpr uint64_t under_way_max = 16;
constexpr uint32_t small_rows = 64;
constexpr double loopback_bytes_per_second = 1e12;  // no line: the copies are measured costs
constexpr double line_bytes_per_second = 1.25e9;    // 10 Gbit/s

double thread_cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

batch_ptr pairs(const schema_ptr& type, memory_pool& pool, uint32_t rows) {
  column_builder k(type_id::int64, pool), v(type_id::int64, pool);
  for (uint32_t i = 0; i < rows; ++i) {
    k.append(int64_t{i} * 7919 % 1'000'000);
    v.append(int64_t{i});
  }
  return make_batch(type, {k.finish(), v.finish()});
}

class counting_receiver final : public data_receiver {
 public:
  counting_receiver(schema_ptr type, memory_pool& pool) : type_(std::move(type)), pool_(pool) {}
  void arrived(channel_message, buffer_ref rows) override {
    auto decoded = decode_batch(std::move(rows), type_, pool_);
    if (!decoded) failed_ = true;
    count_.fetch_add(1, std::memory_order_release);
  }
  void granted(channel_id, credit) override {}
  void cut_off(error) override { failed_ = true; }
  uint64_t count() const { return count_.load(std::memory_order_acquire); }
  bool failed() const { return failed_; }

 private:
  schema_ptr type_;
  memory_pool& pool_;
  std::atomic<uint64_t> count_{0};
  std::atomic<bool> failed_{false};
};

struct message_cost {
  double send_ns = 0, receive_ns = 0, bytes = 0;
};

/// Processor time on both sides of one message with so many rows, over loopback.
result<message_cost> measure_message(uint32_t rows, double seconds) {
  auto type = std::make_shared<schema>();
  type->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
  memory_pool pool;
  data_options o;
  o.memory = &pool;
  WEIR_ASSIGN(auto there, data_exchange::open(o));
  WEIR_ASSIGN(auto here, data_exchange::open(o));
  auto receiver = std::make_shared<counting_receiver>(type, pool);
  there->add_task(1, receiver);
  WEIR_ASSIGN(auto back, there->connect(here->address(), 1));
  WEIR_ASSIGN(auto link, here->connect(there->address(), 0));
  const auto batch = pairs(type, pool, rows);
  channel_message m;
  m.bytes = batch->memory_bytes();
  uint64_t sent = 0;
  auto send_one = [&] {
    while (sent - receiver->count() >= under_way_max && !receiver->failed())
      std::this_thread::yield();
    m.rows = batch;
    m.sequence = sent++;
    here->send(link, 1, m);
  };
  for (int i = 0; i < 100; ++i) send_one();
  const auto before = here->counters();
  const double began = wall_seconds(), all = cpu_seconds(), mine = thread_cpu_seconds();
  const uint64_t first = sent;
  double waits = 0;
  while (wall_seconds() - began < seconds && !receiver->failed()) {
    for (int i = 0; i < 16; ++i) {
      const double w = thread_cpu_seconds();
      while (sent - receiver->count() >= under_way_max && !receiver->failed())
        std::this_thread::yield();
      waits += thread_cpu_seconds() - w;
      send_one();
    }
  }
  while (receiver->count() < sent && !receiver->failed()) std::this_thread::yield();
  const double used = thread_cpu_seconds() - mine;
  const double both = cpu_seconds() - all;
  const auto n = static_cast<double>(sent - first);
  message_cost c;
  c.send_ns = (used - waits) / n * 1e9;
  c.receive_ns = (both - used) / n * 1e9;
  c.bytes = static_cast<double>(here->counters().bytes_out - before.bytes_out) / n;
  const bool failed = receiver->failed();
  there->remove_task(1);
  back.reset();
  link.reset();
  if (failed) return error{errc::io, "the connection for rows was lost"};
  return c;
}

/// Processor time of a row on each side of the exchange, in one process.
result<scale_costs> measure_rows(const bench_setup& s) {
  bench_table table("bench_cluster_scale", 1'000'000, s.rows);
  WEIR_ASSIGN(auto plan,
              bench_plan("name: scale\ntables:\n  rows: " + table.yaml() +
                             "\n  out: {with: {connector: blackhole}}\nsteps:\n"
                             "  - {name: counts, from: rows, key: k, aggregate: {n: count(*), s: "
                             "sum(v)}}\nsinks:\n  - {from: counts, into: out}\n",
                         s.threads));
  engine_settings e;
  e.threads = s.threads;
  WEIR_ASSIGN(auto t, measure_throughput(plan, e, 0.2, 4 * s.rows, s.seconds));
  double reading = 0, merging = 0;
  for (const auto& task : t.report.tasks)
    (task.chain == 0 ? reading : merging) += static_cast<double>(task.busy_ns);
  scale_costs c;
  const double share = reading + merging > 0 ? reading / (reading + merging) : 0.5;
  c.read_ns_per_row = t.cpu_per_row * 1e9 * share;
  c.merge_ns_per_row = t.cpu_per_row * 1e9 * (1 - share);
  return c;
}

struct point {
  uint32_t nodes;
  double cores, line, linger_ms, seconds;
};

}  // namespace

result<std::vector<bench_line>> bench_cluster_scale(const bench_setup& s) {
  WEIR_ASSIGN(auto c, measure_rows(s));
  WEIR_ASSIGN(const auto small, measure_message(small_rows, s.seconds / 2));
  WEIR_ASSIGN(const auto large, measure_message(batch_rows_target, s.seconds / 2));
  const double more = large.bytes - small.bytes;
  c.send_ns_per_byte = std::max(0.0, (large.send_ns - small.send_ns) / more);
  c.receive_ns_per_byte = std::max(0.0, (large.receive_ns - small.receive_ns) / more);
  c.bytes_per_row = more / (batch_rows_target - small_rows);
  c.head_bytes = small.bytes - c.bytes_per_row * small_rows;
  c.send_ns = std::max(0.0, small.send_ns - c.send_ns_per_byte * small.bytes);
  c.receive_ns = std::max(0.0, small.receive_ns - c.receive_ns_per_byte * small.bytes);
  std::vector<bench_line> lines;
  auto cost = [&](const char* name, double value, const char* unit) {
    lines.push_back({name, value, unit, "measured", value, 1, 0, s.rows, s.seconds});
  };
  cost("cost_read", c.read_ns_per_row, "ns per row");
  cost("cost_merge", c.merge_ns_per_row, "ns per row");
  cost("cost_send", c.send_ns, "ns per message");
  cost("cost_send_byte", c.send_ns_per_byte, "ns per byte");
  cost("cost_receive", c.receive_ns, "ns per message");
  cost("cost_receive_byte", c.receive_ns_per_byte, "ns per byte");
  cost("wire_row", c.bytes_per_row, "bytes per row");
  cost("wire_message", c.head_bytes, "bytes per message");

  // The nodes of the table, with the linger that tasks have towards so many; then what the largest
  // would do without it. All nodes hand on at once, then merge for three times as long as they have
  // read: the time has to hold several such turns.
  constexpr double engine = 0;
  constexpr point points[] = {
      {1, 2, line_bytes_per_second, engine, 0.1},
      {2, 1, loopback_bytes_per_second, engine, 0.1},
      {4, 0.5, loopback_bytes_per_second, engine, 0.1},
      {10, 2, line_bytes_per_second, engine, 0.1},
      {30, 2, line_bytes_per_second, engine, 0.1},
      {100, 2, line_bytes_per_second, engine, 0.1},
      {300, 2, line_bytes_per_second, engine, 0.2},
      {1'000, 2, line_bytes_per_second, engine, 0.5},
      {300, 2, line_bytes_per_second, 5, 0.05},
      {1'000, 2, line_bytes_per_second, 5, 0.06},
  };
  double one = 0;
  for (const auto& p : points) {
    scale_setup setup;
    setup.nodes = p.nodes;
    setup.cores = p.cores;
    setup.line_bytes_per_second = p.line;
    setup.linger_ms = p.linger_ms == engine ? engine_linger_ms(p.nodes) : p.linger_ms;
    setup.seconds = p.seconds;
    setup.seed = bench_seed;
    const auto r = simulate_scale(c, setup);
    // Nodes that share one machine's two cores have a part of them each.
    const double ideal = one * p.cores / 2;
    if (one == 0) one = r.rows_per_second;
    char name[64];
    std::snprintf(name, sizeof name, "n%u_linger_%.0fms", p.nodes, setup.linger_ms);
    auto add = [&](const char* metric, double value, const char* unit, double reference) {
      lines.push_back({std::string(name) + "_" + metric, value, unit, "one node alone", reference,
                       reference > 0 ? value / reference : 0, 0, r.events, p.seconds});
    };
    add("rows", r.rows_per_second, "rows/s per node", ideal > 0 ? ideal : one);
    add("messages", r.messages_per_second, "messages/s per node", 0);
    add("rows_per_message", r.rows_per_message, "rows", batch_rows_target);
    add("processor", 100 * r.processor_share, "% busy", 100);
    add("messages_share", 100 * r.message_share, "% of busy", 100);
    add("line", 100 * r.line_share, "% busy", 100);
    add("blocked", 100 * r.blocked_share, "% of time", 100);
    add("alignment", r.alignment_ms, "ms", 0);
  }
  return lines;
}

}  // namespace weir::cli
