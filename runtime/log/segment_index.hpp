// Where batches stand in one segment: every so many bytes one entry for offset, position and time.
// Bounded: when it is full every second entry goes and the interval doubles, so that a segment of
// any size costs at most 16 KiB. Kept in memory for the segment that is written; saved when it is
// closed; built anew from the batches when the file is missing or does not fit. Not thread-safe;
// closed segments share theirs as shared_ptr<const>.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/io/file.hpp"
#include "runtime/log/record_batch.hpp"

namespace weir {

struct index_entry {
  uint32_t offset = 0;  // of the batch at `position`, from the segment's base
  uint32_t position = 0;
  int64_t max_timestamp_before = -1;  // of all batches in front of it
};

/// A stretch that recovery found damaged; a placeholder batch stands there.
struct segment_hole {
  uint64_t position = 0;
  uint64_t bytes = 0;
  friend bool operator==(const segment_hole&, const segment_hole&) = default;
};

/// What is known of a segment without reading it.
struct segment_facts {
  int64_t base_offset = 0;
  int64_t end_offset = 0;  // where the next segment begins
  uint64_t bytes = 0;
  int64_t max_timestamp = -1;
  int64_t max_timestamp_offset = -1;  // base offset of the first batch that has it
  std::vector<segment_hole> holes;
};

class segment_index {
 public:
  static constexpr size_t entries_max = 1024;

  explicit segment_index(uint64_t interval_bytes = 4096) : interval_(interval_bytes) {}

  /// A batch was added behind all others.
  void add(uint32_t offset, uint32_t position, int64_t max_timestamp_before);
  /// Batches from `position` on are gone.
  void cut(uint32_t position);
  /// The last entry at or below; a segment begins with {0, 0} even when it has no entries.
  index_entry at_offset(uint32_t offset) const noexcept;
  index_entry at_position(uint32_t position) const noexcept;
  /// All batches in front of it are older than the timestamp.
  index_entry at_timestamp(int64_t timestamp_ms) const noexcept;

  const std::vector<index_entry>& entries() const noexcept { return entries_; }
  uint64_t interval() const noexcept { return interval_; }
  void assign(std::vector<index_entry> entries, uint64_t interval);

 private:
  uint64_t interval_;
  std::vector<index_entry> entries_;
};
using segment_index_ptr = std::shared_ptr<const segment_index>;

/// "/d/00000000000000000042.index" for "/d/00000000000000000042.log".
std::string index_path(const std::string& segment_path);
struct saved_index {
  segment_facts facts;
  segment_index index;
};
std::string encode_index(const segment_facts&, const segment_index&);
/// errc::corrupt when a checksum or a number does not fit.
result<saved_index> decode_index(std::string_view bytes);
/// Written without a sync of its own: a lost or damaged index is built anew.
status write_index(file_system&, const std::string& path, const segment_facts&,
                   const segment_index&);
result<saved_index> read_index(file_system&, const std::string& path);

}  // namespace weir
