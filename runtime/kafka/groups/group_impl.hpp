// The state behind kafka::group, shared by its source files:
//   group.cpp            requests come in, writes end, timers fire
//   classic_join.cpp     JoinGroup and the join phase      classic_sync.cpp  the rest of the
//   protocol consumer.cpp         KIP-848 heartbeats                 consumer_change.cpp  changes
//   to members mixed.cpp            classic members in consumer groups convert.cpp       classic
//   <-> consumer offsets.cpp          committed offsets                  describe.cpp      what
//   tools see restore.cpp          the log's records
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/kafka/groups/assignors.hpp"
#include "runtime/kafka/groups/classic_group.hpp"
#include "runtime/kafka/groups/consumer_members.hpp"
#include "runtime/kafka/groups/group.hpp"
#include "runtime/kafka/groups/offset_store.hpp"
#include "runtime/kafka/groups/regex_topics.hpp"
#include "runtime/kafka/groups/timers.hpp"

namespace weir::kafka::membership {

/// Why a request is refused; message only where the protocol has room for one.
struct refusal {
  error_code code = error_code::none;
  std::string message;
  explicit operator bool() const { return code != error_code::none; }
};

/// What a request changes: the records, and how to take back what was changed in memory already.
struct change {
  std::vector<group_record> records;
  std::vector<std::function<void()>> undo;
  void take_back() {
    for (auto it = undo.rbegin(); it != undo.rend(); ++it) (*it)();
    undo.clear();
    records.clear();
  }
};

struct pending_write {
  std::vector<group_reply> replies;  // go out when it is durable; as errors if it fails
  std::vector<std::function<void()>> undo;
  std::vector<offset_change> offsets;
  /// For the classic protocol, which takes back nothing but has its own way on.
  std::function<void(error_code, int64_t now_ms, group_effects&)> done;
};

/// The error that clients get for a failed append to __consumer_offsets.
error_code client_error(error_code append_error) noexcept;
/// Sets a response's error, in all of its parts.
void set_error(group_response&, error_code);

}  // namespace weir::kafka::membership

namespace weir::kafka {

using namespace membership;  // NOLINT: the group is made of it

struct group::impl {
  impl(std::string i, const group_options& o, std::shared_ptr<const topic_view> t)
      : group_id(std::move(i)), options(o), topics(std::move(t)) {}

  std::string group_id;
  group_options options;
  std::shared_ptr<const topic_view> topics;
  // At most one of the two; none: no membership was ever recorded, or it was deleted.
  std::shared_ptr<classic_group> classic;
  std::shared_ptr<consumer_members> consumer;
  offset_store offsets;
  regex_topics regexes;
  timer_set timers;
  bool topics_stale = true;  // the next heartbeat compares the topics with those assigned
  uint64_t last_write = 0;
  std::map<uint64_t, pending_write> writes;
  bool diverged = false;  // see group::diverged()

  // group.cpp
  void reply(const group_call&, group_response, group_effects&);
  void answer(reply_token, group_response, group_effects&);
  /// At the end of each call: when to be woken.
  void settle(int64_t now_ms, group_effects&);
  void refuse_beat(const group_call&, const refusal&, group_effects&);
  /// Appends the records, or (no records) lets the reply wait for the writes that it builds upon.
  void commit(change&&, std::optional<group_reply>, group_effects&);
  pending_write& append(std::vector<group_record>, group_effects&);
  void fail_writes_from(uint64_t id, error_code, int64_t now_ms, group_effects&);
  void fire(const timer_set::key&, int64_t now_ms, group_effects&);
  bool visible() const;
  bool empty_group() const;
  void tombstones(change&);
  /// A new consumer group in place of nothing or of an empty classic one.
  void make_consumer(change&);
  void drop_membership(change&);
  classic_group& classic_or_new(int64_t now_ms);

  // classic_join.cpp
  void classic_join(const group_call&, const join_group_request&, group_effects&);
  void join_new(const group_call&, const join_group_request&, group_effects&);
  void join_known(const group_call&, const join_group_request&, group_effects&);
  void replace_static(const group_call&, const join_group_request&, const std::string& old_id,
                      const std::string& new_id, group_effects&);
  void add_and_rebalance(const group_call&, const join_group_request&, const std::string& member_id,
                         group_effects&);
  void update_and_rebalance(const group_call&, const join_group_request&, classic_member&,
                            group_effects&);
  void rebalance_or_complete(int64_t now_ms, group_effects&);
  void prepare_rebalance(int64_t now_ms, group_effects&);
  void initial_wait_over(int64_t now_ms, group_effects&);
  int64_t initial_wait_end_ms = 0;  // an initial rebalance waits no longer
  void maybe_complete_join(int64_t now_ms, group_effects&);
  void complete_join(int64_t now_ms, group_effects&);
  void set_waiting_join(classic_member&, reply_token, group_effects&);
  void finish_join(classic_member&, join_group_response, group_effects&);
  void refuse_join(const group_call&, const std::string& member_id, error_code, group_effects&);
  join_group_response join_response(const classic_member&, bool with_members) const;
  void record_empty(const group_call&, group_effects&);

