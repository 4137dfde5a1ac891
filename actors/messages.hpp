// Everything that actors say to each other, with its form on the wire (CAF's BASP). Rows travel as
// Cap'n Proto bytes; inside a process the same messages pass pointers. No floating point here:
// CAF 0.17 cannot carry infinities. Type ids have to agree on all nodes: append only.
#pragma once

#include <caf/all.hpp>

#include <map>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/flow/coordinator.hpp"
#include "runtime/flow/message.hpp"
#include "runtime/snapshot/chunk.hpp"

namespace weir {

/// A channel_message under way to a task. From another process (actors/data) `encoded` has the rows
/// until the task, which knows the channel's schema, decodes them. Never leaves the process.
struct stream_message {
  channel_message body;
  buffer_ref encoded;
};

/// Never leaves the process.
struct credit_message {
  uint32_t channel = 0;
  uint64_t bytes = 0;
  uint32_t batches = 0;
};
/// `token`, here and below: the master's tenure; whoever gets it remembers the highest of the job
/// and ignores lower ones. 0 where a job has one master for ever (one process).
struct trigger_message {
  uint64_t number = 0, completed = 0;
  uint64_t token = 0;
};
struct epoch_outcome {
  uint64_t number = 0;
  bool complete = false;  // false: given up
  uint64_t token = 0;
};
struct splits_message {
  std::string splits;  // split_list.hpp
  bool last = false, hold = false;
  uint64_t token = 0;
};
struct release_watermark_message {
  uint64_t token = 0;
};

/// From a task to its job master.
struct task_event {
  enum class what : uint8_t {
    opened,
    acknowledged,
    committed,
    need_splits,
    ended,
    failed,
    cut_off,  // a connection to another task's process is over
  };
  uint32_t task = 0;
  uint32_t attempt = 0;
  what kind = what::opened;
  uint64_t number = 0;  // epoch
  int64_t stall_ns = 0;
  uint8_t code = 0;  // failed, cut_off: errc
  std::string text;  // failed, cut_off
};

/// Counters of one operator of one task.
struct operator_report {
  std::string operator_id, name;
  uint64_t rows_in = 0, rows_out = 0, bytes_in = 0, bytes_out = 0;
  uint64_t busy_ns = 0, errors_skipped = 0, dead_letters = 0, late_rows = 0, state_bytes = 0;
};
struct task_report {
  uint32_t task = 0, attempt = 0, chain = 0, subtask = 0;
  std::string node, placed;  // where it is, and why there
  uint64_t busy_ns = 0, backpressured_ns = 0, idle_ns = 0;
  int64_t watermark = INT64_MIN;
  int64_t at_ns = 0;               // the node's monotonic clock, when these numbers were true
  std::vector<int64_t> stalls_ns;  // how long the last barriers stopped it, oldest first
  std::vector<operator_report> operators;
};

/// A state_chunk under way to a store; between processes the bytes are copied.
struct chunks_message {
  std::string job;
  uint64_t number = 0;
  std::vector<state_chunk> chunks;
  uint64_t token = 0;
  /// The task that sent it waits to be told when the store has taken it. Within a process only.
  bool answered = false;
};

/// What `weir job describe` and progress displays show.
struct job_report {
  std::string id, name;
  uint8_t state = 0;  // job_state
  std::string error;
  uint64_t completed_epoch = 0;
  int64_t completed_at = 0, started_at = 0, now = 0;
  uint32_t restarts = 0;
  uint64_t input_weight = 0;  // of all splits of bounded sources: bytes or rows
  bool bounded = true;
  std::string last_epoch_error;
  std::string master;     // name of the node that has the job's master; empty: nobody at the moment
  std::string waits_for;  // what the job, or the epoch under way, waits for; empty: nothing
  std::vector<task_report> tasks;
  std::vector<uint64_t> savepoints;  // epochs that are kept
};

template <class I>
typename I::result_type inspect(I& f, trigger_message& x) {
  return f(caf::meta::type_name("trigger"), x.number, x.completed, x.token);
}
template <class I>
typename I::result_type inspect(I& f, epoch_outcome& x) {
  return f(caf::meta::type_name("epoch_outcome"), x.number, x.complete, x.token);
}
template <class I>
typename I::result_type inspect(I& f, splits_message& x) {
  return f(caf::meta::type_name("splits"), x.splits, x.last, x.hold, x.token);
}
template <class I>
typename I::result_type inspect(I& f, release_watermark_message& x) {
  return f(caf::meta::type_name("release_watermark"), x.token);
}
template <class I>
typename I::result_type inspect(I& f, task_event& x) {
  return f(caf::meta::type_name("task_event"), x.task, x.attempt, x.kind, x.number, x.stall_ns,
           x.code, x.text);
}
template <class I>
typename I::result_type inspect(I& f, operator_report& x) {
  return f(caf::meta::type_name("operator_report"), x.operator_id, x.name, x.rows_in, x.rows_out,
           x.bytes_in, x.bytes_out, x.busy_ns, x.errors_skipped, x.dead_letters, x.late_rows,
           x.state_bytes);
}
template <class I>
typename I::result_type inspect(I& f, task_report& x) {
  return f(caf::meta::type_name("task_report"), x.task, x.attempt, x.chain, x.subtask, x.node,
           x.placed, x.busy_ns, x.backpressured_ns, x.idle_ns, x.watermark, x.at_ns, x.stalls_ns,
           x.operators);
}
template <class I>
typename I::result_type inspect(I& f, job_report& x) {
  return f(caf::meta::type_name("job_report"), x.id, x.name, x.state, x.error, x.completed_epoch,
           x.completed_at, x.started_at, x.now, x.restarts, x.input_weight, x.bounded,
           x.last_epoch_error, x.master, x.waits_for, x.tasks, x.savepoints);
}

/// Flat forms of what carries buffers.
std::vector<char> flatten(const std::vector<state_chunk>&);
bool unflatten(const std::vector<char>&, std::vector<state_chunk>&);
/// A list of chunks within a message, while that is inspected.
struct flat_chunks {
  std::vector<state_chunk>& list;
};
template <class I>
typename I::result_type inspect(I& f, flat_chunks& x) {
  std::vector<char> flat;
  if constexpr (I::reads_state) flat = flatten(x.list);
  auto load = [&]() -> caf::error {
    if constexpr (I::writes_state)
      if (!unflatten(flat, x.list)) return caf::sec::invalid_argument;
    return caf::none;
  };
  return f(flat, caf::meta::load_callback(load));
}
template <class I>
typename I::result_type inspect(I& f, chunks_message& x) {
  flat_chunks chunks{x.chunks};
  return f(caf::meta::type_name("chunks"), x.job, x.number, x.token, chunks);
}

}  // namespace weir
