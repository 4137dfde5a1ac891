// The inside of timer_queue: one row per timer, which is what snapshots hold, and an ordered index
// of them, rebuilt on restore.
#pragma once

#include <absl/container/btree_set.h>

#include "runtime/state/keyed_state.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

struct timer_queue::impl {
  /// Key of a row: kind, time (sign flipped, most significant byte first), key bytes.
  static constexpr size_t prefix_bytes = 9;

  impl(keyed_store& owner, memory_pool* memory);

  struct entry {
    timestamp_us at;
    uint32_t id;
  };
  struct order {
    const row_table* rows;
    bool operator()(entry a, entry b) const noexcept;
  };
  using index = absl::btree_set<entry, order>;

  void encode(timer_kind kind, timestamp_us at);
  static std::string_view key_of(const uint64_t* row) noexcept;
  status restore(const snapshot_reader&, key_group_range);
  size_t memory_bytes() const noexcept {
    return rows.memory_bytes() + (by_time[0].size() + by_time[1].size()) * 2 * sizeof(entry);
  }

  keyed_store& owner;
  row_table rows;
  index by_time[2];  // by timer_kind
  std::string encoded;
  uint64_t words[3] = {};
  uint32_t hash = 0;
};

}  // namespace weir
