#include "runtime/connectors/io_lane.hpp"

namespace weir {

io_lane::io_lane(io_executor& io, std::function<void()> wake)
    : s_(std::make_shared<shared>()), io_(io), lane_(io.new_lane()) {
  s_->wake = std::move(wake);
}

io_lane::~io_lane() {
  std::unique_lock lock(s_->m);
  s_->closed = true;
  s_->idle.wait(lock, [this] { return !s_->running; });
}

uint64_t io_lane::submit(std::function<status()> work, size_t bytes) {
  {
    std::lock_guard lock(s_->m);
    s_->bytes += bytes;
  }
  io_.submit(lane_, [s = s_, work = std::move(work), bytes] {
    std::unique_lock lock(s->m);
    if (s->closed) return;
    s->running = true;
    bool go = !s->failed;
    lock.unlock();
    status st = go ? work() : status();
    lock.lock();
    s->running = false;
    ++s->done;
    s->bytes -= bytes;
    if (!st) s->failed = std::move(st).err();
    s->idle.notify_all();
    if (s->waiting && !s->closed) {
      // Under the lock, so that the owner cannot be gone: it closes under the lock too.
      s->waiting = false;
      if (s->wake) s->wake();
    }
  });
  return ++last_ticket_;
}

result<bool> io_lane::done(uint64_t ticket) {
  std::lock_guard lock(s_->m);
  if (s_->failed) return *s_->failed;
  if (s_->done >= ticket) return true;
  s_->waiting = true;
  return false;
}

status io_lane::failed() const {
  std::lock_guard lock(s_->m);
  return s_->failed ? status(*s_->failed) : status();
}

bool io_lane::holds_more_than(size_t bytes) const {
  std::lock_guard lock(s_->m);
  if (s_->failed || s_->bytes <= bytes) return false;
  s_->waiting = true;
  return true;
}

}  // namespace weir
