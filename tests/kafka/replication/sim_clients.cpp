// Producers: batches with sequences, repeated until they are answered; transactions of some batches
// and a marker.
#include "sim.hpp"

namespace weir::kafka::sim {

namespace {

constexpr int64_t one_ms = 1000;
constexpr size_t in_flight_max = 3;
constexpr int32_t client_node = -2;  // on the network; its links are never cut
constexpr int64_t patience_us = 500 * one_ms;

std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span(s));
}

}  // namespace

void cluster::step(client& c) {
  after(static_cast<int64_t>(1 + roll(12)) * one_ms, [this, &c] { step(c); });
  if (c.marking) return;
  if (c.transactional && c.in_transaction > 0 && c.open.empty() && (quiet_ || roll(3) == 0)) {
    c.ending = roll(3) > 0;
    c.marking = true;
    return send_marker(c);
  }
  if (quiet_ || c.open.size() >= in_flight_max) return;
  client::sent s;
  s.sequence = c.next_sequence;
  s.records = static_cast<int>(1 + roll(3));
  s.value = std::to_string(c.pid) + ":" + std::to_string(c.made++);
  c.next_sequence += s.records;
  if (c.transactional) ++c.in_transaction;
  c.open.push_back(std::move(s));
  send_open(c);
}

/// All that is not answered, in order, as one connection carries them: a later batch never comes
/// without those before it.
void cluster::send_open(client& c) {
  const auto attempt = ++c.attempt;
  const auto to = c.believes;
  auto batches = std::make_shared<std::vector<std::pair<int32_t, std::vector<std::byte>>>>();
  for (const auto& s : c.open) {
    if (s.answered) continue;
    record_batch_options o;
    o.transactional = c.transactional;
    if (c.acks == -1) {  // with less, what is lost at an election would leave a gap for ever
      o.producer_id = c.pid;
      o.producer_epoch = c.epoch;
      o.base_sequence = s.sequence;
    }
    record_batch_builder b(o);
    for (int i = 0; i < s.records; ++i) {
      // Of a length that fills segments.
      const auto value = i == 0 ? s.value : s.value + std::string(50 + roll(100), 'x');
      b.add(1'700'000'000'000 + s.sequence + i, std::nullopt, bytes_of(value));
    }
    auto batch = b.build();
    SIM_CHECK(batch.ok(), "a batch cannot be built");
    batches->emplace_back(s.sequence, std::move(*batch));
  }
  auto again = [this, &c, attempt] {
    if (c.attempt != attempt || c.open.empty()) return;
    c.believes = meta_.leader >= 0 && roll(2) == 0 ? meta_.leader
                                                   : static_cast<int32_t>(roll(nodes_.size()));
    const auto next = ++c.attempt;
    after(10 * one_ms, [this, &c, next] {
      if (c.attempt == next && !c.open.empty()) send_open(c);
    });
  };
  auto done = [this, &c, again, epoch = c.epoch](int32_t sequence, verdict v) {
    if (c.epoch != epoch) return;  // its sequences were others
    for (auto& open : c.open) {
      if (open.sequence != sequence || open.answered || v.error != error_code::none) continue;
      acknowledged(c, open, v);
      open.answered = true;
    }
    if (v.error == error_code::none) c.out_of_order = 0;
    if (v.error == error_code::out_of_order_sequence_number && !c.open.empty() &&
        c.open.front().sequence == sequence)
      ++c.out_of_order;
    while (!c.open.empty() && c.open.front().answered) c.open.pop_front();
    if (c.out_of_order > out_of_order_max && deletes_ && !c.transactional) begin_epoch(c);
    if (v.error != error_code::none) again();
  };
  send(client_node, to, [this, to, batches, acks = c.acks, done] {
    for (const auto& [sequence, bytes] : *batches)
      at(to).produce(bytes, acks, [this, to, done, n = sequence](verdict v) {
        send(to, client_node, [done, n, v] { done(n, v); });
      });
  });
  after(patience_us, again);
}

/// What was deleted before its answer came is not known any more to a leader that began since.
/// Kafka's clients then go on in a new epoch (KIP-360).
void cluster::begin_epoch(client& c) {
  ++c.epoch;
  c.out_of_order = c.next_sequence = 0;
  std::erase_if(c.open, [](const client::sent& s) { return s.answered; });
  for (auto& s : c.open) {
    s.sequence = c.next_sequence;
    c.next_sequence += s.records;
  }
}

void cluster::send_marker(client& c) {
  const auto attempt = ++c.attempt;
  const auto to = c.believes;
  auto done = [this, &c, attempt](verdict v) {
    if (!c.marking || c.attempt != attempt) return;
    if (v.error == error_code::none) {
      c.marking = false;
      c.in_transaction = 0;
      return;
    }
    c.believes = meta_.leader >= 0 ? meta_.leader : static_cast<int32_t>(roll(nodes_.size()));
    ++c.attempt;
    after(10 * one_ms, [this, &c] { send_marker(c); });
  };
  send(client_node, to, [this, to, pid = c.pid, commit = *c.ending, done] {
    at(to).mark(pid, 0, commit,
                [this, to, done](verdict v) { send(to, client_node, [done, v] { done(v); }); });
  });
  after(patience_us, [done] { done({error_code::request_timed_out, -1}); });
}

}  // namespace weir::kafka::sim
