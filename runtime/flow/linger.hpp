// How long rows wait for company on their way to tasks of other processes. Pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

namespace weir {

/// A flush may write one message to each remote target, which costs both sides some 9 us of a core
/// together, however few rows are in it: at most once in so long per target, messages take less
/// than a fifth of a core.
inline constexpr int64_t hold_us_per_target = 50;
/// Up to so many a flush is too cheap to be waited for.
inline constexpr uint32_t targets_without_hold = 16;

/// The least time between two flushes towards so many remote targets; 0: no limit. Batches that are
/// full, and what goes in front of barriers, watermarks and the end, do not wait for it.
constexpr int64_t hold_us(uint32_t remote_targets) noexcept {
  return remote_targets <= targets_without_hold ? 0 : hold_us_per_target * remote_targets;
}

/// How long rows wait at most for a batch to become full while more come.
constexpr int64_t linger_us(int64_t least_us, uint32_t remote_targets) noexcept {
  return std::max(least_us, hold_us(remote_targets));
}

}  // namespace weir
