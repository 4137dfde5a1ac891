// The bytes of requests that a gateway has taken in and not answered yet, under one bound: a
// request gets its memory before its bytes are read, a part at a time, so that nobody holds more by
// claiming than by sending; a connection whose request finds none waits. Frames may be released on
// any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <span>

namespace weir {

class request_memory {
 public:
  explicit request_memory(size_t bytes_max) : left_(static_cast<int64_t>(bytes_max)) {}

  /// Takes `bytes`, or nothing. The bound is above the largest request.
  bool take(size_t bytes) noexcept;
  void give(size_t bytes) noexcept;
  /// Called (on any thread) after memory was given back while someone waits. Set once, early.
  void on_release(std::function<void()> f) { released_ = std::move(f); }
  /// Called by wait(): somebody has to see to it that there will be memory. Set once, early.
  void on_wait(std::function<void()> f) { waited_ = std::move(f); }
  /// Asks for one call of on_release.
  void wait() {
    waiting_.store(true);
    if (waited_) waited_();
  }
  size_t held() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> left_;
  std::atomic<size_t> held_{0};
  std::atomic<bool> waiting_{false};
  std::function<void()> released_, waited_;
};

/// One request as it came, without its length. Shared by all who still read parts of it.
class request_frame {
 public:
  /// Room for `size` bytes, none of which may be used yet. The system gives memory to what is
  /// written only.
  request_frame(std::shared_ptr<request_memory> memory, size_t size)
      : memory_(std::move(memory)), size_(size), data_(new (std::nothrow) std::byte[size]) {}
  request_frame(const request_frame&) = delete;
  request_frame& operator=(const request_frame&) = delete;
  ~request_frame() { memory_->give(granted_); }

  /// False when the system has no such room.
  bool ok() const noexcept { return data_ != nullptr; }
  /// Makes some more of it usable; false when there is no memory now.
  bool grow() noexcept;
  std::span<std::byte> bytes() noexcept { return {data_.get(), size_}; }
  size_t size() const noexcept { return size_; }
  /// How much of it may be written.
  size_t granted() const noexcept { return granted_; }
  /// What grow() gives first; twice as much as there is each time after.
  static constexpr size_t grant_first = 64 << 10;

 private:
  std::shared_ptr<request_memory> memory_;
  size_t size_;
  size_t granted_ = 0;
  std::unique_ptr<std::byte[]> data_;
};
using frame_ptr = std::shared_ptr<request_frame>;

}  // namespace weir
