#include "runtime/connectors/rate_pacer.hpp"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

// Units are due one by one, but nobody looks for them more often than this.
constexpr int64_t tick_us = 100;
// A reader that was held up catches up on at most this much.
constexpr int64_t backlog_us_max = 1'000'000;

}  // namespace

uint64_t rate_pacer::due(timestamp_us now) {
  if (!started_) {
    started_ = true;
    origin_ = now;
  }
  if (now < origin_) origin_ = now;  // the wall clock was set back
  auto owed = static_cast<uint64_t>(static_cast<double>(now - origin_) * rate_ / 1e6);
  auto cap = static_cast<uint64_t>(static_cast<double>(backlog_us_max) * rate_ / 1e6) + 1;
  if (owed > paid_ + cap || now - origin_ > 3'600'000'000) {
    // Begin to count anew: what was missed for longer is not made up, and doubles stay exact.
    owed = std::min(owed > paid_ ? owed - paid_ : 0, cap);
    origin_ = now - static_cast<int64_t>(static_cast<double>(owed) / rate_ * 1e6);
    paid_ = 0;
  }
  return owed > paid_ ? owed - paid_ : 0;
}

timestamp_us rate_pacer::due_at(uint64_t units, timestamp_us now) const {
  auto at =
      origin_ + static_cast<int64_t>(std::ceil(static_cast<double>(paid_ + units) / rate_ * 1e6));
  return std::max(at, now + tick_us);
}

}  // namespace weir
