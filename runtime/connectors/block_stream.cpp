#include "runtime/connectors/block_stream.hpp"

namespace weir {

struct block_stream::shared {
  std::mutex m;
  std::condition_variable read_done;
  std::deque<buffer_ref> empty;
  std::deque<byte_block> full;
  std::optional<error> failed;
  bool submitted = false;    // a pump is queued or running
  bool reading = false;      // within maker->fill()
  bool closed = false;       // the stream is gone
  bool at_end = false;       // no block will follow
  bool nothing_yet = false;  // the last read found nothing new
  bool waiting = false;      // the task wants to be woken
  std::unique_ptr<block_maker> maker;
  std::function<void()> wake;
};

block_stream::block_stream(std::unique_ptr<block_maker> maker, io_executor& io, uint64_t lane,
                           memory_pool& pool, std::function<void()> wake)
    : s_(std::make_shared<shared>()), io_(io), lane_(lane), pool_(pool) {
  s_->maker = std::move(maker);
  s_->wake = std::move(wake);
}

block_stream::block_stream(std::unique_ptr<block_maker> maker, std::unique_ptr<io_executor> io,
                           memory_pool& pool, std::function<void()> wake)
    : s_(std::make_shared<shared>()),
      own_(std::move(io)),
      io_(*own_),
      lane_(io_.new_lane()),
      pool_(pool) {
  s_->maker = std::move(maker);
  s_->wake = std::move(wake);
}

block_stream::~block_stream() {
  std::unique_lock lock(s_->m);
  s_->closed = true;
  s_->maker->cancel();
  s_->read_done.wait(lock, [this] { return !s_->reading; });
  s_->full.clear();
  s_->empty.clear();
  s_->maker.reset();  // files are closed while the file system is still there
}

void block_stream::pump(const std::shared_ptr<shared>& s) {
  std::unique_lock lock(s->m);
  while (!s->closed && !s->at_end && !s->failed && !s->empty.empty()) {
    byte_block block;
    block.memory = std::move(s->empty.front());
    s->empty.pop_front();
    s->reading = true;
    lock.unlock();
    auto made = s->maker->fill(block);
    lock.lock();
    s->reading = false;
    if (s->closed) {
      block = {};
      break;
    }
    bool stop = false;
    if (!made) {
      s->failed = std::move(made).err();
    } else if (*made == block_maker::made::block) {
      s->full.push_back(std::move(block));
    } else {
      (*made == block_maker::made::end ? s->at_end : s->nothing_yet) = true;
      s->empty.push_back(std::move(block.memory));
      stop = true;
    }
    if (s->waiting) {
      // Under the lock, so that the task cannot be gone: it closes under the lock too.
      s->waiting = false;
      if (s->wake) s->wake();
    }
    if (stop) break;
  }
  s->submitted = false;
  s->read_done.notify_all();
}

// With the lock not held: an inline executor runs the pump within submit().
void block_stream::request(size_t blocks) {
  {
    std::lock_guard lock(s_->m);
    if (s_->at_end || s_->failed) return;
    while (s_->empty.size() + s_->full.size() + (s_->reading ? 1 : 0) < blocks)
      s_->empty.push_back(buffer::allocate(pool_, block_headroom + block_bytes));
    if (s_->empty.empty() || s_->submitted) return;
    s_->submitted = true;
  }
  io_.submit(lane_, [s = s_] { pump(s); });
}

void block_stream::prefetch() {
  request(ahead_);
}

result<block_stream::got> block_stream::next(byte_block& out) {
  for (int attempt = 0;; ++attempt) {
    {
      std::lock_guard lock(s_->m);
      if (!s_->full.empty()) {
        out = std::move(s_->full.front());
        s_->full.pop_front();
        break;
      }
      if (s_->failed) return *s_->failed;
      if (s_->at_end) return got::end;
      if (s_->nothing_yet) {
        s_->nothing_yet = false;
        return got::nothing_yet;
      }
      if (attempt == 1) {
        s_->waiting = true;
        return got::pending;
      }
    }
    request(std::max<size_t>(ahead_, 1));
  }
  request(ahead_);
  return got::block;
}

}  // namespace weir
