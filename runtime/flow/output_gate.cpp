#include "runtime/flow/output_gate.hpp"

#include <algorithm>

namespace weir {

output_gate::output_gate(std::vector<output_edge_spec> specs, uint32_t subtask, uint32_t key_groups,
                         credit window, memory_pool& pool, send_fn send)
    : window_(window), send_(std::move(send)), subtask_(subtask) {
  for (auto& s : specs) {
    edge e;
    e.first_channel = channels_.size();
    for (auto id : s.channels) {
      channel c;
      c.id = id;
      c.edge = static_cast<uint32_t>(edges_.size());
      c.bytes = static_cast<int64_t>(window.bytes);
      c.batches = window.batches;
      channels_.push_back(std::move(c));
    }
    if (s.channels.size() > 1)
      e.split = std::make_unique<exchange_partitioner>(s.exchange, s.keys, s.type,
                                                       static_cast<uint32_t>(s.channels.size()),
                                                       subtask, key_groups, pool);
    e.spec = std::move(s);
    edges_.push_back(std::move(e));
  }
}

bool output_gate::owns(channel_id id) const noexcept {
  return std::any_of(channels_.begin(), channels_.end(),
                     [id](const channel& c) { return c.id == id; });
}

std::vector<output_edge_spec> output_gate::specs() const {
  std::vector<output_edge_spec> all;
  for (const auto& e : edges_) all.push_back(e.spec);
  return all;
}

status output_gate::emit(const batch_ptr& rows, uint16_t port) {
  for (auto& e : edges_)
    if (e.spec.from_port == port) WEIR_TRY(emit_to(e, rows));
  return {};
}

status output_gate::emit_edge(const batch_ptr& rows, uint32_t edge_index) {
  for (auto& e : edges_)
    if (e.spec.edge == edge_index) return emit_to(e, rows);
  return {errc::internal, "rows for an edge that does not leave this task"};
}

status output_gate::emit_to(edge& e, const batch_ptr& rows) {
  if (rows->rows == 0) return {};
  if (!e.split) {
    if (!e.spec.channels.empty()) push(e.first_channel, rows);
    return {};
  }
  return e.split->add(rows, [this, &e](uint32_t target, batch_ptr part) {
    push(e.first_channel + target, std::move(part));
  });
}

status output_gate::flush() {
  for (auto& e : edges_)
    if (e.split)
      WEIR_TRY(e.split->flush([this, &e](uint32_t target, batch_ptr part) {
        push(e.first_channel + target, std::move(part));
      }));
  return {};
}

bool output_gate::holds_rows() const {
  return std::any_of(edges_.begin(), edges_.end(),
                     [](const edge& e) { return e.split && e.split->holds_rows(); });
}

bool output_gate::may_send(const channel& c, const channel_message& m) const {
  if (m.kind != message_kind::data) return true;
  if (c.batches <= 0) return false;
  auto need = static_cast<int64_t>(std::min<uint64_t>(m.bytes, window_.bytes));
  return c.bytes >= need;  // a batch larger than the window goes when the window is whole
}

void output_gate::send(channel& c, channel_message m) {
  m.sequence = c.next_sequence++;
  if (m.kind == message_kind::data) {
    c.bytes -= static_cast<int64_t>(m.bytes);
    c.batches -= 1;
    rows_sent_ += m.rows->rows;
  }
  send_(std::move(m));
}

void output_gate::push(size_t i, batch_ptr rows) {
  channel& c = channels_[i];
  channel_message m;
  m.channel = c.id;
  m.bytes = rows->memory_bytes();
  m.rows = std::move(rows);
  if (c.waiting.empty() && may_send(c, m)) {
    send(c, std::move(m));
  } else {
    ++waiting_;
    c.waiting.push_back(std::move(m));
  }
}

void output_gate::push_control(message_kind kind, int64_t value, epoch completed) {
  for (auto& c : channels_) {
    channel_message m;
    m.channel = c.id;
    m.kind = kind;
    m.value = value;
    m.completed = completed;
    if (c.waiting.empty()) {
      send(c, std::move(m));
      continue;
    }
    if (kind == message_kind::barrier) {
      // A barrier that still waits is of an epoch that was given up.
      barriers_waiting_ -= drop_barriers(c);
      ++barriers_waiting_;
    }
    c.waiting.push_back(std::move(m));
  }
}

size_t output_gate::drop_barriers(channel& c) {
  return std::erase_if(c.waiting, [](const auto& m) { return m.kind == message_kind::barrier; });
}

std::vector<in_flight> output_gate::overtake_waiting() {
  std::vector<in_flight> overtaken;
  for (auto& c : channels_) {
    auto at = std::find_if(c.waiting.begin(), c.waiting.end(),
                           [](const auto& m) { return m.kind == message_kind::barrier; });
    if (at == c.waiting.end()) continue;
    for (auto it = c.waiting.begin(); it != at; ++it)
      if (it->kind == message_kind::data)
        overtaken.push_back({edges_[c.edge].spec.edge, it->rows, subtask_});
    channel_message m = std::move(*at);
    c.waiting.erase(at);
    m.unaligned = true;
    send(c, std::move(m));
  }
  barriers_waiting_ = 0;
  return overtaken;
}

void output_gate::watermark(timestamp_us t) {
  push_control(message_kind::watermark, t);
}
void output_gate::idle() {
  push_control(message_kind::idle, 0);
}
void output_gate::restored() {
  push_control(message_kind::restored, 0);
}
bool output_gate::restored_waits() const {
  return std::any_of(channels_.begin(), channels_.end(), [](const channel& c) {
    return std::any_of(c.waiting.begin(), c.waiting.end(),
                       [](const auto& m) { return m.kind == message_kind::restored; });
  });
}
void output_gate::barrier(epoch e, epoch completed) {
  push_control(message_kind::barrier, static_cast<int64_t>(e.value), completed);
}

std::vector<in_flight> output_gate::overtake(epoch e, epoch completed) {
  std::vector<in_flight> overtaken;
  for (auto& c : channels_) {
    drop_barriers(c);
    for (const auto& m : c.waiting)
      if (m.kind == message_kind::data)
        overtaken.push_back({edges_[c.edge].spec.edge, m.rows, subtask_});
    channel_message m;
    m.channel = c.id;
    m.kind = message_kind::barrier;
    m.value = static_cast<int64_t>(e.value);
    m.completed = completed;
    m.unaligned = true;
    send(c, std::move(m));
  }
  barriers_waiting_ = 0;
  return overtaken;
}

void output_gate::grant(channel_id id, credit more) {
  auto it = std::find_if(channels_.begin(), channels_.end(),
                         [id](const channel& c) { return c.id == id; });
  weir_assert(it != channels_.end(), "credit for a channel of another task");
  it->bytes += static_cast<int64_t>(more.bytes);
  it->batches += more.batches;
  weir_assert(it->bytes <= static_cast<int64_t>(window_.bytes) && it->batches <= window_.batches,
              "more credit came back than was used");
  while (!it->waiting.empty() && may_send(*it, it->waiting.front())) {
    channel_message m = std::move(it->waiting.front());
    it->waiting.pop_front();
    if (m.kind == message_kind::data) --waiting_;
    if (m.kind == message_kind::barrier) --barriers_waiting_;
    send(*it, std::move(m));
  }
}

}  // namespace weir
