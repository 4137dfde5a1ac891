// Distinct types for ids, so that an epoch is never passed where a channel is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace weir {

template <class Tag, class Rep>
struct strong_id {
  Rep value{};
  constexpr strong_id() = default;
  constexpr explicit strong_id(Rep v) : value(v) {}
  friend constexpr auto operator<=>(strong_id, strong_id) = default;
};

/// Number of a snapshot and of the barriers that make it; the first is 1, 0 = none.
using epoch = strong_id<struct epoch_tag, uint64_t>;
/// Index of an operator in its physical plan. What survives a changed job is its stable id (text).
using operator_index = strong_id<struct operator_index_tag, uint32_t>;
/// One parallel instance of one chain of operators; unique within a job's deployment.
using task_id = strong_id<struct task_id_tag, uint32_t>;
/// One connection from a task to a task over one edge of the plan; unique within a deployment.
using channel_id = strong_id<struct channel_id_tag, uint32_t>;
/// Deployment attempt of a job; messages and commits of an older one are refused (fencing).
using attempt_id = strong_id<struct attempt_id_tag, uint32_t>;

/// Number of key groups of a job, the unit of snapshot, rescaling and migration.
inline constexpr uint32_t default_key_groups = 128;

/// Microseconds since 1970-01-01 00:00:00 UTC. The two ends are reserved for watermarks.
using timestamp_us = int64_t;
inline constexpr timestamp_us watermark_none = INT64_MIN;  // nothing known yet
inline constexpr timestamp_us watermark_end = INT64_MAX;   // no row will follow

/// Half-open range of key groups [begin, end).
struct key_group_range {
  uint32_t begin = 0;
  uint32_t end = default_key_groups;
  friend bool operator==(const key_group_range&, const key_group_range&) = default;
  bool contains(uint32_t g) const noexcept { return g >= begin && g < end; }
};

/// The range that subtask `index` of `parallelism` owns; ranges are contiguous and cover all.
constexpr key_group_range range_of_subtask(uint32_t key_groups, uint32_t parallelism,
                                           uint32_t index) noexcept {
  return {key_groups * index / parallelism, key_groups * (index + 1) / parallelism};
}
/// The subtask that owns a key group: the inverse of range_of_subtask.
constexpr uint32_t subtask_of_group(uint32_t key_groups, uint32_t parallelism,
                                    uint32_t group) noexcept {
  return ((group + 1) * parallelism - 1) / key_groups;
}
/// The key group of a 64-bit key hash: its top bits, scaled, so that tables may use the low ones.
constexpr uint32_t group_of_hash(uint64_t hash, uint32_t key_groups) noexcept {
  return static_cast<uint32_t>(((hash >> 32) * key_groups) >> 32);
}

}  // namespace weir

template <class Tag, class Rep>
struct std::hash<weir::strong_id<Tag, Rep>> {
  size_t operator()(weir::strong_id<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
