// Hands out producer ids from blocks that nobody else was given. Blocks come from outside (the
// cluster's metadata, or a record that is durable first); the next one is asked for before the last
// is used up. Owned by one thread or under a lock; no I/O.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "runtime/base/assert.hpp"

namespace weir::kafka {

class producer_id_pool {
  struct range {
    int64_t first, end;
  };

 public:
  /// As Kafka: a restart loses at most one block of the 2^63 ids.
  static constexpr int64_t block_size = 1000;
  /// The next block is asked for when less than this is left.
  static constexpr int64_t prefetch_below = 100;

  /// A log shows that all ids below `next` are in use: none of them is given, whatever blocks say.
  void taken_below(int64_t next) {
    floor_ = std::max(floor_, next);
    for (auto& r : ranges_) r.first = std::clamp(floor_, r.first, r.end);
    std::erase_if(ranges_, [](const range& r) { return r.first == r.end; });
  }
  std::optional<int64_t> take() {
    if (ranges_.empty()) return std::nullopt;
    auto& r = ranges_.front();
    const auto id = r.first++;
    if (r.first == r.end) ranges_.pop_front();
    return id;
  }
  bool wants_block() const noexcept { return !asked_ && left() < prefetch_below; }
  /// A block of block_size ids is on its way.
  void ask() {
    weir_assert(!asked_, "one block is asked for at a time");
    asked_ = true;
  }
  /// It came, or not.
  void answered(std::optional<int64_t> first) {
    asked_ = false;
    if (!first) return;
    range r{std::max(*first, floor_), *first + block_size};
    if (r.first < r.end) ranges_.push_back(r);
  }

 private:
  int64_t left() const noexcept {
    int64_t n = 0;
    for (const auto& r : ranges_) n += r.end - r.first;
    return n;
  }

  std::deque<range> ranges_;
  int64_t floor_ = 0;
  bool asked_ = false;
};

}  // namespace weir::kafka
