// A task's share of one epoch while it is written, and what a restored task finds in one: operator
// chunks, the watermark, and batches that were in flight when a barrier overtook them. In-flight
// rows are stored under the sending operator, whose tasks send them again after a restore, so they
// find their receivers at any parallelism. Owned by one task.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/flow/message.hpp"
#include "runtime/flow/output_gate.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"

namespace weir {

class task_snapshot {
 public:
  task_snapshot(epoch, memory_pool&, uint32_t subtask, timestamp_us now);
  ~task_snapshot();

  epoch number() const noexcept { return number_; }
  snapshot_writer& writer(const std::string& operator_id);
  void put_watermark(const std::string& task_key, timestamp_us);
  /// Batches that waited here for credit, or that arrived from senders, when the barrier passed.
  void add_outgoing(std::vector<in_flight>);
  void add_incoming(std::vector<in_flight>);
  /// Encodes them; `edge_keys` are the edges' stable names.
  status write_in_flight(const std::vector<std::string>& edge_keys);

  size_t bytes() const noexcept { return bytes_total_; }
  /// Enough is gathered to hand it on.
  bool large() const noexcept { return bytes_held_ >= 1u << 20; }
  std::vector<state_chunk> take_chunks();

  /// States under an edge's name: written by the task that the rows were on their way from, or to.
  static constexpr std::string_view outgoing_state = "in_flight.out";
  static constexpr std::string_view incoming_state = "in_flight.in";

  const timestamp_us began_us;
  int64_t stall_ns = 0;
  bool source_done = false, chain_done = false;

 private:
  class operator_writer;
  status encode(const std::vector<in_flight>&, const std::vector<std::string>& edge_keys,
                std::string_view direction);
  void add(state_chunk);

  epoch number_;
  memory_pool& pool_;
  uint32_t subtask_;
  std::map<std::string, std::unique_ptr<operator_writer>> writers_;
  std::vector<state_chunk> chunks_;
  size_t bytes_held_ = 0, bytes_total_ = 0;
  std::vector<in_flight> outgoing_, incoming_;
};

class task_restore {
 public:
  /// The chunks that concern one task, of all its operators, oldest first.
  explicit task_restore(std::vector<state_chunk>);
  ~task_restore();
  /// Null when the epoch has nothing of that operator.
  const snapshot_reader* reader(const std::string& operator_id) const;
  /// Lowest watermark of the chain's old subtasks; watermark_none when the epoch has none.
  timestamp_us watermark(const std::string& task_key) const;
  /// What was in flight on the edges that leave this task: its share of it.
  result<std::vector<in_flight>> in_flight_rows(const std::vector<output_edge_spec>&,
                                                const std::vector<std::string>& edge_keys,
                                                uint32_t subtask, memory_pool&) const;

 private:
  std::map<std::string, std::unique_ptr<chunk_list_reader>> readers_;
  epoch newest_;
};

/// Pseudo operator id under which in-flight rows of an edge are stored.
std::string edge_state_id(const std::string& edge_key);
/// Whether it is one. What stands under it belongs to the epoch that wrote it and to no later one.
bool is_edge_state(std::string_view operator_id) noexcept;

}  // namespace weir
