// One partition's log: segments of record batches as they came, what is staged and what is
// committed. Owned by one actor and called by it only. Calls that are not marked "blocks" touch no
// disk: bytes leave as log_writes for the committer, other work on files as log_chores for an
// io_executor. Always holds: log_start <= committed end <= staged end; readers never see what is
// not committed; offsets grow from batch to batch and from segment to segment.
//
//   stage -> log_write -> group_commit -> commit_outcome -> committed(end) or rollback()
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/log/log_types.hpp"
#include "runtime/log/record_batch.hpp"

namespace weir {

class compaction_job;
struct compaction_options;
struct log_segment;
using log_segment_ptr = std::shared_ptr<log_segment>;

struct staged_batches {
  int64_t base_offset = 0;
  int64_t last_offset = 0;
  log_write write;  // for the committer, in order
};

struct log_open_options {
  uint64_t owner = 0;  // comes back in every commit_outcome: lane->owner
  /// group_commit::point(id), if there is one.
  std::optional<commit_point> committed;
  /// What partition_log::summary() said before a clean stop; then nothing is read. Empty: the
  /// folder is looked at and its tail is checked.
  std::string clean_summary;
  /// Of the bytes before the commit point in the last segment, how many have their checksums
  /// verified; of the others the structure. Bounds the time of a start after a crash.
  uint64_t verify_bytes = uint64_t{64} << 20;
  /// What others have too: the log ends in front of the first damage, so that the rest is copied
  /// from the leader again. Else damage becomes a hole and the log goes on behind it.
  bool end_at_damage = false;
};

class partition_log {
 public:
  /// Blocks, unless there is a clean summary. Creates what is not there at the first write.
  /// The cache must outlive the log and all its files.
  static result<std::unique_ptr<partition_log>> open(file_cache& cache, log_id id,
                                                     std::string folder, log_config config,
                                                     log_open_options options = {});
  ~partition_log();
  const recovery_report& recovery() const noexcept;
  const log_id& id() const noexcept;
  const log_config& config() const noexcept;
  void set_config(const log_config&);

  // ---- Appending. ----

  /// Assigns offsets to one or more batches that verify_batch accepted: patches base offsets and
  /// leader epoch into `batches` and gives the write for the committer. `owner` keeps the bytes
  /// alive. Batches with offsets of their own (replication): stage_copied.
  result<staged_batches> stage(std::span<std::byte> batches, std::shared_ptr<const void> owner,
                               int32_t leader_epoch, int64_t now_ms);
  /// For followers: batches as their leader has them, with its offsets and leader epochs. Takes as
  /// many from the front as go into one segment's file, at least one, and takes them off
  /// `batches`: call again until it is empty. Offsets may leave gaps (compaction, damage). An empty
  /// log takes its first offset from them: it may lie before the log's start, within the first
  /// batch. errc::invalid_argument when they do not follow what is staged.
  result<staged_batches> stage_copied(std::span<const std::byte>& batches,
                                      std::shared_ptr<const void> owner, int64_t now_ms);
  /// As the committer reported.
  void committed(int64_t end_offset);
  /// Back to the committed end; once for each failure that the committer reports.
  void rollback();

  int64_t log_start_offset() const noexcept;
  /// What the log would start with after a crash: it follows when the chore of a deletion is done.
  int64_t durable_start_offset() const noexcept;
  int64_t log_end_offset() const noexcept;  // committed
  int64_t staged_end_offset() const noexcept;
  uint64_t size_bytes() const noexcept;  // committed
  size_t segment_count() const noexcept;
  /// Of what is committed.
  commit_point committed_point() const noexcept;

  // ---- Reading: [log_start_offset, log_end_offset). ----

  /// Without touching the disk, as is possible near the end and at positions that the index knows.
  /// Nothing: use read_job.
  std::optional<log_read> try_read(const read_request&);
  /// The same on an io_executor: independent of the log, sees what is committed now. Blocks.
  /// errc::not_found for an offset outside the log.
  std::function<result<log_read>()> read_job(const read_request&);
  /// try_read, else read_job at once: for tests and tools. May block.
  result<log_read> read(const read_request&);

  /// The first record with this timestamp or a later one, below `limit`; (-1, -1) when there is
  /// none. Blocks when it runs.
  std::function<result<timestamp_offset>()> timestamp_job(int64_t timestamp_ms,
                                                          int64_t limit = INT64_MAX);
  /// The record with the greatest timestamp (Kafka's ListOffsets -3) of the batches below `limit`.
  /// Blocks when it runs.
  std::function<result<timestamp_offset>()> max_timestamp_job(int64_t limit = INT64_MAX);
  /// Greatest timestamp of all batches, -1 in an empty log.
  int64_t max_timestamp() const noexcept;

  /// Calls `visit` with each committed batch from the one that holds `from` on, headers only: to
  /// rebuild producer state. Holes are left out. Blocks.
  status visit_batches(int64_t from, const std::function<status(record_batch_view)>& visit);

  // ---- Keeping and removing. ----

  /// Rolls and drops segments by age and size. Call it now and then; `log_start_offset` may grow.
  /// Returns how many segments went. Those that reach beyond `limit` stay: what is not on all
  /// in-sync replicas may yet have to be sent or cut.
  size_t apply_retention(int64_t now_ms, int64_t limit = INT64_MAX);
  /// Kafka's DeleteRecords: offsets below are gone. errc::invalid_argument above the committed end.
  status delete_records(int64_t offset);
  /// Where the log would end after truncate_to(offset): a bound for group_commit::forget, which
  /// comes first. Blocks.
  result<commit_point> point_at(int64_t offset) const;
  /// Removes committed records from `offset` on, for followers that diverged: the end is then
  /// `offset`, or where the batch begins that holds it. Nothing may be staged. Durable. Blocks.
  status truncate_to(int64_t offset);
  /// Removes everything; the log goes on, empty, at `offset`: for followers whose end is not in the
  /// leader's log any more. Nothing may be staged. Durable. Blocks.
  status restart_at(int64_t offset);
  /// Removes everything, files included. Blocks. Only the destructor may follow.
  status remove_all();

  /// Work that came up since the last call: indexes of closed segments, removal of dropped files.
  std::vector<log_chore> take_chores();

  /// A job that cleans closed segments by key, or null when there is too little to do. At most one
  /// at a time; see compaction.hpp.
  std::unique_ptr<compaction_job> begin_compaction(const compaction_options&, int64_t now_ms);
  /// Swaps in what the finished job made. A failed or abandoned job is just destroyed, after which
  /// compaction may begin anew.
  status finish_compaction(compaction_job&);
  void abandon_compaction();

  // ---- Stopping. ----

  /// All that open() needs after a clean stop. Everything staged must be committed or rolled back.
  std::string summary() const;

 private:
  struct state;
  explicit partition_log(std::unique_ptr<state>);
  std::unique_ptr<state> s_;
};

/// The record of a clean stop for all partitions of a node, with room for what the drivers want to
/// keep beside each (`extra`). Written last; taken away at the next start before anything changes,
/// so that a later crash is never taken for a clean stop.
struct clean_partition {
  log_id id;
  std::string summary;
  std::string extra;
};
status write_clean_stop(file_system&, const std::string& path, std::span<const clean_partition>);
/// Empty when there was no clean stop or the record is damaged; then partitions recover.
result<std::vector<clean_partition>> take_clean_stop(file_system&, const std::string& path);

}  // namespace weir
