// The chunks of one table's snapshot while they grow: per key group a buffer of upserted records
// and the tombstones, in the format of runtime/snapshot/records.hpp. Owned by one row_table.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/snapshot/chunk.hpp"
#include "runtime/state/row_layout.hpp"

namespace weir {

class delta_log {
 public:
  /// Chunks are cut at this size: what the store writes fastest (64 KiB to 1 MiB).
  static constexpr size_t cut_bytes = 256 * 1024;

  explicit delta_log(const row_layout&);

  /// A snapshot of about `rows` rows begins; buffers come from `memory` until it ends.
  void begin(memory_pool& memory, size_t rows);
  /// Appends the record of a row (header word included) or its tombstone; returns its bytes.
  size_t upsert(uint32_t group, const uint64_t* row);
  size_t erase(uint32_t group, const uint64_t* row);
  /// Hands chunks that are full to the writer; with `all`, the rest too.
  void put(snapshot_writer&, std::string_view state, bool all);
  /// Drops everything.
  void abandon();

 private:
  struct group_log {
    buffer_ref bytes;
    std::byte* at = nullptr;  // in bytes
    std::byte* end = nullptr;
    uint32_t upserts = 0, deletes = 0;
    std::vector<std::byte> tombstones;
  };
  std::byte* reserve(group_log&, uint32_t group, size_t bytes);
  void cut(group_log&, uint32_t group);
  static size_t part_bytes(const uint64_t* words, uint32_t n, const std::vector<uint32_t>& strings);
  static std::byte* write_part(std::byte* p, const uint64_t* words, uint32_t n,
                               const std::vector<uint32_t>& strings);

  const row_layout& layout_;
  memory_pool* memory_ = nullptr;
  size_t first_bytes_ = 0;
  std::vector<group_log> groups_;
  std::vector<std::pair<uint32_t, buffer_ref>> ready_;
};

}  // namespace weir
