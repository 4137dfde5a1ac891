// Where blocking work goes, so that no scheduler thread waits for a disk. Callers hand over a
// closure and are woken by whatever the closure calls at its end (task_context::wake).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace weir {

class io_executor {
 public:
  virtual ~io_executor() = default;
  /// Runs `work` soon. Works submitted with the same `lane` run one after the other in order;
  /// different lanes may run at the same time.
  virtual void submit(uint64_t lane, std::function<void()> work) = 0;
  /// A lane of the caller's own.
  virtual uint64_t new_lane() = 0;
};

/// `threads` worker threads (at least 1); the destructor finishes what was submitted.
std::unique_ptr<io_executor> make_thread_executor(unsigned threads);
/// Runs everything at once in submit(): for deterministic tests.
std::unique_ptr<io_executor> make_inline_executor();

}  // namespace weir
