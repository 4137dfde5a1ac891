// A job in this process from its start to its end: signals, what is shown meanwhile, what came of
// it. For `weir run` and `weir sql`.
#pragma once

#include <memory>
#include <string>

#include "actors/node.hpp"
#include "cluster/cli/signals.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

/// The exit code when nobody reads standard output any more: as a shell says of SIGPIPE.
inline constexpr int exit_reader_gone = 141;

/// What people see of a running job. Called from one thread.
class run_display {
 public:
  virtual ~run_display() = default;
  /// A line of its own, on stderr.
  virtual void print(const std::string& line) = 0;
  /// Between two calls of show().
  virtual int64_t interval_ms() const = 0;
  /// Whether show() wants a report this time.
  virtual bool wants_report() = 0;
  /// `report`: a new one, or none.
  virtual void show(const job_report* report) = 0;
  /// It has been told to stop.
  virtual void stopping() = 0;
  /// The job has ended; `whole`: because its input has.
  virtual void end(bool whole) = 0;
  /// Its counters, after end().
  virtual void summarize(const job_report& last) = 0;
  /// The process is about to end at once: the terminal must be as it was.
  virtual void abandon() {}
};

struct execution {
  node_options node;
  job_options job;
  bool quiet = false;
  /// A second signal ends the process; false: it ends the job alone, as it is.
  bool second_signal_exits = true;
};
struct outcome {
  job_report report;   // the last
  int stopped_by = 0;  // SIGINT, SIGTERM
  job_state state() const { return static_cast<job_state>(report.state); }
};
/// An error: the job did not start. Where nobody reads standard output any more, to which the plan
/// writes (weir run ... | head), the process ends at once with exit_reader_gone.
result<outcome> execute(const physical_plan&, const execution&, run_display&, signal_waiter&);

}  // namespace weir::cli
