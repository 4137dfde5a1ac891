// One task between stub channels: what it says, in which order, and when it waits.
#include <doctest/doctest.h>

#include "runtime/flow/linger.hpp"
#include "runtime/flow/stream_task.hpp"
#include "tests/flow/sim_rows.hpp"

namespace weir {
namespace {

/// Hands on what it gets; the rest is set by the test.
struct scripted final : stream_operator {
  int drains_left = 0;  // more batches that drain() emits after each input
  batch_ptr last;
  int continues_left = 0;  // calls of snapshot_continue() until it is done
  std::vector<std::string>* calls = nullptr;
  std::function<void(const batch&)> seen;
  operator_context context;
  status open(const operator_context& c) override {
    context = c;
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& b, collector& out) override {
    if (calls) calls->push_back("in");
    if (seen) seen(*b);
    last = b;
    out.emit(b);
    left_ = drains_left;
    return {};
  }
  result<bool> drain(collector& out) override {
    if (left_ == 0) return false;
    if (calls) calls->push_back("drain");
    --left_;
    out.emit(last);
    return left_ != 0;
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t) override {
    w.put("s", no_key_group, chunk_kind::blob, buffer::copy(w.memory(), {}));
    return --continues_left <= 0;
  }

 private:
  int left_ = 0;
};

/// A task with two input channels (0, 1) and one output channel (2).
struct task_fixture final : task_port {
  memory_pool pool;
  manual_clock clock;
  operator_metrics metrics[2];
  task_times times;
  std::string said;
  std::vector<state_chunk> chunks;
  bool room = true;  // for chunks
  timestamp_us woken = watermark_end;
  scripted* op = nullptr;
  std::unique_ptr<stream_task> task;
  uint64_t sequence[2] = {0, 0};
  size_t batch_bytes = 0;

