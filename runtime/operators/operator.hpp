// What an operator is. Operators are plain classes: a task owns a chain of them, calls them from
// one thread at a time and passes in everything they need. They never read the wall clock, sleep,
// block or use unseeded randomness; blocking work goes to context.io and ends with context.wake().
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/column/batch.hpp"
#include "runtime/io/clock.hpp"
#include "runtime/io/executor.hpp"
#include "runtime/io/file.hpp"
#include "runtime/snapshot/chunk.hpp"

namespace weir {

/// Counters of one operator instance. Written by its task, read by whoever reports.
struct operator_metrics {
  std::atomic<uint64_t> rows_in{0}, rows_out{0}, batches_in{0};
  std::atomic<uint64_t> bytes_in{0}, bytes_out{0};  // sources and sinks: external bytes
  std::atomic<uint64_t> busy_ns{0};
  std::atomic<uint64_t> errors_skipped{0}, dead_letters{0}, late_rows{0};
  std::atomic<uint64_t> state_bytes{0};
};

namespace expr {
struct row_error;
}

/// What happens to rows that an operator's expressions cannot compute, after the job's policy. One
/// per operator instance; its task's thread.
class row_error_handler {
 public:
  virtual ~row_error_handler() = default;
  /// `errors` name physical rows of `in`, ascending, each once; the operator leaves them out. An
  /// error = the policy is to fail.
  virtual status reject(const batch& in, const std::vector<expr::row_error>& errors) = 0;
};

/// Fixed for the life of an instance; everything pointed to outlives it.
struct operator_context {
  std::string operator_id;  // stable id
  std::string name;         // for messages
  uint32_t subtask = 0;
  uint32_t parallelism = 1;
  uint32_t key_groups = default_key_groups;
  key_group_range groups;  // those that this instance owns
  memory_pool* memory = nullptr;
  io_executor* io = nullptr;
  file_system* files = nullptr;
  operator_metrics* metrics = nullptr;
  const clock* time = nullptr;  // processing time, for timers only
  std::function<void()> wake;   // makes the task run again; callable from any thread
  std::function<void(timestamp_us)> set_processing_timer;  // on_processing_time() at or after it
  std::string attempt;                      // unique per deployment: names of temporary files
  std::string job;                          // its name, for files that outlive the job
  bool exactly_once = true;                 // what the job asks of its sinks
  row_error_handler* row_errors = nullptr;  // none: the first such row fails the task
};

/// Receives an operator's output. Port 0 is the main output.
class collector {
 public:
  virtual ~collector() = default;
  virtual void emit(batch_ptr, uint16_t port = 0) = 0;
};

class stream_operator {
 public:
  virtual ~stream_operator() = default;

  /// Once, before anything else. Restore follows when the job continues from a snapshot.
  virtual status open(const operator_context&) { return {}; }
  virtual status restore(const snapshot_reader&) { return {}; }

  /// One batch of input `port`. Output goes to `out` before the call returns or in later calls.
  virtual status process_batch(uint16_t port, const batch_ptr&, collector& out) = 0;
  /// Event time has reached `t` on all inputs; watermark_end = no row will follow. The watermark is
  /// passed on by the task when the call (and drain) is done.
  virtual status on_watermark(timestamp_us, collector&) { return {}; }
  /// The watermark of its output when its input has reached `t`; never falls as `t` grows.
  virtual timestamp_us output_watermark(timestamp_us t) const { return t; }
  /// No row will follow on input `port`, of several. Said again after a restore.
  virtual status on_input_end(uint16_t /*port*/, collector&) { return {}; }
  /// Processing time reached the timer that was set.
  virtual status on_processing_time(timestamp_us, collector&) { return {}; }
  /// For output larger than a few batches: emit a part and return true while there is more. Called
  /// after the other calls, whenever there is credit; no other input comes in between.
  virtual result<bool> drain(collector&) { return false; }
  /// While true the task takes no input for this chain (a sink whose writes are behind); wake()
  /// ends it.
  virtual bool blocked() const { return false; }

  /// Output that must leave before a barrier or a watermark does (rows that a pre-aggregation
  /// holds): called by the task before snapshot_begin and before it forwards a watermark.
  virtual status before_barrier(collector&) { return {}; }
  /// How many rows before_barrier() would hand on at once.
  virtual size_t held_rows() const { return 0; }
  /// A barrier will follow soon: hands on about a batch of what is held, so that before_barrier()
  /// finds little. Called between batches, whose rows must not add to what is held; true = there is
  /// more. The barrier may come at any time, or be given up.
  virtual result<bool> approach_barrier(collector&) { return false; }
  /// The task has no input left for now, or the linger time is over: emit what was held back.
  virtual status on_idle(collector&) { return {}; }

  /// Barrier: the state as of now belongs to the epoch. Small state is written at once; large
  /// state is only frozen (copy on write), so that the call takes microseconds.
  virtual status snapshot_begin(snapshot_writer&) { return {}; }
  /// Writes a part of the frozen state of about `budget` bytes; true = all is written. Called
  /// between batches; returning false without progress is allowed when wake() will follow.
  virtual result<bool> snapshot_continue(snapshot_writer&, size_t /*budget*/) { return true; }
  /// The epoch is complete everywhere and durable: commit what was prepared for it.
  virtual status on_epoch_complete(epoch) { return {}; }
  /// The epoch was given up; its changes belong to the next one.
  virtual status on_epoch_aborted(epoch) { return {}; }
  /// False while commits of completed epochs are still under way (the task waits before it ends).
  virtual bool committed() const { return true; }

  virtual status close() { return {}; }
  virtual size_t state_bytes() const { return 0; }
};

}  // namespace weir
