// What a partition's log, the committer and their drivers say to each other. Plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/log/segment_file.hpp"

namespace weir {

/// A partition for ever: the topic's UUID (a topic of the same name that is created again has
/// another one) and the partition's number.
struct log_id {
  std::array<uint8_t, 16> topic{};
  int32_t partition = 0;
  friend auto operator<=>(const log_id&, const log_id&) = default;
};

/// Up to where a partition is durable and acknowledged.
struct commit_point {
  int64_t end_offset = 0;
  int64_t segment_base = 0;  // of the segment that holds the end
  uint64_t position = 0;     // in that segment's file
  /// Of a replicated partition: what was known to be on all in-sync replicas when the last bytes
  /// were staged. A lower bound; 0 when nobody said.
  int64_t high_watermark = 0;
  friend bool operator==(const commit_point&, const commit_point&) = default;
};

/// One opening of a partition's log, as the committer knows it.
struct log_lane {
  log_id id;
  uint64_t owner = 0;  // the driver's own: which actor to tell
  std::string folder;
};
using log_lane_ptr = std::shared_ptr<const log_lane>;

/// Bytes on their way to a segment. Made by partition_log::stage, written by the committer in the
/// order in which they were staged.
struct log_write {
  log_lane_ptr lane;
  uint64_t generation = 0;  // grows with each rollback: later writes of a failed one are void
  segment_file_ptr file;
  int64_t segment_base = 0;
  uint64_t position = 0;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // keeps `bytes` alive
  int64_t end_offset = 0;             // of the log, once this is committed
  uint64_t allocate_max = 0;          // the segment will not grow beyond
  bool sync = true;                   // false: durability = 'os'
  int64_t high_watermark = 0;         // for the commit point
};

/// What one round did for one partition. Committed comes before failed.
struct commit_outcome {
  log_lane_ptr lane;
  /// New committed end: call partition_log::committed(end).
  std::optional<int64_t> committed_end;
  /// Everything staged and not committed so far is lost: call partition_log::rollback() once.
  std::optional<error> failed;
};

/// A whole number of batches in a segment's file, for sendfile. Holes are left out.
struct log_slice {
  segment_file_ptr file;
  uint64_t position = 0;
  uint64_t bytes = 0;
};
struct log_read {
  std::vector<log_slice> slices;
  uint64_t bytes = 0;
  /// Where to read on; equal to the requested offset when nothing was there.
  int64_t next_offset = 0;
};
struct read_request {
  int64_t offset = 0;
  uint64_t bytes_max = uint64_t{1} << 20;
  /// Batches that begin at or above it are not returned (high watermark, last stable offset).
  int64_t limit = INT64_MAX;
  /// The first batch is returned even when it is larger than bytes_max.
  bool whole_first = true;
};

struct timestamp_offset {
  int64_t timestamp_ms = -1;
  int64_t offset = -1;
  friend bool operator==(const timestamp_offset&, const timestamp_offset&) = default;
};

/// Work on files that the log wants done by an io_executor: blocks, may fail, touches nothing of
/// the log. A failure is worth a log line; the next start does the same work again.
using log_chore = std::function<status()>;

/// How a topic's configuration reaches its logs. Names and defaults are Kafka's.
struct log_config {
  uint64_t segment_bytes = uint64_t{1} << 30;
  int64_t segment_ms = int64_t{7} * 24 * 3600 * 1000;
  int64_t retention_bytes = -1;                          // -1: no limit
  int64_t retention_ms = int64_t{7} * 24 * 3600 * 1000;  // -1: no limit
  bool cleanup_delete = true;                            // cleanup.policy has delete
  bool cleanup_compact = false;                          // cleanup.policy has compact
  int64_t delete_retention_ms = int64_t{24} * 3600 * 1000;
  int64_t min_compaction_lag_ms = 0;
  double min_cleanable_dirty_ratio = 0.5;
  uint64_t index_interval_bytes = 4096;
  bool sync = true;  // false: durability = 'os', acknowledged once the system has the bytes
};
/// The largest segment: positions in indexes have 32 bits, and Kafka's limit is the same.
inline constexpr uint64_t segment_bytes_max = (uint64_t{1} << 31) - 1;
inline constexpr uint64_t segment_bytes_min = 1024;

/// Records that damage has taken; the bytes are kept under `quarantine_path`.
struct lost_range {
  int64_t first_offset = 0;
  int64_t last_offset = 0;
  std::string quarantine_path;  // empty: there were no bytes left
  std::string reason;
};
/// What opening found. Worth a log line and an event each.
struct recovery_report {
  bool clean = false;  // opened from the record of a clean stop, no file was looked at
  std::vector<lost_range> lost;
  uint64_t cut_bytes = 0;  // torn tail beyond the commit point: never acknowledged
  uint64_t batches_checked = 0;
  uint32_t indexes_rebuilt = 0;
};

}  // namespace weir
