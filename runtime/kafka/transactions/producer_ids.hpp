// Hands out producer ids from blocks that are made durable before any of their ids is used, so that
// no id is given twice, also across restarts. Owned by the coordinator; no I/O.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace weir::kafka {

class producer_ids {
 public:
  /// As Kafka: a restart loses at most one block of the 2^63 ids.
  static constexpr int64_t block_size = 1000;
  /// The next block is asked for when less than this is left.
  static constexpr int64_t prefetch_below = 100;

  /// From the log: all ids below `next` are taken.
  void taken_below(int64_t next) { next_ = end_ = std::max(end_, next); }

  std::optional<int64_t> take() {
    if (next_ == end_) return std::nullopt;
    return next_++;
  }
  bool wants_block() const noexcept { return !asked_ && end_ - next_ < prefetch_below; }
  /// Asks for a block; returns what has to be made durable: the first id behind it.
  int64_t ask() {
    asked_ = true;
    return end_ + block_size;
  }
  bool asked() const noexcept { return asked_; }
  void answered(bool durable) {
    asked_ = false;
    if (durable) end_ += block_size;
  }

 private:
  int64_t next_ = 0;
  int64_t end_ = 0;
  bool asked_ = false;
};

}  // namespace weir::kafka
