// The chunks of one table's snapshot while they grow: per key group the rows that were written and
// the keys that are gone, in the format of runtime/snapshot/packed.hpp. Owned by one row_table.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/snapshot/chunk.hpp"
#include "runtime/snapshot/packed.hpp"
#include "runtime/state/row_layout.hpp"

namespace weir {

/// The columns of a table's rows in snapshots: the null mask, then each word of key and value, but
/// one column for the two words of a string.
packed_layout packed_layout_of(const row_layout&);

class delta_log {
 public:
  /// Chunks are cut at this size: among what the store writes fastest (64 KiB to 1 MiB), the less
  /// the better, since every key group has one that grows.
  static constexpr size_t cut_bytes = 128 * 1024 - buffer::overhead;

  explicit delta_log(const row_layout&);

  /// A snapshot begins; buffers come from `memory` until it ends. `whole`: it will have every row.
  void begin(memory_pool& memory, bool whole);
  /// Appends a row (header word included; its packed bytes, if it has any) or the tombstone of one.
  /// `fresh`: no earlier chunk has it.
  void upsert(uint32_t group, const uint64_t* row, std::string_view packed, bool fresh);
  void erase(uint32_t group, const uint64_t* row);
  /// Hands chunks that are full to the writer; with `all`, the rest too.
  void put(snapshot_writer&, std::string_view state, bool all);
  /// Drops everything.
  void abandon();

 private:
  packed_writer& writer_of(uint32_t group) {
    if (group >= groups_.size()) groups_.resize(group + 1, packed_writer(packed_));
    auto& w = groups_[group];
    if (w.full(cut_bytes)) ready_.emplace_back(group, w.take());
    w.set_memory(*memory_);
    return w;
  }
  static uint64_t* write_part(packed_writer&, uint64_t* out, const uint64_t* words, uint32_t n,
                              const std::vector<uint32_t>& strings);

  const row_layout& layout_;
  const packed_layout packed_;
  memory_pool* memory_ = nullptr;
  bool whole_ = false;
  std::vector<packed_writer> groups_;
  std::vector<std::pair<uint32_t, buffer_ref>> ready_;
};

}  // namespace weir
