// One source of truth for memory: every batch buffer and state arena of a process is charged to a
// memory_pool. Batches over the budget mean backpressure (sources pause, credit shrinks); state
// over it fails the job with its operators named. Thread-safe; owned by the process's node.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace weir {

enum class memory_kind : uint8_t { batch, state };

class memory_pool {
 public:
  static constexpr size_t unlimited = std::numeric_limits<size_t>::max();

  explicit memory_pool(size_t limit_bytes = unlimited) noexcept : limit_(limit_bytes) {}
  memory_pool(const memory_pool&) = delete;
  memory_pool& operator=(const memory_pool&) = delete;

  /// Adds (or, negative, gives back) bytes. Never fails: the flow control reacts to pressure.
  void charge(memory_kind kind, int64_t bytes) noexcept {
    used_[static_cast<size_t>(kind)].v.fetch_add(bytes, std::memory_order_relaxed);
  }
  size_t used(memory_kind kind) const noexcept {
    auto n = used_[static_cast<size_t>(kind)].v.load(std::memory_order_relaxed);
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  size_t used() const noexcept { return used(memory_kind::batch) + used(memory_kind::state); }
  size_t limit() const noexcept { return limit_; }
  /// Sources pause while this holds: batches and state together exceed the budget.
  bool under_pressure() const noexcept { return used() > limit_; }
  /// State alone exceeds the budget: the job that owns it has to fail.
  bool state_over_limit() const noexcept { return used(memory_kind::state) > limit_; }

 private:
  struct alignas(64) counter {
    std::atomic<int64_t> v{0};
  };
  counter used_[2];
  size_t limit_;
};

/// Charges state memory for as long as it lives; one per state table or arena.
class state_charge {
 public:
  state_charge() = default;
  explicit state_charge(memory_pool* pool) noexcept : pool_(pool) {}
  state_charge(state_charge&& o) noexcept : pool_(o.pool_), bytes_(o.bytes_) { o.bytes_ = 0; }
  state_charge& operator=(state_charge&& o) noexcept {
    if (this != &o) {
      set(0);
      pool_ = o.pool_;
      bytes_ = o.bytes_;
      o.bytes_ = 0;
    }
    return *this;
  }
  ~state_charge() { set(0); }
  void set(size_t bytes) noexcept {
    if (pool_)
      pool_->charge(memory_kind::state, static_cast<int64_t>(bytes) - static_cast<int64_t>(bytes_));
    bytes_ = bytes;
  }
  size_t bytes() const noexcept { return bytes_; }

 private:
  memory_pool* pool_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace weir
