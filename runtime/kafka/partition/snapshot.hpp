// Snapshot files of a partition's producer state and leader epochs: FOLDER/<offset>.producers, what
// was committed below `offset`. They only make opening fast: written without a sync, and whoever
// finds one missing, torn or foreign reads the log instead. Free functions; those on files block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/io/file.hpp"
#include "runtime/kafka/partition/leader_epochs.hpp"
#include "runtime/kafka/partition/producer_state.hpp"
#include "runtime/log/log_types.hpp"

namespace weir::kafka {

/// Older ones are removed when a new one is written; the second is there in case the first is torn.
inline constexpr size_t snapshots_kept = 2;
/// Of one file: 100,000 producers and a million aborted transactions stay below.
inline constexpr uint64_t snapshot_bytes_max = uint64_t{64} << 20;

struct partition_snapshot {
  int64_t offset = 0;
  int64_t log_start = 0;  // aborted transactions that ended below are not in it
  leader_epochs epochs;
  producer_state producers;
};

/// Magic, CRC-32C, partition, offset, log start, leader epochs, producers.
std::string encode_snapshot(const log_id&, int64_t offset, int64_t log_start, const leader_epochs&,
                            const producer_state&);
/// errc::corrupt, and errc::invalid_argument for another partition's.
result<partition_snapshot> decode_snapshot(const log_id&, std::span<const std::byte>,
                                           int64_t now_ms);

struct snapshot_file {
  std::string path;
  int64_t offset = 0;
};
/// The newest first.
result<std::vector<snapshot_file>> list_snapshots(file_system&, const std::string& folder);
/// Writes through a temporary file and removes all but the newest snapshots_kept. `durable`: it is
/// about to be the only one that says what producers did in front of the log's start.
status write_snapshot(file_system&, const std::string& folder, int64_t offset,
                      const std::string& bytes, bool durable = false);

}  // namespace weir::kafka
