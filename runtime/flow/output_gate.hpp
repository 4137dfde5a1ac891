// The sending end of a task's channels: splits batches over the targets of each edge, charges
// credit, keeps what has to wait. Transport-free; owned by one task. Invariants: data is sent only
// under credit; control messages keep their place behind waiting data of their own channel, except
// a barrier that overtakes.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/flow/message.hpp"
#include "runtime/operators/exchange.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

struct output_edge_spec {
  uint32_t edge = 0;  // index in the plan
  uint16_t from_port = 0;
  exchange_kind exchange = exchange_kind::forward;
  std::vector<uint32_t> keys;
  schema_ptr type;
  std::vector<channel_id> channels;  // by subtask of the receiving chain; forward: one
  uint32_t senders = 1;              // parallelism of this side
};

class output_gate {
 public:
  using send_fn = std::function<void(channel_message)>;

  output_gate(std::vector<output_edge_spec>, uint32_t subtask, uint32_t key_groups, credit window,
              memory_pool&, send_fn);

  /// Rows for every edge that leaves `port`. Small ones wait for more until flush().
  status emit(const batch_ptr&, uint16_t port);
  /// Rows for one edge: what a restored snapshot had in flight.
  status emit_edge(const batch_ptr&, uint32_t edge);
  /// Sends what waits for company.
  status flush();
  /// Whether rows wait for company (the caller bounds how long).
  bool holds_rows() const;

  void watermark(timestamp_us);
  void idle();
  /// All that the restored epoch had in flight was emitted.
  void restored();
  /// Whether that word still waits behind data on some channel.
  bool restored_waits() const;
  void barrier(epoch, epoch completed);
  /// Whether the barrier of an epoch still waits behind data on some channel.
  bool barrier_waits() const noexcept { return barriers_waiting_ != 0; }
  /// Lets barriers that wait overtake the data in front of them; returns what they overtook.
  std::vector<in_flight> overtake_waiting();
  /// A barrier ahead of everything that waits for credit; returns what it overtook.
  std::vector<in_flight> overtake(epoch, epoch completed);

  void grant(channel_id, credit);
  /// Some channel has data without credit: the task should take no input.
  bool blocked() const noexcept { return waiting_ != 0; }
  /// Batches that wait for credit here.
  size_t waiting() const noexcept { return waiting_; }
  uint64_t rows_sent() const noexcept { return rows_sent_; }
  bool empty() const noexcept { return edges_.empty(); }
  bool owns(channel_id) const noexcept;
  std::vector<output_edge_spec> specs() const;

 private:
  struct channel {
    channel_id id;
    uint32_t edge = 0;
    uint64_t next_sequence = 0;
    int64_t bytes = 0;  // credit left
    int64_t batches = 0;
    std::deque<channel_message> waiting;
  };
  struct edge {
    output_edge_spec spec;
    std::unique_ptr<exchange_partitioner> split;  // none with a single target
    size_t first_channel = 0;
  };
  void push(size_t channel_index, batch_ptr);
  void push_control(message_kind, int64_t value, epoch completed = {});
  static size_t drop_barriers(channel&);
  bool may_send(const channel&, const channel_message&) const;
  void send(channel&, channel_message);
  status emit_to(edge&, const batch_ptr&);

  std::vector<edge> edges_;
  std::vector<channel> channels_;
  credit window_;
  send_fn send_;
  uint32_t subtask_ = 0;
  size_t waiting_ = 0;
  size_t barriers_waiting_ = 0;
  uint64_t rows_sent_ = 0;
};

}  // namespace weir
