// Ctrl-C and SIGTERM for verbs that work in a loop: the first asks the loop to end, the second ends
// the process at once. Made before any other thread.
#pragma once

#include <atomic>
#include <thread>

#include "cluster/cli/signals.hpp"

namespace weir::cli {

class interrupt_watch {
 public:
  interrupt_watch() : thread_([this] { watch(); }) {}
  ~interrupt_watch();
  /// The signal that asks for the end; 0: none did.
  int asked() const noexcept { return signal_.load(std::memory_order_relaxed); }

 private:
  void watch();
  signal_waiter signals_;  // before the thread: it inherits the mask
  std::atomic<int> signal_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace weir::cli
