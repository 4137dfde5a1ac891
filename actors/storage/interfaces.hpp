// The actors of stream storage, declared together: partitions, the committer, the topics. Their
// messages stay in one process: they carry buffers, files and waiters by address. (Clients reach a
// partition on another node by that node's own listener.)
#pragma once

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "runtime/kafka/partition/partition.hpp"
#include "runtime/kafka/partition/refused_batches.hpp"
#include "runtime/kafka/partition/role.hpp"
#include "runtime/kafka/replication/fetch_plan.hpp"

namespace weir {

/// What became of an append; see kafka::produce_outcome.
struct append_reply {
  kafka::error_code error = kafka::error_code::none;
  std::string message;
  std::vector<kafka::record_error> record_errors;
  int64_t base_offset = -1;
  int64_t log_append_time_ms = -1;
  int64_t log_start_offset = -1;
  /// Set with needs_verification: the transaction coordinator has to be asked, then the same append
  /// is sent again with it and the answer, whatever it is: the producer's next batches wait.
  uint64_t verification = 0;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
};

/// Who waits for partitions. Called on a partition's thread: must hand on and return. `slot` is the
/// asker's own number for the partition that it asked.
class append_waiter {
 public:
  virtual ~append_waiter() = default;
  virtual void appended(uint32_t slot, append_reply) = 0;
};
class fetch_waiter {
 public:
  virtual ~fetch_waiter() = default;
  virtual void fetched(uint32_t slot, kafka::fetch_answer) = 0;
  /// Nobody waits any more: partitions forget it.
  virtual bool gone() const = 0;
};
class offset_waiter {
 public:
  virtual ~offset_waiter() = default;
  virtual void found(uint32_t slot, kafka::offset_answer) = 0;
};

struct append_message {
  enum class source : uint8_t {
    client,  // one batch as it came: sequence, size and records are checked
    own,     // the broker's own batches
  };
  source from = source::client;
  std::span<std::byte> batch;
  std::shared_ptr<const void> owner;  // keeps `batch` alive
  /// Of an append that is sent again: the one that was asked for, and what the coordinator says of
  /// it, in the words that the producer is told.
  uint64_t verification = 0;
  kafka::error_code verified = kafka::error_code::none;
  std::shared_ptr<append_waiter> waiter;  // null: nobody asks (acks = 0)
  uint32_t slot = 0;
  /// Of the partition, by this node, before it had this actor.
  std::vector<kafka::refused_batches::batch> refused_before;
  /// The leadership in which it may be appended; in another one: NOT_LEADER_OR_FOLLOWER. -1: any.
  int32_t leader_epoch = -1;
  /// -1: answered when all in-sync replicas have it, refused when they are too few; 1, 0: when it
  /// is durable here.
  int8_t acks = -1;
  /// Of waiting for other replicas: then REQUEST_TIMED_OUT, and it may come to be all the same.
  int32_t timeout_ms = 30'000;
};
struct marker_message {
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  bool commit = false;
  int32_t coordinator_epoch = 0;
  std::shared_ptr<append_waiter> waiter;
  uint32_t slot = 0;
};
struct fetch_message {
  kafka::fetch_query query;
  /// With nothing to read at the offset: answer as soon as there is, instead of now.
  bool wait = false;
  std::shared_ptr<fetch_waiter> waiter;
  uint32_t slot = 0;
};
struct offset_message {
  int64_t timestamp_ms = -1;
  kafka::isolation level = kafka::isolation::read_uncommitted;
  int32_t current_leader_epoch = -1;
  std::shared_ptr<offset_waiter> waiter;
  uint32_t slot = 0;
};
/// A function over the open partition: what admin requests and reports need. It must not block;
/// `error` says why the partition cannot be opened, then the pointer is null.
struct visit_message {
  std::function<void(kafka::partition*, const error*)> visit;
};
/// Whether this partition leads in an epoch: NONE only if nobody else has led since it was asked,
/// whatever this node believes. NOT_LEADER_OR_FOLLOWER: somebody has; REQUEST_TIMED_OUT: the
/// metadata did not answer.
struct leadership_message {
  int32_t leader_epoch = 0;
  std::function<void(kafka::error_code)> done;  // on the partition's thread
};
/// Kafka's DeleteRecords. Answered when nothing of it can come back: all that are in sync have it
/// on their disks; or with REQUEST_TIMED_OUT, NOT_LEADER_OR_FOLLOWER.
struct delete_records_message {
  int64_t offset = 0;  // -1: the high watermark
  int32_t timeout_ms = 0;
  std::function<void(kafka::delete_records_answer)> done;
};
/// I/O executor: what the log wanted to be done up to this number is done, well or not.
struct chores_done_message {
  uint64_t number = 0;
};
/// The committer's news.
struct commit_message_of_log {
  commit_outcome outcome;
};
/// The I/O executor's: the partition is open, or not.
struct opened_message {
  std::shared_ptr<result<std::unique_ptr<kafka::partition>>> opened;
};
/// The I/O executor's: a part of a compaction is done. Itself, without result: the pause is over.
struct compaction_message {
  std::shared_ptr<compaction_job> job;
  std::shared_ptr<result<bool>> finished;
};
/// The I/O executor's: a read that needed the disk, or a look-up of an offset.
struct read_done_message {
  fetch_message request;
  int64_t last_stable_offset = -1;
  std::shared_ptr<result<log_read>> read;
};
struct looked_up_message {
  offset_message request;
  std::shared_ptr<result<timestamp_offset>> found;
};

/// A replica fetcher's: what this partition's leader has answered.
struct copied_message {
  kafka::fetched_partition news;  // its batches point into what `owner` holds
  std::shared_ptr<const void> owner;
};
/// The cluster's metadata has answered a proposal.
struct in_sync_answer_message {
  uint64_t proposal = 0;
  kafka::error_code answer = kafka::error_code::none;
};
/// The cluster's metadata has said whether this partition leads, or nobody answered.
struct still_leader_message {
  int32_t leader_epoch = 0;  // that it asked for
  kafka::error_code answer = kafka::error_code::none;
};

/// What a partition asks of the cluster's metadata. Implemented where the metadata is known
/// (cluster/node); thread-safe.
class replication_port {
 public:
  virtual ~replication_port() = default;
  /// The leader's word who is in sync from now on. `done` is called once, on any thread: with none
  /// when it is so (the new role follows as a message of its own, perhaps sooner); with
  /// INVALID_UPDATE_VERSION, FENCED_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER when a newer role exists,
  /// which comes too; with INELIGIBLE_REPLICA when one of them is not alive or has registered anew;
  /// with REQUEST_TIMED_OUT when nobody answered: ask again, it may have happened.
  virtual void alter_in_sync(const log_id&, const kafka::in_sync_proposal&,
                             std::function<void(kafka::error_code)> done) = 0;
  /// NONE: nobody else had become the leader when this was asked. NOT_LEADER_OR_FOLLOWER: somebody
  /// had; REQUEST_TIMED_OUT: nobody answered. `done` is called once, on any thread.
  virtual void confirm_leader(const log_id&, int32_t leader_epoch,
                              std::function<void(kafka::error_code)> done) = 0;
  /// The leader cannot write: `to`, which is in sync, is to lead. Whether it does is told by roles.
  virtual void hand_over(const log_id&, int32_t to) = 0;
};

/// A partition's log goes or is cut: group_commit::forget.
struct forget_message {
  log_id id;
  std::optional<commit_point> left;
};
/// I/O executor: the commit point that a log will have when it is cut; void when that cannot be
/// read.
struct cut_point_message {
  std::shared_ptr<result<std::optional<commit_point>>> left;
};

using tick_atom = caf::atom_constant<caf::atom("tick")>;
using replica_tick_atom = caf::atom_constant<caf::atom("repltick")>;
using config_atom = caf::atom_constant<caf::atom("config")>;
using removed_atom = caf::atom_constant<caf::atom("removed")>;
using remove_atom = caf::atom_constant<caf::atom("remove")>;

struct partition_settings {
  log_config log;
  kafka::partition_config partition;
  /// Clients' batches are kept in this codec; unset: as they come.
  std::optional<compression_type> codec;
  int64_t retention_check_ms = 300'000;  // between looks for what retention drops
};

/// One partition of a topic. Owns a kafka::partition, which it opens at its first message.
using partition_actor = caf::typed_actor<
    // Gateways, group and transaction coordinators: bytes to append, a transaction's end.
    caf::reacts_to<append_message>, caf::reacts_to<marker_message>,
    // Gateways: records to read, offsets to look up.
    caf::reacts_to<fetch_message>, caf::reacts_to<offset_message>,
    // Gateways, reports: anything else.
    caf::reacts_to<visit_message>, caf::reacts_to<leadership_message>,
    caf::reacts_to<delete_records_message>,
    // Committer: what became of staged writes.
    caf::reacts_to<commit_message_of_log>,
    // I/O executor: work that blocked.
    caf::reacts_to<opened_message>, caf::reacts_to<read_done_message>,
    caf::reacts_to<looked_up_message>, caf::reacts_to<compaction_message>,
    caf::reacts_to<cut_point_message>, caf::reacts_to<chores_done_message>,
    // Topics actor: its place in the cluster changed.
    caf::reacts_to<kafka::partition_role>,
    // Replica fetchers: what its leader said. The metadata: what became of a proposal. Itself: look
    // after followers that are silent and answers that are late.
    caf::reacts_to<copied_message>, caf::reacts_to<in_sync_answer_message>,
    caf::reacts_to<still_leader_message>, caf::reacts_to<replica_tick_atom>,
    // Topics actor: a changed configuration; look after retention and compaction.
    caf::reacts_to<config_atom, partition_settings>, caf::reacts_to<tick_atom>,
    // Topics actor: the topic is deleted; everything of it goes. Answered when the files are gone.
    caf::replies_to<remove_atom>::with<bool>,
    // I/O executor: they are gone.
    caf::reacts_to<removed_atom, bool>,
    // Topics actor: the node stops. Answered with the partition's record for the clean stop, which
    // is without summary when there is none to write.
    caf::replies_to<close_atom>::with<clean_partition>>;

/// Copies partitions from their leaders; actors/storage/replica_fetcher. Thread-safe.
class replica_source {
 public:
  virtual ~replica_source() = default;
  /// The partition is read from `leader` from here on; `later`: after a pause, for something went
  /// wrong. News comes as copied_message; after batches, a diverging epoch and OFFSET_OUT_OF_RANGE
  /// nothing more comes until this is called again.
  virtual void follow(const kafka::fetch_position&, int32_t self, int32_t leader,
                      const std::string& address, const partition_actor& who, bool later) = 0;
  virtual void forget(const log_id&) = 0;
  /// This node was registered (anew): leaders are told so with each fetch from now on.
  virtual void registered(int64_t registration) = 0;
};

/// Writes of all partitions of a node on their way to the committer. Partitions push, the committer
/// takes everything at once: one message and one round for all who wait.
class commit_queue {
 public:
  /// True when the committer has to be woken.
  bool push(log_write w) {
    std::lock_guard lock(mutex_);
    writes_.push_back(std::move(w));
    return writes_.size() == 1;
  }
  std::vector<log_write> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(writes_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<log_write> writes_;
};

/// The one writer of all partitions' segments on this node; detached, it blocks.
using committer_actor = caf::typed_actor<
    // Partitions: the queue has writes.
    caf::reacts_to<wake_atom>,
    // Partitions: a log is gone, or is going to be cut. Answered when nothing is kept of it.
    caf::replies_to<drop_atom, forget_message>::with<bool>,
    // The node stops: everything is durable when it is answered. Empty: done.
    caf::replies_to<close_atom>::with<std::string>>;

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::append_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::marker_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::fetch_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::offset_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::visit_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::commit_message_of_log)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::opened_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::compaction_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::read_done_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::looked_up_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::kafka::partition_role)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::copied_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::in_sync_answer_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::still_leader_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::leadership_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::partition_settings)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::clean_partition)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::forget_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::cut_point_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::delete_records_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::chores_done_message)
