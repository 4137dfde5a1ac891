// The receiving end: order, credit, merged watermarks, alignment and overtaking.
#include "runtime/flow/input_gate.hpp"

#include <doctest/doctest.h>
#include <map>

#include "tests/flow/sim_rows.hpp"

namespace weir {
namespace {

using kind = input_gate::item_kind;

struct gate_fixture {
  memory_pool pool;
  std::vector<std::pair<uint32_t, credit>> granted;
  input_gate gate;
  std::map<uint32_t, uint64_t> sequence;

  explicit gate_fixture(uint32_t channels, bool align = true, credit window = {1000, 8})
      : gate(specs(channels), {align, window},
             [this](channel_id id, credit n) { granted.emplace_back(id.value, n); }) {}
  static std::vector<input_channel_spec> specs(uint32_t n) {
    std::vector<input_channel_spec> all;
    for (uint32_t i = 0; i < n; ++i) all.push_back({channel_id{10 + i}, 3, 0, i});
    return all;
  }
  channel_message make(uint32_t channel, message_kind k, int64_t value = 0) {
    channel_message m;
    m.channel = channel_id{10 + channel};
    m.sequence = sequence[channel]++;
    m.kind = k;
    m.value = value;
    return m;
  }
  void data(uint32_t channel, int64_t number, uint64_t bytes = 100) {
    auto m = make(channel, message_kind::data);
    m.rows = sim::to_batch({{0, 0, number, 0}}, pool);
    m.bytes = bytes;
    gate.enqueue(std::move(m));
  }
  void barrier(uint32_t channel, int64_t e, bool unaligned = false) {
    auto m = make(channel, message_kind::barrier, e);
    m.unaligned = unaligned;
    m.completed = epoch{static_cast<uint64_t>(e) - 1};
    gate.enqueue(std::move(m));
  }
  void watermark(uint32_t channel, int64_t t) {
    gate.enqueue(make(channel, message_kind::watermark, t));
  }
  void idle(uint32_t channel) { gate.enqueue(make(channel, message_kind::idle)); }
  /// "d7 w5 b1 i": everything that can be taken now.
  std::string take() {
    std::string text;
    for (;;) {
      auto item = gate.next();
      if (item.kind == kind::none) return text;
      if (!text.empty()) text += ' ';
      if (item.kind == kind::data)
        text += "d" + std::to_string(sim::to_rows(*item.rows)[0].number);
      else if (item.kind == kind::watermark)
        text += item.watermark == watermark_end ? "end" : "w" + std::to_string(item.watermark);
      else if (item.kind == kind::barrier)
        text += "b" + std::to_string(item.number.value);
      else
        text += "i";
    }
  }
  std::string recorded() {
    std::string text;
    for (const auto& r : gate.take_recorded())
      text += std::to_string(sim::to_rows(*r.rows)[0].number) + "@" +
              std::to_string(r.from_subtask) + " ";
    return text;
  }
};

}  // namespace

TEST_CASE("input gate: a channel ahead of the barrier waits for the others") {
  gate_fixture f(2);
  f.barrier(0, 1);
  f.data(0, 100);
  f.data(1, 200);
  CHECK(f.take() == "d200");
  CHECK_FALSE(f.gate.ready());
  CHECK(f.gate.seen() == epoch{1});
  CHECK(f.gate.completed() == epoch{0});
  f.barrier(1, 1);
  CHECK(f.gate.ready());
  CHECK(f.take() == "b1 d100");
  CHECK(f.gate.completed() == epoch{1});
}

TEST_CASE("input gate: at-least-once counts barriers without holding channels") {
  gate_fixture f(2, false);
  f.barrier(0, 1);
  f.data(0, 100);
  CHECK(f.take() == "d100");
  f.barrier(1, 1);
  CHECK(f.take() == "b1");
}

TEST_CASE("input gate: what a restored epoch had in flight is taken before anything newer") {
  gate_fixture f(3);
  f.gate.await_restored();
  auto restored = [&f](uint32_t c) { f.gate.enqueue(f.make(c, message_kind::restored)); };
  f.data(0, 1);
  restored(0);
  f.data(0, 2);  // newer than what the others may still bring
  f.barrier(0, 5);
  restored(1);
  f.data(2, 3);
  CHECK(f.take() == "d1 d3");
  CHECK(f.gate.awaits_restored());
  CHECK(!f.gate.ready());
  f.data(2, 4);
  CHECK(f.take() == "d4");
  restored(2);
  CHECK(f.take() == "d2");
  CHECK(!f.gate.awaits_restored());
  f.barrier(1, 5);
  f.barrier(2, 5);
  CHECK(f.take() == "b5");
}

TEST_CASE("input gate: an overtaking barrier records what was in flight, per sender") {
  gate_fixture f(3);
  f.data(0, 1);
  f.barrier(0, 1, true);
  f.data(0, 2);  // behind the barrier: not part of the snapshot
  f.data(1, 3);
  f.barrier(2, 1);
  REQUIRE(f.gate.must_overtake() == epoch{1});
  f.gate.overtake(epoch{1});
  CHECK_FALSE(f.gate.must_overtake());
  CHECK_FALSE(f.gate.recording_complete());
  f.data(1, 4);
  f.barrier(1, 1);
  f.data(1, 5);
  CHECK(f.gate.recording_complete());
  CHECK(f.recorded() == "1@0 3@1 4@1 ");
  CHECK(f.take() == "d1 d3 d2 d4 d5");  // nothing is lost for the running job either
}

TEST_CASE("input gate: rows that are given back come first, in front of the barrier") {
  gate_fixture f(2);
  f.data(0, 1);
  f.barrier(0, 1);
  f.data(1, 5);
  auto item = f.gate.next();
  CHECK(sim::to_rows(*item.rows)[0].number == 1);
  f.gate.give_back(item, sim::to_batch({{0, 0, 2, 0}}, f.pool));
  CHECK(f.take() == "d5 d2");  // and the barrier, which waits for the other channel's
  f.data(1, 6);
  f.barrier(1, 1);
  CHECK(f.take() == "d6 b1");
  // Its batch earns credit once.
  credit all;
  for (const auto& [channel, n] : f.granted)
    if (channel == 10) all.bytes += n.bytes, all.batches += n.batches;
  CHECK(all.bytes == 100);
  CHECK(all.batches == 1);
  // Overtaken, it is what was in flight.
  f.data(0, 7);
  item = f.gate.next();
  f.gate.give_back(item, sim::to_batch({{0, 0, 8, 0}}, f.pool));
  f.data(0, 9);
  f.barrier(0, 2);
  f.barrier(1, 2);
  f.gate.overtake(epoch{2});
  const auto recorded = f.gate.take_recorded();
  REQUIRE(recorded.size() == 2);
  CHECK(sim::to_rows(*recorded[0].rows)[0].number == 8);
  CHECK(f.take() == "d8 d9");
}

TEST_CASE("input gate: what was held when the epoch turned unaligned was processed, not recorded") {
  gate_fixture f(2);
  f.data(0, 1);
  f.barrier(0, 1);
  f.data(0, 2);
  CHECK(f.take() == "d1");
  f.data(1, 3);
  f.gate.overtake(epoch{1});
  f.barrier(1, 1);
  CHECK(f.recorded() == "3@1 ");
  CHECK(f.take() == "d2 d3");
}

TEST_CASE("input gate: an aborted epoch releases its channels and its barriers are ignored") {
  gate_fixture f(2);
  f.barrier(0, 1);
  f.data(0, 1);
  CHECK(f.take() == "");
  f.gate.abort(epoch{1});
  CHECK(f.take() == "d1");
  f.barrier(1, 1);
  CHECK(f.take() == "");
  f.barrier(0, 2);
  f.barrier(1, 2);
  CHECK(f.take() == "b2");
}

TEST_CASE("input gate: a newer barrier replaces an epoch that was given up") {
  gate_fixture f(2);
  f.barrier(0, 1, true);
  f.barrier(1, 2);
  // Regression: the older barrier would have overtaken data for an epoch that cannot complete.
  CHECK_FALSE(f.gate.must_overtake());
  f.barrier(0, 2);
  CHECK(f.take() == "b2");
}

TEST_CASE("input gate: the watermark is the minimum of channels that are not idle") {
  gate_fixture f(2);
  f.watermark(0, 10);
  CHECK(f.take() == "");
  f.watermark(1, 5);
  CHECK(f.take() == "w5");
  f.idle(1);
  CHECK(f.take() == "w10");
  f.watermark(1, 7);  // back, and behind: the merged one does not go back
  CHECK(f.take() == "");
  CHECK(f.gate.watermark() == 10);
  f.idle(0);
  f.idle(1);
  CHECK(f.take() == "i");
  f.data(1, 1);
  f.idle(1);
  CHECK(f.take() == "d1 i");
  f.watermark(0, watermark_end);
  CHECK(f.take() == "");
  f.watermark(1, watermark_end);
  CHECK(f.take() == "end");
  CHECK(f.gate.ended());
}

TEST_CASE("input gate: a restored watermark is a floor") {
  gate_fixture f(1);
  f.gate.raise_floor(50);
  f.watermark(0, 20);
  CHECK(f.take() == "");
  f.watermark(0, 60);
  CHECK(f.take() == "w60");
}

TEST_CASE(
    "input gate: regression: credit comes back although a watermark is queued behind the data") {
  gate_fixture f(1, true, {1000, 8});
  f.data(0, 1, 200);
  f.watermark(0, 5);
  CHECK(f.take() == "d1 w5");
  // Less than a quarter of the window; a sender whose next batch needs all of it would wait
  // forever.
  uint64_t bytes = 0;
  for (const auto& [id, n] : f.granted) bytes += n.bytes;
  CHECK(bytes == 200);
}

TEST_CASE("input gate: a held channel earns no credit") {
  gate_fixture f(2);
  f.barrier(0, 1);
  f.data(0, 1);
  f.data(0, 2);
  CHECK(f.take() == "");
  CHECK(f.granted.empty());
}

}  // namespace weir
