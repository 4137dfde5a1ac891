// The bytes of requests that a gateway has taken in and not answered yet, under one bound: a
// request gets its memory before its bytes are read, and a connection whose request finds none
// waits. Frames may be released on any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace weir {

class request_memory {
 public:
  explicit request_memory(size_t bytes_max) : left_(static_cast<int64_t>(bytes_max)) {}

  /// Takes `bytes`, or nothing. One request may always be larger than what is left when nothing
  /// else is held, so that no bound below the largest request can block for ever.
  bool take(size_t bytes) noexcept;
  void give(size_t bytes) noexcept;
  /// Called (on any thread) after memory was given back while someone waits. Set once, early.
  void on_release(std::function<void()> f) { released_ = std::move(f); }
  /// Asks for one call of on_release.
  void wait() noexcept { waiting_.store(true); }
  size_t held() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> left_;
  std::atomic<size_t> held_{0};
  std::atomic<bool> waiting_{false};
  std::function<void()> released_;
};

/// One request as it came, without its length. Shared by all who still read parts of it.
class request_frame {
 public:
  request_frame(std::shared_ptr<request_memory> memory, size_t size)
      : memory_(std::move(memory)), size_(size), data_(new std::byte[size]) {}
  request_frame(const request_frame&) = delete;
  request_frame& operator=(const request_frame&) = delete;
  ~request_frame() { memory_->give(size_); }

  std::span<std::byte> bytes() noexcept { return {data_.get(), size_}; }
  size_t size() const noexcept { return size_; }

 private:
  std::shared_ptr<request_memory> memory_;
  size_t size_;
  std::unique_ptr<std::byte[]> data_;
};
using frame_ptr = std::shared_ptr<request_frame>;

}  // namespace weir
