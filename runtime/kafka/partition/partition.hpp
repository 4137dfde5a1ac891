// One partition as Kafka's clients see it: a partition_log and what its producers did. Owned by one
// actor and called by it only; nothing blocks except open() and what is marked so. Bytes leave as
// log_writes for the committer, reads that need the disk and other file work as jobs and chores for
// an io_executor.
// Always holds: what is staged is invisible to readers; the high watermark is what all in-sync
// replicas have durably, which for a partition without followers is the committed end;
// log start <= last stable offset <= high watermark <= log end (the LSO stands still before an open
// transaction, unless records were deleted past its start).
//
//   produce / write_marker -> write -> committer -> committed(end) or failed()
//   fetch -> result, or a job and then complete_fetch with what it gave
//   a follower: copy -> writes -> committer -> committed(end); see runtime/kafka/replication
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/base/result.hpp"
#include "runtime/kafka/partition/leader_epochs.hpp"
#include "runtime/kafka/partition/producer_state.hpp"
#include "runtime/kafka/partition/role.hpp"
#include "runtime/kafka/protocol/error_code.hpp"
#include "runtime/kafka/replication/leader_view.hpp"
#include "runtime/log/compaction.hpp"
#include "runtime/log/partition_log.hpp"

namespace weir::kafka {

/// What producer state needs of a batch that stands (or will stand) at `base_offset`.
batch_facts facts_of(record_batch_view, int64_t base_offset);

/// A snapshot of the producers is due when this much was written since the last, or a segment was
/// rolled: what a start after a crash has to read over at most, as headers.
inline constexpr uint64_t snapshot_interval_bytes = uint64_t{256} << 20;
/// Transactions that wait for the coordinator's word. Beyond it: COORDINATOR_LOAD_IN_PROGRESS,
/// which clients retry.
inline constexpr size_t verifications_max = 10'000;

/// Topic configuration beyond log_config. Names and defaults are Kafka's.
struct partition_config {
  std::string name;                      // "topic-3", for messages
  uint64_t message_bytes_max = 1048588;  // max.message.bytes
  timestamp_type timestamps = timestamp_type::create_time;
  int64_t timestamp_before_max_ms = INT64_MAX;
  int64_t timestamp_after_max_ms = 3'600'000;
  int64_t producer_expiration_ms = 86'400'000;  // producer.id.expiration.ms
  /// The first batch of a transaction has to be confirmed by the transaction coordinator
  /// (KIP-890; transaction.partition.verification.enable).
  bool verify_transactions = false;
  /// Look at every record of uncompressed batches, as Kafka does. (Compressed ones are opened
  /// when the topic is compacted or has a timestamp_before_max_ms only.)
  bool check_records = true;
  int64_t replica_lag_ms_max = 30'000;  // replica.lag.time.max.ms
};

/// Errors of single records, for ProduceResponse v8+: at most this many are told.
inline constexpr size_t record_errors_max = 16;
struct record_error {
  int32_t index = 0;
  std::string message;
};

struct produce_outcome {
  enum class kind : uint8_t {
    staged,              // give `write` to the committer; answer when committed(end_offset) came
    duplicate,           // is there already: answer with base_offset now
    pending_duplicate,   // as staged, but nothing to write: its first copy is on its way
    needs_verification,  // ask the coordinator, then produce again with `verification`
    rejected,            // answer with error and message
  };
  kind what = kind::rejected;
  error_code error = error_code::none;
  std::string message;
  std::vector<record_error> record_errors;
  int64_t base_offset = -1;
  int64_t end_offset = -1;          // exclusive: committed() reaching it answers this one
  int64_t log_append_time_ms = -1;  // -1 with CreateTime
  log_write write;
  uint64_t verification = 0;
  int64_t producer_id = -1;  // with needs_verification
  int16_t producer_epoch = -1;
};

/// How far the partition is.
struct progress {
  int64_t log_end = 0;  // durable here: what acks = 1 waits for
  int64_t high_watermark = 0;
  int64_t last_stable_offset = 0;
};

/// What became of batches from the leader. Writes go to the committer, in their order, even when
/// there is an error, which is about what comes behind them.
struct copy_outcome {
  error_code error = error_code::none;
  std::string message;
  int64_t end_offset = -1;  // exclusive, of what was staged; -1: nothing was
  std::vector<log_write> writes;
};

/// Where a follower reads on.
struct copy_position {
  int64_t offset = 0;       // what it has durably
  int32_t last_epoch = -1;  // of its last batch; -1: none
  int64_t log_start = 0;
};

/// What a follower has to do before it can read on: cut its log at `offset`, or, with `restart`,
/// drop it all and begin anew there.
struct truncation {
  int64_t offset = 0;
  bool restart = false;
};

enum class isolation : int8_t {
  read_uncommitted = 0,
  read_committed = 1,
  replica = 2,  // up to the log's end: a follower's, and a coordinator's that takes over
};

struct fetch_query {
  int64_t offset = 0;
  uint64_t bytes_max = uint64_t{1} << 20;
  isolation level = isolation::read_uncommitted;
  /// The first batch comes whole even if it is larger than bytes_max.
  bool whole_first = true;
  int32_t current_leader_epoch = -1;
  int32_t last_fetched_epoch = -1;
  /// Consumers that do not know KIP-392 are served by the leader only.
  bool leader_only = false;
  /// Set: a consumer's, by rising number the live nodes of its rack (KIP-392).
  std::shared_ptr<const std::vector<int32_t>> near;
  // Of a follower, which reads up to the log's end.
  int32_t replica = no_node;
  int64_t incarnation = -1;
  int64_t replica_log_start = -1;
  bool note_position = false;  // once for each of its requests, when it comes
  int64_t now_ms = 0;
};

struct fetch_answer {
  error_code error = error_code::none;
  int64_t high_watermark = -1;
  int64_t last_stable_offset = -1;
  int64_t log_start_offset = -1;
  log_read read;
  std::vector<aborted_transaction> aborted;  // by first_offset; with read_committed only
  /// Then there are no records. With OFFSET_OUT_OF_RANGE, to a follower: where the log ends.
  std::optional<epoch_end> diverging;
  /// KIP-392: read there instead; then there are no records.
  int32_t preferred_replica = no_node;
  /// A follower has not heard of this high watermark yet: the answer does not wait for records.
  bool news = false;
  /// Set: the read needs the disk. Run it on an io_executor, then call complete_fetch with the same
  /// query and this answer's last_stable_offset.
  std::function<result<log_read>()> job;
};

/// Special timestamps of ListOffsets.
inline constexpr int64_t offset_latest = -1;
inline constexpr int64_t offset_earliest = -2;
inline constexpr int64_t offset_max_timestamp = -3;
inline constexpr int64_t offset_earliest_local = -4;
inline constexpr int64_t offset_latest_tiered = -5;

struct offset_answer {
  error_code error = error_code::none;
  int64_t timestamp_ms = -1;
  int64_t offset = -1;
  int32_t leader_epoch = -1;
  /// Set: run it on an io_executor, then call complete_offset.
  std::function<result<timestamp_offset>()> job;
};

struct delete_records_answer {
  error_code error = error_code::none;
  std::string message;
  int64_t low_watermark = -1;
};

struct partition_open_options {
  log_open_options log;
  /// clean_state() of the last stop, beside log.clean_summary.
  std::string clean_state;
  int32_t leader_epoch = 0;  // where there is no role
  partition_role role;
  int64_t now_ms = 0;
};

/// What opening did beside the log's own recovery_report.
struct producer_recovery {
  bool clean = false;            // clean_state was used
  int64_t snapshot_offset = -1;  // of the snapshot file that was used
  uint64_t batches_scanned = 0;
  std::vector<std::string>
      problems;  // snapshot files that were refused, markers that cannot be read
};

class partition {
 public:
  /// Blocks unless after a clean stop. The cache must outlive the partition.
  static result<std::unique_ptr<partition>> open(file_cache& cache, log_id id, std::string folder,
                                                 log_config log, partition_config config,
                                                 partition_open_options options = {});
  ~partition();
  const producer_recovery& recovery() const noexcept { return recovery_; }
  const partition_config& config() const noexcept { return config_; }
  void set_config(const partition_config&, const log_config&);
  /// For what has no face here: sizes, segments, the recovery report, compaction jobs.
  partition_log& log() noexcept { return *log_; }
  const partition_log& log() const noexcept { return *log_; }

