// One consumer group: members of the classic protocol and of KIP-848, their assignments, and the
// group's committed offsets. A state machine without threads, clocks or sockets: a driver (an
// actor) owns it, calls it from one thread at a time, and carries out the group_effects that each
// call appends. Semantics and error codes are those of Kafka's group coordinator.
//
// What always holds: a partition belongs to at most one KIP-848 member at a time (a member must
// have given it up before another gets it); what an answer promises is durable; committed offsets
// change only by durable records, in the order of the log.
#pragma once

#include <memory>

#include "runtime/base/result.hpp"
#include "runtime/kafka/groups/effects.hpp"
#include "runtime/kafka/groups/options.hpp"
#include "runtime/kafka/groups/topic_view.hpp"

namespace weir::kafka {

/// A committed offset, for lag reports.
struct committed_offset {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
  int32_t leader_epoch = -1;
  std::string metadata;
  int64_t commit_time_ms = 0;
  bool pending_transaction = false;  ///< A transaction that would change it is open.
};

class group {
 public:
  /// An id without any state so far: requests see a group that does not exist.
  group(std::string id, const group_options& options, std::shared_ptr<const topic_view> topics);
  ~group();
  group(group&&) noexcept;
  group& operator=(group&&) noexcept;

  // Requests. Each gets exactly one reply with its token, in these effects or in later ones.
  void join(const group_call&, const join_group_request&, group_effects&);
  void sync(const group_call&, const sync_group_request&, group_effects&);
  void heartbeat(const group_call&, const heartbeat_request&, group_effects&);
  void leave(const group_call&, const leave_group_request&, group_effects&);
  void consumer_heartbeat(const group_call&, const consumer_group_heartbeat_request&,
                          group_effects&);
  void commit_offsets(const group_call&, const offset_commit_request&, group_effects&);
  void commit_offsets(const group_call&, const txn_offset_commit_request&, group_effects&);
  void delete_offsets(const group_call&, const offset_delete_request&, group_effects&);
  /// DeleteGroups for this group: one result.
  void delete_group(const group_call&, group_effects&);

  // Reads, answered at once.
  /// OffsetFetch names several groups: the driver asks each. Versions below 8 have one group and a
  /// layout of their own: see old_offset_fetch() and old_offset_fetch_response().
  offset_fetch_response::group fetch_offsets(const offset_fetch_request::group&,
                                             bool require_stable, int16_t version) const;
  describe_groups_response::group describe(int16_t version) const;
  consumer_group_describe_response::group consumer_describe(int16_t version) const;
  /// ListGroups entry; nothing if the group does not exist. Filters are the driver's.
  std::optional<list_groups_response::group> listed() const;
  std::vector<committed_offset> committed() const;

  // Events.
  /// At or after effects.next_wake_ms.
  void on_timer(int64_t now_ms, group_effects&);
  /// Write `id` is durable (error_code::none) or failed.
  void on_written(uint64_t id, error_code, int64_t now_ms, group_effects&);
  void on_topics_changed(std::shared_ptr<const topic_view>, int64_t now_ms, group_effects&);
  /// These topics are gone: their offsets are forgotten.
  void on_topics_deleted(const std::vector<std::string>& names, int64_t now_ms, group_effects&);
  /// The transaction marker of `producer_id` is durable in this group's partition.
  void on_transaction_end(int64_t producer_id, bool commit, int64_t now_ms, group_effects&);

  // Rebuilding, before any request: every record of this group in log order, then loaded().
  /// `producer_id`: of a transactional batch, else -1. Fails on a malformed record.
  status restore(std::string_view key, const std::optional<std::string_view>& value,
                 int64_t producer_id = -1);
  void restore_transaction_end(int64_t producer_id, bool commit);
  void loaded(int64_t now_ms, group_effects&);

  /// Whether requests see a group (members, offsets, or a record of it).
  bool exists() const;
  /// A change was taken back because an earlier one could not be written, and then became durable:
  /// the driver has to rebuild the group from the log. Never, if its log fails as effects.hpp asks.
  bool diverged() const;
  /// Nothing would be lost if the driver dropped this object.
  bool removable() const;
  const std::string& id() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// An OffsetFetch of version 1-7 as that of its one group, and the answer back in its layout.
offset_fetch_request::group old_offset_fetch(const offset_fetch_request&);
offset_fetch_response old_offset_fetch_response(offset_fetch_response::group&&);

}  // namespace weir::kafka