  // classic_sync.cpp
  void classic_sync(const group_call&, const sync_group_request&, group_effects&);
  void finish_sync(classic_member&, sync_group_response, group_effects&);
  void leader_synced(const sync_group_request&, int64_t now_ms, group_effects&);
  void propagate(error_code, int64_t now_ms, group_effects&);
  error_code classic_heartbeat(const heartbeat_request&, int64_t now_ms);
  void classic_leave(const group_call&, const leave_group_request&, group_effects&);
  error_code leave_one(const std::string& member_id, const std::optional<std::string>& instance_id,
                       group_effects&);
  void release_waiting(classic_group&, error_code, group_effects&);
  void touch(const classic_member&, int64_t now_ms);
  void expire_classic(const std::string& member_id, int64_t now_ms, group_effects&);
  void expire_syncs(int64_t now_ms, group_effects&);
  void drop_pending_sync(const std::string& member_id);
  group_record classic_record(const std::map<std::string, std::string>* assignment) const;

  // consumer.cpp
  void consumer_join_or_beat(const group_call&, const consumer_group_heartbeat_request&,
                             group_effects&);
  void consumer_leave(const group_call&, const consumer_group_heartbeat_request&, group_effects&);
  refusal check(const consumer_group_heartbeat_request&, int16_t version) const;
  struct who {  // the caller of a request
    const std::string& member_id;
    const std::optional<std::string>& instance_id;
    int32_t epoch = 0;
    bool create = false;   // a member that joins
    bool classic = false;  // by JoinGroup
  };
  /// The member as it is, or a new one; a static member that comes back replaces its old self.
  refusal resolve(const who&, const std::optional<assignment>& owned, change&,
                  consumer_member& out);
  refusal check_epoch(const consumer_member&, int32_t epoch,
                      const std::optional<assignment>& owned) const;
  void fence(const std::string& member_id, change&, int64_t now_ms, group_effects&);
  void consumer_timer(const timer_set::key&, int64_t now_ms, group_effects&);

  // consumer_change.cpp: each changes memory and notes the record and the way back.
  void put_member(consumer_member, bool metadata, bool current, change&);
  void erase_member(const std::string& member_id, change&);
  void put_target(const std::string& member_id, assignment, change&);
  void bump_epoch(change&);
  void record_epoch(change&);
  void set_target_epoch(change&);
  /// Stores the member, and if it or the topics changed: a new epoch, and a new target for all.
  void update_membership(const consumer_member& before, const consumer_member& after, change&);
  void assign_all(change&);
  /// Subscribed topics (names and patterns) that exist, by id.
  std::vector<uuid> topics_of(const consumer_member&);
  uint64_t hash_topics();
  std::string assignor_name() const;
  refusal step_member(consumer_member&, const std::optional<assignment>& owned, int64_t now_ms,
                      change&);
  void session(const consumer_member&, int64_t now_ms);
  void cancel_member_timers(const std::string& member_id);
  void reset_timers(int64_t now_ms);

  // mixed.cpp
  void mixed_join(const group_call&, const join_group_request&, group_effects&);
  void mixed_sync(const group_call&, const sync_group_request&, group_effects&);
  error_code mixed_heartbeat(const heartbeat_request&, int64_t now_ms);
  void mixed_leave(const group_call&, const leave_group_request&, group_effects&);
  /// `by_instance`: the member id may be left out.
  member_ptr mixed_member(const std::string& member_id, const std::optional<std::string>& inst,
                          bool by_instance, error_code&) const;

  // convert.cpp
  /// Makes the classic group a consumer group, if it may. None, or the error.
  refusal upgrade(int64_t now_ms, change&, group_effects&);
  bool may_downgrade(const std::string& without) const;
  /// Makes the consumer group a classic one of its members but `without`. `keep_going`: if all have
  /// their assignment they go on with it; else the group rebalances.
  void downgrade(int64_t now_ms, const std::string& without, bool keep_going, change&,
                 group_effects&);

  // offsets.cpp
  refusal check_commit(const std::string& member_id, const std::optional<std::string>& instance_id,
                       int32_t epoch, bool transactional, int16_t version, int64_t now_ms);
  void write_offsets(std::vector<offset_change>, group_reply, int64_t producer_id,
                     int16_t producer_epoch, group_effects&);
  group_record offset_record(const offset_change&) const;
  bool subscribed_to(const std::string& topic);
  void expire_offsets(int64_t now_ms, group_effects&);
  void forget_offsets(const std::vector<offset_key>&, group_effects&);

  // restore.cpp
  status restore_offset(std::string_view key, const std::optional<std::string_view>& value,
                        int64_t producer_id);
  status restore_epoch(std::string_view key, const std::optional<std::string_view>& value);
  status restore_member(std::string_view key, const std::optional<std::string_view>& value);
};

}  // namespace weir::kafka