  // ---- Writing. ----

  /// One batch of a client, as it came; `batch` is patched (offset, leader epoch, append time) and
  /// kept alive by `owner` until written.
  produce_outcome produce(std::span<std::byte> batch, std::shared_ptr<const void> owner,
                          int64_t now_ms, uint64_t verification = 0);
  /// The broker's own batches, from record_batch_builder: records of internal topics, offsets of a
  /// transaction (with producer id, without sequence).
  produce_outcome append(std::span<std::byte> batches, std::shared_ptr<const void> owner,
                         int64_t now_ms);
  /// Ends the transaction of a producer here. INVALID_PRODUCER_EPOCH,
  /// TRANSACTION_COORDINATOR_FENCED.
  produce_outcome write_marker(int64_t producer_id, int16_t producer_epoch, bool commit,
                               int32_t coordinator_epoch, int64_t now_ms);
  /// As the committer reported: everything below `end_offset` is durable.
  progress committed(int64_t end_offset);
  /// Everything staged is lost: all that wait for an end_offset above the log's end are answered
  /// with KAFKA_STORAGE_ERROR.
  progress failed();

  int64_t high_watermark() const noexcept {
    return replicated_ ? high_watermark_ : log_->log_end_offset();
  }
  int64_t log_end_offset() const noexcept { return log_->log_end_offset(); }
  int64_t last_stable_offset() const;
  int64_t log_start_offset() const noexcept { return log_->log_start_offset(); }
  int32_t leader_epoch() const noexcept { return leader_epoch_; }
  /// A new term of this node as the leader: batches staged from now on carry it. For a partition
  /// without a role.
  void set_leader_epoch(int32_t epoch) noexcept { leader_epoch_ = epoch; }

