// Barriers at a source task whose operators hold many rows: they leave in parts, batches go on in
// between, and the barrier follows when little is held, when time is up, or when new splits come.
#include <doctest/doctest.h>

#include "runtime/flow/stream_task.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "tests/flow/sim_rows.hpp"

namespace weir {
namespace {

/// Always has a row; its number counts up.
struct endless final : source_reader {
  memory_pool& pool;
  int64_t next = 0;
  explicit endless(memory_pool& p) : pool(p) {}
  status open(const operator_context&) override { return {}; }
  status add_split(source_split) override { return {}; }
  result<polled> poll(uint32_t) override {
    polled p;
    p.what = polled::state::batch;
    p.split_id = "all";
    p.rows = sim::to_batch({{0, 0, next++, 0}}, pool);
    return p;
  }
  std::vector<source_split> snapshot() const override {
    return {{"all", "", std::to_string(next), 0, 0}};
  }
  std::string position() const override { return std::to_string(next); }
};

/// Holds every row until it is told of a barrier; each counts as a thousand batches.
struct holder final : stream_operator {
  memory_pool& pool;
  std::vector<sim::row> held;
  bool approached = false;
  explicit holder(memory_pool& p) : pool(p) {}
  status process_batch(uint16_t, const batch_ptr& b, collector& out) override {
    if (approached) {
      out.emit(b);
    } else {
      held.push_back(sim::to_rows(*b)[0]);
    }
    return {};
  }
  size_t held_rows() const override { return held.size() * 1000 * batch_rows_target; }
  result<bool> approach_barrier(collector& out) override {
    approached = true;
    let_go(out);
    return !held.empty();
  }
  status before_barrier(collector& out) override {
    while (!held.empty()) let_go(out);
    approached = false;
    return {};
  }
  void let_go(collector& out) {
    out.emit(sim::to_batch({held.front()}, pool));
    held.erase(held.begin());
  }
};

struct source_fixture final : task_port {
  memory_pool pool;
  manual_clock clock;
  operator_metrics metrics[2];
  task_times times;
  std::string said;
  holder* op = nullptr;
  std::unique_ptr<stream_task> task;

  explicit source_fixture(credit window) {
    stream_task::parts p;
    auto o = std::make_unique<holder>(pool);
    op = o.get();
    operator_context c;
    c.memory = &pool;
    c.time = &clock;
    p.source_context = c;
    p.source_context.operator_id = "source";
    p.source_context.metrics = &metrics[0];
    p.reader = std::make_unique<endless>(pool);
    c.operator_id = "op";
    c.metrics = &metrics[1];
    p.operators.push_back({std::move(o), std::move(c)});
    output_edge_spec e;
    e.edge = 0;
    e.type = sim::row_schema();
    e.channels = {channel_id{0}};
    p.outputs = {e};
    p.edge_keys = {"out"};
    p.task_key = "source";
    stream_task_options options;
    options.window = window;
    task = std::make_unique<stream_task>(std::move(p), options, *this, pool, clock, times);
    task->open({}, false);
    task->add_splits({{"all", "", "", 0, 0}}, false, false);
  }
  void send(channel_message m) override {
    if (m.kind == message_kind::data)
      for (const auto& r : sim::to_rows(*m.rows)) said += std::to_string(r.number) + " ";
    if (m.kind == message_kind::barrier) said += "barrier ";
  }
  void grant(channel_id, credit) override {}
  void write_chunks(epoch, std::vector<state_chunk>) override {}
  void acknowledge(epoch, int64_t) override { said += "ack "; }
  void committed(epoch) override {}
  void need_splits() override {}
  void ended() override {}
  void failed(error e) override { said += "failed: " + e.message; }
  void wake_at(timestamp_us) override {}
  /// Until the operator holds n rows.
  void hold(size_t n) {
    while (op->held.size() < n) task->run(1);
    said.clear();
  }
  std::string run(int turns) {
    while (turns-- > 0) task->run(1);
    return std::exchange(said, {});
  }
};

}  // namespace

TEST_CASE("approach: held rows leave in parts, a batch goes on behind each, then the barrier") {
  source_fixture f({1'000'000, 100});
  f.hold(3);
  f.task->trigger(epoch{1}, {});
  CHECK(f.run(40) == "0 3 1 4 2 barrier ack ");
  CHECK(f.op->held.size() > 3);  // rows behind the barrier are held again
}

TEST_CASE("approach: new splits are not read before the barrier that they came behind") {
  source_fixture f({1'000'000, 100});
  f.hold(3);
  f.task->trigger(epoch{1}, {});
  f.task->add_splits({{"new", "", "", 0, 0}}, false, false);
  CHECK(f.run(40) == "0 1 2 barrier ack ");
}

TEST_CASE("approach: behind a full channel the barrier waits for a limit only") {
  source_fixture f({1'000'000, 2});
  f.hold(5);
  f.task->trigger(epoch{1}, {});
  CHECK(f.run(40) == "0 5 ");  // the window's two batches
  const size_t bytes = sim::to_batch({{0, 0, 0, 0}}, f.pool)->memory_bytes();
  f.task->receive_credit(channel_id{0}, {bytes, 1});
  CHECK(f.run(40) == "1 ");
  f.clock.set(1'000'000);
  CHECK(f.run(40) == "");
  CHECK(f.op->held.empty());  // the rest waits in the channel, and the barrier behind it
  f.task->receive_credit(channel_id{0}, {2 * bytes, 2});
  CHECK(f.run(1) == "6 2 ");
  f.task->receive_credit(channel_id{0}, {2 * bytes, 2});
  CHECK(f.run(1).substr(0, 12) == "3 4 barrier ");
}

TEST_CASE("approach: a barrier that is given up does not come; the next one does") {
  source_fixture f({1'000'000, 100});
  f.hold(3);
  f.task->trigger(epoch{1}, {});
  while (f.said.empty()) f.task->run(1);
  f.task->epoch_aborted(epoch{1});
  CHECK(f.run(10).find("barrier") == std::string::npos);
  f.task->trigger(epoch{2}, {});
  const std::string said = f.run(40);
  CHECK(said.find(" 2 barrier ack ") != std::string::npos);
  CHECK(said.find("1 ") < said.find(" 2 "));
}

}  // namespace weir
