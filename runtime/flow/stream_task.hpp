// One task: a chain of operators, perhaps with a source in front, between an input and an output
// gate. Everything a task decides is decided here - what to process next, alignment, snapshots,
// watermarks, back-pressure, the end - without actors, threads or clocks of its own: it is driven
// by calls and acts through a task_port. One caller at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/flow/chain.hpp"
#include "runtime/flow/input_gate.hpp"
#include "runtime/flow/output_gate.hpp"
#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/standing.hpp"
#include "runtime/flow/task_snapshot.hpp"

namespace weir {

/// What a task does to the world; implemented by the actor that drives it and by simulations.
/// Calls must not re-enter the task.
class task_port {
 public:
  virtual ~task_port() = default;
  /// To the receiver of m.channel.
  virtual void send(channel_message m) = 0;
  /// To the sender of the channel.
  virtual void grant(channel_id, credit) = 0;
  /// Chunks of the snapshot under way; may come in several parts before acknowledge().
  virtual void write_chunks(epoch, std::vector<state_chunk>) = 0;
  /// Whether more chunks of the epoch may come now. If not, run() is called when they may: state is
  /// copied no faster than it goes to the disk, or memory would hold it twice.
  virtual bool takes_chunks(epoch) const { return true; }
  /// Everything of the epoch was written. `stall_ns`: how long the barrier stopped processing.
  virtual void acknowledge(epoch, int64_t stall_ns) = 0;
  /// What the sinks prepared for the complete epoch is published.
  virtual void committed(epoch) = 0;
  virtual void need_splits() = 0;
  /// Every input ended and every output was handed on; barriers are still answered.
  virtual void ended() = 0;
  /// The task cannot go on; nothing else follows.
  virtual void failed(error) = 0;
  /// Call run() again at processing time `t`, or earlier.
  virtual void wake_at(timestamp_us t) = 0;
};

struct stream_task_options {
  std::string name;  // for messages: "aggregate by carrier[1]"
  delivery_mode mode = delivery_mode::exactly_once;
  uint32_t subtask = 0;
  uint32_t key_groups = default_key_groups;
  credit window;                         // of every channel
  int64_t alignment_limit_us = 500'000;  // then the barrier overtakes; < 0: never
  int64_t linger_us = 5'000;             // rows wait at most this long for company
  /// Between watermarks while rows flow: each one makes pre-aggregations and exchanges hand on
  /// what they gathered. A quiet source sends its watermark at once.
  int64_t watermark_interval_us = 20'000;
  /// Tasks of other processes that this one sends to: with many, all three become longer
  /// (runtime/flow/linger.hpp).
  uint32_t remote_targets = 0;
  /// Rows of the first passes over batches from channels; soon as many as take no longer than a
  /// barrier should wait.
  uint32_t input_rows_max = UINT32_MAX;
};

/// Shares of time, for reports. Read by others while the task runs.
struct task_times {
  std::atomic<uint64_t> busy_ns{0}, backpressured_ns{0}, idle_ns{0};
};

class stream_task {
 public:
  enum class next : uint8_t {
    again,    // there is more to do now
    waiting,  // call again when a message, credit, wake-up or timer came
    stopped,  // failed or closed
  };
  struct parts {
    std::unique_ptr<source_reader> reader;  // source tasks
    operator_context source_context;
    source_driver::options source_options;
    std::vector<chain_runner::member> operators;
    std::vector<input_channel_spec> inputs;
    std::vector<output_edge_spec> outputs;
    std::vector<std::string> edge_keys;  // by edge of the plan: its stable name
    std::string task_key;                // stable name of the chain: its first operator's id
  };

  stream_task(parts, stream_task_options, task_port&, memory_pool&, const clock&, task_times&);
  ~stream_task();

  /// With the chunks of a restored epoch. `continues`: all tasks that are opened with this one
  /// continue from an epoch, even those of which it has no chunks.
  void open(std::vector<state_chunk> restored, bool continues);

  void receive(channel_message);
  void receive_credit(channel_id, credit);
  void add_splits(std::vector<source_split>, bool last, bool hold);
  void hold_watermark(bool on);
  /// Source tasks: the barrier of epoch `e` starts here. `completed`: the newest complete epoch.
  void trigger(epoch e, epoch completed);
  void epoch_complete(epoch);
  void epoch_aborted(epoch);
  /// The job has another coordinator, for which `completed` is the newest complete epoch: one that
  /// is newer was given up. How the task stands then.
  task_standing take_over(epoch completed);
  /// Works for at most about `slice` items.
  next run(uint32_t slice);
  void close();

