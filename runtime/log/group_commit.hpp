// Makes staged writes of many partitions durable together: writes them (adjacent ones merged),
// syncs once, and says per partition up to where it is committed or why not. Owned by the node's
// committer and run by its one thread; blocks. Nothing is acknowledged on faith: after a failed
// write or sync the file is opened anew, its committed tail is read back, and what was written
// behind it is cut off before the next write.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/histogram.hpp"
#include "runtime/io/executor.hpp"
#include "runtime/log/log_types.hpp"

namespace weir {

struct group_commit_options {
  /// Of the commit points and the journal.
  std::string folder;
  /// Runs the sync that lets a part of the journal be used again; null: the committer does it
  /// itself, between two rounds. Must outlive the committer.
  io_executor* background = nullptr;
  /// Gets the time of each round's sync (of the journal or of files); null: not measured.
  std::shared_ptr<latency_histogram> syncs;
};

struct group_commit_stats {
  uint64_t rounds = 0;
  uint64_t writes = 0;       // staged ones
  uint64_t write_calls = 0;  // after merging
  uint64_t bytes = 0;
  uint64_t file_syncs = 0;
  uint64_t journal_syncs = 0;   // rounds that went through the journal
  uint64_t failures = 0;        // partitions that were told to roll back
  uint64_t repairs = 0;         // files that were cut back after a failure
  uint64_t turns = 0;           // of the journal
  uint64_t point_failures = 0;  // rounds after which the commit points could not be written
};

class group_commit {
 public:
  /// Reads the commit points and brings back what the journal holds. Before any log is opened.
  static result<std::unique_ptr<group_commit>> open(file_cache& cache, group_commit_options);
  ~group_commit();

  /// The commit point of a partition as it was found, for log_open_options.
  std::optional<commit_point> point(const log_id&) const;
  /// One round. Writes of one partition must come in the order in which they were staged, over all
  /// rounds. One outcome per partition; none for writes that a rollback has made void.
  void commit(std::vector<log_write> writes, std::vector<commit_outcome>& outcomes);
  /// The partition's log is about to be removed, cut or begun anew, with no writes under way:
  /// nothing that is known of it holds any more, the journal has nothing of it when this returns,
  /// and its commit point is `left` (partition_log::point_at before a cut), durably. Without one it
  /// has no commit point: before partition_log::remove_all and restart_at.
  status forget(const log_id&, const std::optional<commit_point>& left = std::nullopt);
  /// Before a clean stop: everything, `durability = 'os'` included, is in place and durable.
  status close();

  const group_commit_stats& stats() const noexcept;

 private:
  struct state;
  explicit group_commit(std::unique_ptr<state>);
  std::unique_ptr<state> s_;
};

}  // namespace weir
