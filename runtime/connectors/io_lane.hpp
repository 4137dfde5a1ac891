// A connector's blocking work, in order, on one lane of the io_executor. After the first failure
// nothing more is done. Owned and asked by one task's thread; destroying it drops what has not
// begun and waits for the one piece that runs, so that work may use what outlives the owner.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "runtime/base/result.hpp"
#include "runtime/io/executor.hpp"

namespace weir {

class io_lane {
 public:
  io_lane(io_executor&, std::function<void()> wake);
  ~io_lane();
  io_lane(const io_lane&) = delete;
  io_lane& operator=(const io_lane&) = delete;

  /// `bytes`: memory that the work holds until it is done. Returns its ticket.
  uint64_t submit(std::function<status()> work, size_t bytes = 0);
  /// Whether everything up to `ticket` is done; when not, wake() follows a change.
  result<bool> done(uint64_t ticket);
  /// The first failure.
  status failed() const;
  /// Whether queued work holds more than `bytes`; then wake() follows a change.
  bool holds_more_than(size_t bytes) const;
  uint64_t last_ticket() const { return last_ticket_; }

 private:
  struct shared {
    mutable std::mutex m;
    std::condition_variable idle;
    uint64_t done = 0;
    size_t bytes = 0;
    bool running = false, closed = false, waiting = false;
    std::optional<error> failed;
    std::function<void()> wake;
  };
  std::shared_ptr<shared> s_;
  io_executor& io_;
  uint64_t lane_;
  uint64_t last_ticket_ = 0;
};

}  // namespace weir