  bool is_source() const noexcept { return source_ != nullptr; }
  size_t state_bytes() const { return chain_.state_bytes(); }
  timestamp_us watermark() const noexcept { return watermark_; }
  /// Why processing stands where it stands, and since when; for reports.
  bool backpressured() const { return outputs_.blocked(); }
  std::string describe() const;

 private:
  enum class after_pass : uint8_t { nothing, watermark, approach, barrier, quiet, idle };

  void fail(error);
  error blame_source(const error&) const;
  next work(uint32_t slice);
  bool must_hurry(timestamp_us now) const;
  bool restoring() const;
  void begin_pass(after_pass);
  void begin_input(input_gate::item);
  void fit_input();
  void time_alignment(timestamp_us now);
  status finish_pass();
  bool step_source(timestamp_us now);
  bool step_input(timestamp_us now);
  bool maintain(timestamp_us now);
  bool start_triggered(timestamp_us now);
  bool barrier_due(timestamp_us now) const;
  void begin_barrier(epoch, epoch completed, bool overtake);
  void resolve_pending(epoch completed, epoch before);
  status complete_barrier();
  status flush_outputs();
  bool advance_snapshot();
  bool state_too_large();
  void escalate(timestamp_us now);
  void report_end();
  void wake(timestamp_us);
  void start_watermark(timestamp_us);
  bool quiesce(timestamp_us now);
  status restore(std::vector<state_chunk>);

  stream_task_options options_;
  task_port& port_;
  memory_pool& pool_;
  const clock& clock_;
  task_times& times_;
  std::vector<std::string> edge_keys_;
  std::string task_key_;
  operator_context source_context_;
  output_gate outputs_;
  input_gate inputs_;
  chain_runner chain_;
  std::unique_ptr<source_driver> source_;

  bool stopped_ = false;
  bool ended_ = false;  // watermark_end has passed through
  bool ended_reported_ = false;
  bool pass_active_ = false;
  bool opened_ = false;
  bool forward_end_ = false;  // restored behind the end: only say so again
  /// Restored watermark, passed on behind the restored rows, which may be older.
  timestamp_us restored_watermark_ = watermark_none;
  after_pass after_ = after_pass::nothing;
  uint32_t input_rows_ = 0;    // of the pass, where it is one of a batch from a channel
  int64_t input_busy_ns_ = 0;  // that its operators have taken
  uint32_t input_rows_max_;    // that a pass is to have, so that it takes no longer
  timestamp_us pass_watermark_ = watermark_none;
  timestamp_us watermark_ = watermark_none;
  timestamp_us next_watermark_at_ = 0;  // source: processing time of the next regular watermark
  bool source_idle_sent_ = false;
  bool quiet_ = true;  // nothing was gathered since the last flush
  int64_t gathered_since_us_ = 0;
  int64_t hold_us_ = 0;  // between two flushes, at least
  int64_t flushed_at_us_ = 0;
  timestamp_us processing_timer_ = watermark_end;
  timestamp_us wake_requested_ = watermark_end;

  struct barrier_state {
    epoch number, completed;
    bool overtakes = false;
    int64_t began_ns = 0;
  };
  std::optional<barrier_state> triggered_;  // source: barrier to start
  /// Until then the triggered barrier waits for what operators hand on in parts between batches.
  timestamp_us approach_until_ = 0;
  bool approach_rests_ = false;  // a part is out; now it is a batch's turn
  int64_t approach_began_ns_ = 0, approach_ns_max_ = 0;
  std::optional<barrier_state> barrier_;  // being passed through the chain
  epoch pending_;                         // snapshotted here, outcome not known yet
  epoch newest_;                          // that was triggered here or whose barrier was taken
  bool snapshotted_ = false;              // since it was opened
  std::optional<epoch> committing_;       // complete; committed() is still to be said
  std::unique_ptr<task_snapshot> snapshot_;
  epoch alignment_epoch_;  // whose time limit runs
  timestamp_us alignment_deadline_ = watermark_end;
  std::vector<in_flight> restored_;  // to send before anything else
  bool tell_restored_ = false;       // that they are sent, to all channels
  bool restoring_outputs_ = false;   // that word may still wait

  int64_t left_run_ns_ = 0;
  next left_as_ = next::waiting;
  bool left_backpressured_ = false;
  timestamp_us pressure_since_ = watermark_end;  // sources pause, and state is much of the reason
};

}  // namespace weir
