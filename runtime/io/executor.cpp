#include "runtime/io/executor.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace weir {
namespace {

using work_item = std::function<void()>;

// A lane is in the map while it has work waiting or running, so lanes cost nothing when idle.
class thread_executor final : public io_executor {
 public:
  explicit thread_executor(unsigned threads) {
    if (threads == 0) threads = 1;
    threads_.reserve(threads);
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }

  ~thread_executor() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (auto& t : threads_) t.join();
  }

  void submit(uint64_t lane, work_item work) override {
    {
      std::lock_guard lock(mutex_);
      auto [it, idle] = lanes_.try_emplace(lane);
      it->second.push_back(std::move(work));
      if (!idle) return;  // its turn comes when the one before is done
      ready_.push_back(lane);
    }
    changed_.notify_one();
  }

  uint64_t new_lane() override { return next_lane_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      // Work that runs may submit more: threads leave only when no lane exists any more.
      changed_.wait(lock, [this] { return !ready_.empty() || (stopping_ && lanes_.empty()); });
      if (ready_.empty()) return;
      uint64_t lane = ready_.front();
      ready_.pop_front();
      work_item work = std::move(lanes_.find(lane)->second.front());
      lock.unlock();
      work();
      work = nullptr;  // destroyed outside the lock: its captures may submit
      lock.lock();
      auto it = lanes_.find(lane);
      it->second.pop_front();
      if (!it->second.empty()) {
        ready_.push_back(lane);  // behind the others: lanes take turns
        continue;
      }
      lanes_.erase(it);
      if (stopping_ && lanes_.empty()) changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<uint64_t, std::deque<work_item>> lanes_;
  std::deque<uint64_t> ready_;
  bool stopping_ = false;
  std::atomic<uint64_t> next_lane_{1};
  std::vector<std::thread> threads_;
};

// Work submitted by running work of the same lane waits for it, as the order of a lane demands.
class inline_executor final : public io_executor {
 public:
  void submit(uint64_t lane, work_item work) override {
    std::unique_lock lock(mutex_);
    auto [it, idle] = lanes_.try_emplace(lane);
    it->second.push_back(std::move(work));
    if (!idle) return;
    for (;;) {
      work_item next = std::move(lanes_.find(lane)->second.front());
      lock.unlock();
      next();
      next = nullptr;
      lock.lock();
      it = lanes_.find(lane);
      it->second.pop_front();
      if (it->second.empty()) break;
    }
    lanes_.erase(it);
  }

  uint64_t new_lane() override { return next_lane_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::unordered_map<uint64_t, std::deque<work_item>> lanes_;
  std::atomic<uint64_t> next_lane_{1};
};

}  // namespace

std::unique_ptr<io_executor> make_thread_executor(unsigned threads) {
  return std::make_unique<thread_executor>(threads);
}

std::unique_ptr<io_executor> make_inline_executor() {
  return std::make_unique<inline_executor>();
}

}  // namespace weir
