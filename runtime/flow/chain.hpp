// The operators of one task, called one after the other: inside a chain a batch is a function call.
// Measures each operator's own time. Owned by one task.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/flow/error_policy.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

class chain_runner {
 public:
  struct member {
    std::unique_ptr<stream_operator> op;
    operator_context context;                       // its metrics are set
    std::unique_ptr<operator_error_policy> errors;  // of operators with expressions
  };
  /// Output of the last operator (and side outputs, which only the last one may have).
  using output_fn = std::function<status(const batch_ptr&, uint16_t port)>;

  chain_runner(std::vector<member>, const clock&, output_fn);
  ~chain_runner();

  status open();
  /// `reader_of` gives the snapshot of an operator, or null when it has none.
  status restore(const std::function<const snapshot_reader*(const std::string& operator_id)>&);
  /// After open and restore.
  void begin();

  /// Each of these starts a pass over the chain. While step() returns true there is more to do;
  /// stop calling it when the output is blocked and go on later. No pass starts within another.
  status begin_batch(uint16_t port, const batch_ptr&);
  void begin_watermark(timestamp_us);
  /// Of the chain's output, when a watermark has passed it.
  timestamp_us output_watermark() const noexcept { return time_; }
  void begin_before_barrier();
  /// One part of what operators hold; see approach_more() when the pass is over.
  void begin_approach();
  /// No more rows on input `port` of the first operator.
  void begin_input_end(uint16_t port);
  void begin_idle();
  void begin_processing_time(timestamp_us);
  result<bool> step();

  /// Whether the last approach left something.
  bool approach_more() const noexcept { return approach_more_; }
  /// Rows that a barrier would have to wait for.
  size_t held_rows() const;

  bool blocked() const;
  status snapshot_begin(const std::function<snapshot_writer&(const std::string& operator_id)>&);
  result<bool> snapshot_continue(
      const std::function<snapshot_writer&(const std::string& operator_id)>&, size_t budget);
  status epoch_complete(epoch);
  status epoch_aborted(epoch);
  result<bool> committed() const;
  status close();

  size_t size() const noexcept { return members_.size(); }
  const operator_context& context(size_t i) const { return members_[i].context; }
  /// Of all operators; each one's goes to its metrics.
  size_t state_bytes() const;
  /// "a, b": the operators with their state sizes, largest first; for the budget's error.
  std::string describe_state() const;

 private:
  class link;  // collector of one operator
  enum class pass_kind : uint8_t {
    none,
    batch,
    watermark,
    approach,
    before_barrier,
    idle,
    input_end,
    processing_time
  };
  status enter(size_t i, uint16_t port, const batch_ptr&);
  status process(size_t i, uint16_t port, const batch_ptr&);
  result<bool> drain(size_t i);
  result<bool> step_behind();
  status call(size_t i);
  error blame(size_t i, const error&) const;

  /// What an operator has still to do before those in front of it may go on.
  struct backlog {
    bool drains = false;          // it got a call after which drain() has not said false
    std::deque<batch_ptr> input;  // came while it still drained
  };

  std::vector<member> members_;
  std::vector<std::unique_ptr<link>> links_;
  std::vector<backlog> backlogs_;
  const clock& clock_;
  output_fn output_;
  pass_kind pass_ = pass_kind::none;
  size_t at_ = 0;  // the next operator to get the pass's call
  timestamp_us time_ = 0;
  uint16_t ended_port_ = 0;
  int64_t child_ns_ = 0;  // time of the operators behind the one that runs
  bool approach_more_ = false;
  size_t snapshot_at_ = 0;
  std::optional<error> failed_;
};

}  // namespace weir