  // ---- Its place in the cluster. ----

  const partition_role& role() const noexcept { return role_; }
  /// As the metadata says it; an older one than what is known changes nothing. Who led and does not
  /// any more answers what waits with NOT_LEADER_OR_FOLLOWER; what was staged becomes durable or
  /// not, and is cut where the new leader does not have it.
  void set_role(const partition_role&, int64_t now_ms);
  /// Whether clients may write here: it leads, or nobody gave it a role.
  bool leads() const noexcept { return role_.self == no_node || role_.leads(); }
  /// Whether others have it too; without, nothing here costs anything.
  bool replicated() const noexcept { return replicated_; }
  /// Whether as many are in sync as acks = all needs.
  bool enough_in_sync() const noexcept;
  progress now() const { return {log_end_offset(), high_watermark(), last_stable_offset()}; }
  /// The leader's: what time, a follower's fetch or a new role has moved.
  progress look(int64_t now_ms);
  /// The leader's: a change of the in-sync set to ask the metadata for; and its answer.
  std::optional<in_sync_proposal> propose(int64_t now_ms);
  void answered(uint64_t proposal, error_code, int64_t now_ms);
  /// Whether look() and propose() are to be called again after a while.
  bool waits_for_time(int64_t now_ms) const;
  /// Null unless it leads others.
  const leader_view* followers() const noexcept { return leader_.get(); }

  /// A follower's: where it reads on. Nothing may be staged.
  copy_position position() const;
  /// A follower's: batches from its leader in this epoch, checked, staged as they are. Those that
  /// it has are left out. OFFSET_OUT_OF_RANGE when they do not follow what is here: a log without
  /// records has to be restarted then. CORRUPT_MESSAGE. NOT_LEADER_OR_FOLLOWER and
  /// FENCED_LEADER_EPOCH when its role is another one by now.
  copy_outcome copy(std::span<const std::byte> batches, std::shared_ptr<const void> owner,
                    int32_t leader_epoch, int64_t now_ms);
  /// A follower's: what the leader's answer said beside the batches; applied as far as the log is
  /// durable.
  progress followed(int32_t leader_epoch, int64_t leader_high_watermark, int64_t leader_log_start);
  /// A follower's: what the leader's word where the logs part asks for (KIP-279, KIP-595). Cutting
  /// may have to be repeated: the leader says the same again then.
  truncation truncation_for(epoch_end diverging) const;
  /// The commit point that group_commit::forget is to leave before it; none for a log that begins
  /// anew. Blocks.
  result<std::optional<commit_point>> point_for(const truncation&) const;
  /// Nothing may be staged; group_commit::forget first. Blocks.
  status truncate(const truncation&, int64_t now_ms);

