// Latencies counted in buckets that double, for metrics. Written and read by any thread without
// locks; a reader sees each count at some moment, not all at the same one.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir {

class latency_histogram {
 public:
  /// Upper bounds are first_bound_us * 2^i: 50 us to 6.5 s; the last bucket has what is above.
  static constexpr int64_t first_bound_us = 50;
  static constexpr size_t bounds = 18;

  void add(int64_t us) noexcept {
    if (us < 0) us = 0;
    size_t i = 0;
    while (i < bounds && us > bound_us(i)) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(static_cast<uint64_t>(us), std::memory_order_relaxed);
  }
  static constexpr int64_t bound_us(size_t i) noexcept { return first_bound_us << i; }
  /// Of bucket i alone, `bounds` being the one above all bounds.
  uint64_t count(size_t i) const noexcept { return counts_[i].load(std::memory_order_relaxed); }
  uint64_t sum_us() const noexcept { return sum_us_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, bounds + 1> counts_{};
  std::atomic<uint64_t> sum_us_{0};
};

}  // namespace weir