  /// With `targets` there are as many output channels instead (2, 3 ...), by the hash of a key.
  explicit task_fixture(credit window = {100'000, 8}, std::vector<state_chunk> restored = {},
                        uint32_t targets = 0) {
    stream_task::parts p;
    auto o = std::make_unique<scripted>();
    op = o.get();
    operator_context c;
    c.operator_id = "op";
    c.metrics = &metrics[0];
    c.memory = &pool;
    c.time = &clock;
    p.operators.push_back({std::move(o), std::move(c)});
    p.inputs = {{channel_id{0}, 0, 0, 0}, {channel_id{1}, 0, 0, 1}};
    output_edge_spec e;
    e.edge = 1;
    e.type = sim::row_schema();
    e.channels = {channel_id{2}};
    if (targets != 0) {
      e.exchange = exchange_kind::hash;
      e.keys = {0};
      for (uint32_t i = 1; i < targets; ++i) e.channels.push_back(channel_id{2 + i});
    }
    p.outputs = {e};
    p.edge_keys = {"in", "out"};
    p.task_key = "op";
    stream_task_options options;
    options.window = window;
    options.alignment_limit_us = 1000;
    options.remote_targets = targets;
    task = std::make_unique<stream_task>(std::move(p), options, *this, pool, clock, times);
    task->open(std::move(restored), false);
    batch_bytes = sim::to_batch({{0, 0, 0, 0}}, pool)->memory_bytes();
  }
  void send(channel_message m) override {
    if (m.kind == message_kind::data)
      said += "d" + std::to_string(sim::to_rows(*m.rows)[0].number);
    else if (m.kind == message_kind::idle)
      said += "i";
    else
      said += (m.kind == message_kind::watermark ? "w"
               : m.unaligned                     ? "u"
                                                 : "b") +
              (m.value == watermark_end ? "end" : std::to_string(m.value));
    said += ' ';
  }
  void grant(channel_id, credit) override {}
  void write_chunks(epoch, std::vector<state_chunk> c) override {
    std::move(c.begin(), c.end(), std::back_inserter(chunks));
  }
  bool takes_chunks(epoch) const override { return room; }
  void acknowledge(epoch e, int64_t) override { said += "ack" + std::to_string(e.value) + " "; }
  void committed(epoch e) override { said += "committed" + std::to_string(e.value) + " "; }
  void need_splits() override {}
  void ended() override { said += "ended "; }
  void failed(error e) override { said += "failed: " + e.message; }
  void wake_at(timestamp_us t) override { woken = std::min(woken, t); }

  void tell(uint32_t channel, message_kind k, int64_t value) {
    channel_message m;
    m.channel = channel_id{channel};
    m.sequence = sequence[channel]++;
    m.kind = k;
    m.value = value;
    if (k == message_kind::data) {
      m.rows = sim::to_batch({{0, 0, value, 0}}, pool);
      m.bytes = m.rows->memory_bytes();
    }
    task->receive(std::move(m));
  }
  std::string run() {
    while (task->run(4) == stream_task::next::again) {
    }
    return std::exchange(said, {});
  }
};

}  // namespace

TEST_CASE("task: rows, watermarks and barriers pass in order; the end is told once") {
  task_fixture f;
  f.tell(0, message_kind::data, 1);
  f.tell(0, message_kind::watermark, 5);
  f.tell(1, message_kind::watermark, 7);
  CHECK(f.run() == "d1 w5 ");
  f.tell(0, message_kind::barrier, 1);
  CHECK(f.run() == "");
  f.tell(1, message_kind::barrier, 1);
  CHECK(f.run() == "b1 ack1 ");
  f.task->epoch_complete(epoch{1});
  CHECK(f.run() == "committed1 ");
  f.tell(0, message_kind::watermark, watermark_end);
  f.tell(1, message_kind::watermark, watermark_end);
  CHECK(f.run() == "wend ended ");
}

TEST_CASE(
    "task: alignment over its limit turns unaligned; recorded rows come back after a restore") {
  task_fixture f;  // outlives its chunks, whose memory is its pool's
  f.tell(0, message_kind::barrier, 1);
  CHECK(f.run() == "");
  CHECK(f.woken == 1000);
  f.clock.set(1000);
  CHECK(f.run() == "u1 ");
  f.tell(1, message_kind::data, 7);
  CHECK(f.run() == "d7 ");
  f.tell(1, message_kind::barrier, 1);
  CHECK(f.run() == "ack1 ");
  std::vector<state_chunk> chunks = f.chunks;
  // They belong to the sender: subtask 1 of edge "in".
  task_restore r(chunks);
  output_edge_spec in;
  in.edge = 0;
  in.type = sim::row_schema();
  in.senders = 2;
  memory_pool pool;
  CHECK(r.in_flight_rows({in}, {"in", "out"}, 0, pool)->empty());
  auto rows = r.in_flight_rows({in}, {"in", "out"}, 1, pool);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  CHECK(sim::to_rows(*(*rows)[0].rows)[0].number == 7);
}

TEST_CASE("task: a batch whose rows take long is taken in parts, between which barriers overtake") {
  task_fixture f({100'000'000, 1000});
  std::vector<uint32_t> parts;
  f.op->seen = [&](const batch& b) {  // a millisecond a row
    parts.push_back(b.rows);
    f.clock.set(f.clock.now() + int64_t{1000} * b.rows);
  };
  int64_t number = 0;
  const auto send = [&](uint32_t channel, uint32_t rows) {
    std::vector<sim::row> all;
    while (all.size() < rows) all.push_back({0, 0, number++, 0});
    channel_message m;
    m.channel = channel_id{channel};
    m.sequence = f.sequence[channel]++;
    m.rows = sim::to_batch(all, f.pool);
    m.bytes = m.rows->memory_bytes();
    f.task->receive(std::move(m));
  };
  send(0, 200);
  CHECK(f.run() == "d0 ");
  send(0, 120);  // numbers 200 to 319
  f.tell(0, message_kind::barrier, 1);
  // Its limit of a millisecond is over when the first part is done: the others are in flight.
  std::string said = f.run();
  CHECK(parts == std::vector<uint32_t>{200, 50, 50, 20});
  CHECK(said.starts_with("d200 u1 "));
  f.tell(1, message_kind::barrier, 1);
  CHECK(f.run() == "ack1 ");
  std::vector<state_chunk> chunks = f.chunks;
  task_restore r(chunks);
  output_edge_spec in;
  in.edge = 0;
  in.type = sim::row_schema();
  in.senders = 2;
  memory_pool pool;
  auto rows = r.in_flight_rows({in}, {"in", "out"}, 0, pool);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  const auto kept = sim::to_rows(*(*rows)[0].rows);
  CHECK(kept.size() == 70);
  CHECK(kept[0].number == 250);
  CHECK(kept.back().number == 319);

  // Fast again: whole batches again.
  f.op->seen = [&](const batch& b) { parts.push_back(b.rows); };
  parts.clear();
  for (int i = 0; i < 9; ++i) {
    send(0, 8192);
    f.run();
  }
  CHECK(parts.back() == 8192);
}

TEST_CASE("task: regression: restored rows leave before the restored watermark") {
  task_fixture f({100'000, 1});
  f.tell(0, message_kind::data, 1);
  f.tell(0, message_kind::data, 2);
  f.run();
  f.tell(0, message_kind::watermark, 50);
  f.tell(1, message_kind::watermark, 50);
  f.task->receive_credit(channel_id{2}, {f.batch_bytes, 1});
  CHECK(f.run() == "d2 w50 ");
  f.tell(0, message_kind::data, 3);
  f.run();
  f.tell(0, message_kind::barrier, 1);
  f.tell(1, message_kind::barrier, 1);
  f.clock.set(1000);
  f.run();
  f.clock.set(2000);
  f.run();
  std::vector<state_chunk> chunks = f.chunks;
  REQUIRE_FALSE(chunks.empty());
  task_fixture again({100'000, 8}, chunks);
  CHECK(again.run() == "d3 w50 ");
}

TEST_CASE("task: regression: a snapshot goes on while a pass waits for credit") {
  task_fixture f({100'000, 1});
  f.op->continues_left = 3;
  f.op->drains_left = 4;
  f.tell(0, message_kind::barrier, 1);
  f.tell(1, message_kind::barrier, 1);
  f.tell(0, message_kind::data, 1);
  auto said = f.run();
  CHECK(said.find("ack1") != std::string::npos);
}

TEST_CASE("task: a barrier passes in one slice, however short; an abort may follow at once") {
  task_fixture f;
  f.tell(0, message_kind::barrier, 1);
  CHECK(f.run() == "");
  f.clock.set(1000);
  CHECK(f.task->run(1) == stream_task::next::again);
  CHECK(std::exchange(f.said, {}) == "u1 ");
  f.task->epoch_aborted(epoch{1});
  CHECK(f.run() == "");
  f.tell(0, message_kind::barrier, 2);
  f.tell(1, message_kind::barrier, 2);
  CHECK(f.run() == "b2 ack2 ");
}

TEST_CASE("task: regression: what was gathered leaves before the word that all inputs are idle") {
  task_fixture f;
  f.tell(0, message_kind::data, 1);
  f.tell(0, message_kind::idle, 0);
  f.tell(1, message_kind::idle, 0);
  CHECK(f.run() == "d1 i ");
}

TEST_CASE(
    "task: regression: the restored epoch's commits are reported when the job only publishes") {
  task_fixture f;
  f.task->epoch_complete(epoch{9});
  CHECK(f.run() == "committed9 ");
}

TEST_CASE("task: regression: a processing timer survives an earlier wake-up") {
  task_fixture f;
  f.op->context.set_processing_timer(500);
  CHECK(f.woken == 500);
  f.woken = watermark_end;  // a port that keeps only its earliest timer has dropped it
  CHECK(f.run() == "");
  CHECK(f.woken == 500);
}

TEST_CASE(
    "task: towards many targets rows wait for company, and no longer than until the next flush") {
  CHECK(hold_us(0) == 0);
  CHECK(hold_us(16) == 0);
  CHECK(hold_us(17) == 850);
  CHECK(hold_us(1'000) == 50'000);
  CHECK(linger_us(5'000, 3) == 5'000);
  CHECK(linger_us(5'000, 100) == 5'000);
  CHECK(linger_us(5'000, 1'000) == 50'000);

  task_fixture few({100'000, 8}, {}, 16);
  few.tell(0, message_kind::data, 1);
  CHECK(few.run() == "d1 ");
  few.tell(0, message_kind::data, 2);
  CHECK(few.run() == "d2 ");

  task_fixture f({100'000, 8}, {}, 40);
  f.tell(0, message_kind::data, 1);
  CHECK(f.run() == "d1 ");  // long after the last flush
  f.tell(0, message_kind::data, 2);
  CHECK(f.run() == "");
  CHECK(f.woken == 2'000);
  f.clock.set(1'999);
  f.tell(0, message_kind::data, 3);
  CHECK(f.run() == "");
  f.clock.set(2'000);
  CHECK(f.run() == "d2 ");  // and the third row, in one batch
  f.clock.set(2'500);
  f.tell(1, message_kind::data, 4);
  CHECK(f.run() == "");
  // A barrier does not wait, and what was gathered goes in front of it.
  f.tell(0, message_kind::barrier, 1);
  f.tell(1, message_kind::barrier, 1);
  std::string all = "d4 ";
  for (int i = 0; i < 40; ++i) all += "b1 ";
  CHECK(f.run() == all + "ack1 ");
  // Time that goes back holds nothing up.
  f.clock.set(100);
  f.tell(0, message_kind::data, 5);
  CHECK(f.run() == "d5 ");
}

TEST_CASE("task: a snapshot waits for the store, rows do not") {
  task_fixture f;
  f.room = false;
  f.tell(0, message_kind::barrier, 1);
  f.tell(1, message_kind::barrier, 1);
  CHECK(f.run() == "b1 ");
  f.tell(0, message_kind::data, 1);
  CHECK(f.run() == "d1 ");
  f.room = true;
  CHECK(f.run() == "ack1 ");
}

TEST_CASE("task: back-pressure stops input until credit comes") {
  task_fixture f({100'000, 1});
  for (int i = 1; i <= 4; ++i) f.tell(0, message_kind::data, i);
  CHECK(f.run() == "d1 ");
  CHECK(f.task->backpressured());
  f.task->receive_credit(channel_id{2}, {f.batch_bytes, 1});
  CHECK(f.run() == "d2 ");
}

TEST_CASE("chain: regression: an operator gets no input while it still has output") {
  memory_pool pool;
  manual_clock clock;
  operator_metrics metrics[2];
  std::vector<std::string> calls;
  std::vector<chain_runner::member> members;
  for (int i = 0; i < 2; ++i) {
    auto o = std::make_unique<scripted>();
    o->drains_left = 2;
    if (i == 1) o->calls = &calls;
    operator_context c;
    c.operator_id = "op" + std::to_string(i);
    c.metrics = &metrics[i];
    members.push_back({std::move(o), std::move(c)});
  }
  int out = 0;
  chain_runner chain(std::move(members), clock, [&out](const batch_ptr&, uint16_t) {
    ++out;
    return status();
  });
  REQUIRE(chain.open().ok());
  REQUIRE(chain.begin_batch(0, sim::to_batch({{0, 0, 1, 0}}, pool)).ok());
  for (;;) {
    auto more = chain.step();
    REQUIRE(more.ok());
    if (!*more) break;
  }
  CHECK(out == 9);
  std::vector<std::string> in_turn;
  for (int i = 0; i < 3; ++i) in_turn.insert(in_turn.end(), {"in", "drain", "drain"});
  CHECK(calls == in_turn);
  CHECK(metrics[1].rows_out == 9);
}

}  // namespace weir
