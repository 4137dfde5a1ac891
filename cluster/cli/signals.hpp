// SIGINT and SIGTERM as values: blocked in all threads, taken by the main thread while it waits.
#pragma once

#include <csignal>
#include <cstdint>

namespace weir::cli {

/// Blocks the signals in this thread and those it starts; make one before any thread.
class signal_waiter {
 public:
  signal_waiter();
  /// Waits for SIGINT, SIGTERM or notify(), at most `timeout_ms`. Returns the signal, 0 after the
  /// timeout, -1 after notify().
  int wait(int64_t timeout_ms);
  /// Ends a wait() early; from any thread.
  void notify();

 private:
  sigset_t set_;
  unsigned long main_thread_;
};

}  // namespace weir::cli
