// The sending end: credit, order of control messages, overtaking.
#include "runtime/flow/output_gate.hpp"

#include <doctest/doctest.h>

#include "tests/flow/sim_rows.hpp"

namespace weir {
namespace {

struct out_fixture {
  memory_pool pool;
  std::vector<channel_message> sent;
  output_gate gate;

  explicit out_fixture(credit window, exchange_kind x = exchange_kind::forward,
                       uint32_t targets = 1)
      : gate({spec(x, targets)}, 2, 8, window, pool,
             [this](channel_message m) { sent.push_back(std::move(m)); }) {}
  static output_edge_spec spec(exchange_kind x, uint32_t targets) {
    output_edge_spec s;
    s.edge = 4;
    s.exchange = x;
    s.type = sim::row_schema();
    for (uint32_t i = 0; i < targets; ++i) s.channels.push_back(channel_id{i});
    s.senders = 3;
    return s;
  }
  void emit(int64_t number) {
    REQUIRE(gate.emit(sim::to_batch({{0, 0, number, 0}}, pool), 0).ok());
  }
  std::string text() {
    std::string t;
    for (const auto& m : std::exchange(sent, {})) {
      if (m.kind == message_kind::data)
        t += "d" + std::to_string(sim::to_rows(*m.rows)[0].number);
      else
        t += m.kind == message_kind::barrier ? (m.unaligned ? "u" : "b") : "w";
      if (m.kind != message_kind::data) t += std::to_string(m.value);
      t += ' ';
    }
    return t;
  }
};

}  // namespace

TEST_CASE("output gate: data goes only under credit, control keeps its place behind it") {
  out_fixture f({100'000, 2});
  f.emit(1);
  f.emit(2);
  f.emit(3);
  f.gate.watermark(9);
  CHECK(f.text() == "d1 d2 ");
  CHECK(f.gate.blocked());
  CHECK(f.gate.waiting() == 1);
  f.gate.grant(channel_id{0}, {sim::to_batch({{0, 0, 1, 0}}, f.pool)->memory_bytes(), 1});
  CHECK(f.text() == "d3 w9 ");
  CHECK_FALSE(f.gate.blocked());
}

TEST_CASE("output gate: a batch over the window goes when the window is whole") {
  out_fixture f({10, 4});
  f.emit(1);
  f.emit(2);
  CHECK(f.text() == "d1 ");
  uint64_t bytes = sim::to_batch({{0, 0, 1, 0}}, f.pool)->memory_bytes();
  f.gate.grant(channel_id{0}, {bytes, 1});
  CHECK(f.text() == "d2 ");
}

TEST_CASE("output gate: a barrier overtakes what waits and names it with its sender") {
  out_fixture f({100'000, 1});
  f.emit(1);
  f.emit(2);
  auto overtaken = f.gate.overtake(epoch{7}, epoch{6});
  CHECK(f.text() == "d1 u7 ");
  REQUIRE(overtaken.size() == 1);
  CHECK(overtaken[0].edge == 4);
  CHECK(overtaken[0].from_subtask == 2);
  CHECK(sim::to_rows(*overtaken[0].rows)[0].number == 2);
}

TEST_CASE(
    "output gate: a barrier that waited too long overtakes; a newer one replaces a waiting one") {
  out_fixture f({100'000, 1});
  f.emit(1);
  f.emit(2);
  f.gate.barrier(epoch{1}, epoch{0});
  CHECK(f.gate.barrier_waits());
  f.gate.barrier(epoch{2}, epoch{0});
  auto overtaken = f.gate.overtake_waiting();
  CHECK(overtaken.size() == 1);
  CHECK_FALSE(f.gate.barrier_waits());
  CHECK(f.text() == "d1 u2 ");
}

TEST_CASE("output gate: one channel's wait holds back no other channel's barrier") {
  out_fixture f({100'000, 1}, exchange_kind::broadcast, 2);
  f.emit(1);
  f.gate.grant(channel_id{1}, {0, 1});
  f.emit(2);
  REQUIRE(f.gate.flush().ok());
  f.gate.barrier(epoch{1}, epoch{0});
  CHECK(f.text() == "d1 d1 d2 b1 ");
  CHECK(f.gate.barrier_waits());
}

}  // namespace weir