  // ---- Reading. ----

  fetch_answer fetch(const fetch_query&);
  fetch_answer complete_fetch(const fetch_query&, int64_t last_stable_offset, result<log_read>);
  offset_answer list_offset(int64_t timestamp_ms, isolation level,
                            int32_t current_leader_epoch = -1);
  offset_answer complete_offset(result<timestamp_offset>) const;
  /// OffsetForLeaderEpoch: the error is about `current_leader_epoch` (-1: not told).
  std::pair<error_code, epoch_end> offset_for_leader_epoch(int32_t current_leader_epoch,
                                                           int32_t epoch) const;
  std::vector<producer_description> describe_producers() const { return producers_.describe(); }
  std::optional<int32_t> last_sequence(int64_t producer_id, int16_t epoch) const {
    return producers_.last_sequence(producer_id, epoch);
  }
  bool has_late_transaction(int64_t now_ms, int64_t timeout_ms) const {
    return producers_.has_late_transaction(now_ms, timeout_ms);
  }

  // ---- Keeping and removing. ----

  /// Kafka's DeleteRecords; -1 stands for the high watermark. It is to be answered when
  /// low_watermark() has come to what this says, after the log's chores.
  delete_records_answer delete_records(int64_t offset);
  /// Nothing below it comes back: not after a crash, and not from another node that comes to lead.
  int64_t low_watermark() const;
  /// Retention of the log and of producers; now and then. Returns dropped segments.
  size_t apply_retention(int64_t now_ms);
  /// Removes committed records from `offset` on and rebuilds what is known of producers. Nothing
  /// may be staged. Blocks.
  status truncate_to(int64_t offset, int64_t now_ms);
  /// Filled with what this partition knows: aborted batches, last batches of producers, the LSO.
  compaction_options make_compaction_options() const;
  /// The log's chores, and a snapshot of the producers when enough was written since the last.
  std::vector<log_chore> take_chores();

  // ---- Stopping. ----

  /// For clean_partition::extra, beside log().summary(). Nothing may be staged.
  std::string clean_state() const;

 private:
  struct verification_entry {
    uint64_t guard = 0;
    int16_t producer_epoch = -1;
    int32_t lowest_sequence = 0;
    int64_t since_ms = 0;
  };
  partition(std::unique_ptr<partition_log>, std::string folder, file_system&, partition_config,
            int32_t leader_epoch);
  status recover(const partition_open_options&);
  status rebuild(int64_t now_ms);
  status cut(const truncation&, int64_t now_ms);
  status replay(record_batch_view, int64_t now_ms);
  std::optional<produce_outcome> check_batch(record_batch_view) const;
  std::optional<produce_outcome> check_records(record_batch_view, int64_t now_ms) const;
  std::optional<produce_outcome> check_producer(record_batch_view, int64_t now_ms,
                                                uint64_t verification);
  produce_outcome stage(std::span<std::byte> batches, std::shared_ptr<const void> owner,
                        int64_t now_ms);
  error_code check_leader_epoch(int32_t current) const noexcept;
  error_code check_reader(int32_t current_epoch, bool leader_only) const noexcept;
  void advance();
  /// Of one batch that has its offset; `whole` if it is all there, else its marker is read.
  status note_copied(record_batch_view, bool whole, int64_t now_ms);
  fetch_answer offsets() const;

  std::unique_ptr<partition_log> log_;
  std::string folder_;
  file_system& files_;
  partition_config config_;
  int32_t leader_epoch_ = 0;
  producer_state producers_;
  leader_epochs epochs_;
  producer_recovery recovery_;
  absl::flat_hash_map<int64_t, verification_entry> verifications_;
  uint64_t next_guard_ = 1;
  int64_t snapshot_offset_ = -1;   // of the newest snapshot asked for
  int64_t snapshot_segment_ = -1;  // the segment that was being written then
  uint64_t bytes_since_snapshot_ = 0;
  // Its place in the cluster.
  partition_role role_;
  bool replicated_ = false;
  int64_t high_watermark_ = 0;                                  // while it is replicated
  int64_t leader_high_watermark_ = -1, leader_log_start_ = -1;  // as a follower was told
  std::unique_ptr<leader_view> leader_;                         // while it leads others
  int64_t now_ms_ = 0;                                          // the latest that it was told
};

}  // namespace weir::kafka
