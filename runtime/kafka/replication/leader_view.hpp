// What the leader of a partition knows of its followers: how far each has it durably, who is in
// sync, what it has asked the metadata to change. From it follow the high watermark and who may
// join or has to leave the in-sync set (KIP-497). A state machine: no clock, thread or actor; owned
// by a kafka::partition while it leads.
// Always holds: the high watermark counts every node that the metadata may take for in sync, those
// of a proposal without an answer included, so that whoever is elected has all that is below it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kafka/partition/role.hpp"
#include "runtime/kafka/protocol/error_code.hpp"

namespace weir::kafka {

/// A follower that is about to join holds the high watermark for so long after its last fetch:
/// under a steady stream it would else never reach it.
inline constexpr int64_t join_wait_ms = 1000;
/// A proposal that nobody answered is made again after this time.
inline constexpr int64_t proposal_retry_ms = 500;
/// A proposal that was taken, or refused for a newer role: the role follows. Ask again if not.
inline constexpr int64_t role_wait_ms = 5000;
/// After a refusal that no newer role explains, for instance of a node that is not alive.
inline constexpr int64_t refusal_pause_ms = 1000;

/// What the metadata is asked for: replication_port::alter_in_sync.
struct in_sync_proposal {
  uint64_t number = 0;  // the view's own; comes back with the answer
  int32_t leader_epoch = 0;
  int32_t version = 0;
  std::vector<int32_t> in_sync;
  /// Of each, the registration that it fetched under (KIP-903); -1: not told. Who has registered
  /// anew since may have lost what it said that it has.
  std::vector<int64_t> incarnations;
};

/// One fetch of a follower, whose position the leader has found to be in its own log.
struct replica_fetch {
  int32_t node = no_node;
  int64_t incarnation = -1;  // the follower's registration; -1: not told
  int64_t offset = 0;        // what it has durably
  int64_t log_start = -1;
  int64_t now_ms = 0;
};

class leader_view {
 public:
  leader_view(const partition_role&, int64_t epoch_start, int64_t lag_ms_max, int64_t now_ms);

  /// A newer role of the same leader. `epoch_start` matters with a new epoch only.
  void set_role(const partition_role&, int64_t epoch_start, int64_t now_ms);
  void set_lag(int64_t lag_ms_max) noexcept { lag_ms_max_ = lag_ms_max; }
  /// The epoch's first offset moves back: what was staged there is lost.
  void lower_epoch_start(int64_t offset) noexcept {
    if (offset < epoch_start_) epoch_start_ = offset;
  }
  int64_t epoch_start() const noexcept { return epoch_start_; }

  bool knows(int32_t node) const noexcept { return find(node) != nullptr; }
  /// STALE_BROKER_EPOCH when the follower's process is known to have been replaced.
  error_code fetched(const replica_fetch&, int64_t leader_end);
  /// Whether the follower has yet to be told this high watermark or log start; they count as told
  /// then.
  bool tell(int32_t node, int64_t high_watermark, int64_t log_start);

  /// Up to where all have it that count; `leader_end`: durable here. May be below the high
  /// watermark, which then stays. -1: some did not fetch in this epoch yet.
  int64_t committed_end(int64_t leader_end, int64_t now_ms) const;
  /// Below it nothing comes back whoever is elected: the least log start of all that count; `own`:
  /// the leader's. -1: some did not fetch in this epoch yet.
  int64_t low_watermark(int64_t own) const;
  /// A change to ask for, if there is one and none is under way, or the one without an answer
  /// again. Nobody is removed for lag who has everything; nobody joins who has not taken over the
  /// log's start.
  std::optional<in_sync_proposal> propose(int64_t high_watermark, int64_t leader_end,
                                          int64_t log_start, int64_t now_ms);
  void answered(uint64_t proposal, error_code, int64_t now_ms);
  bool pending() const noexcept { return pending_.has_value(); }
  /// Whether time alone may change something: then propose() and committed_end() are asked again.
  bool waits_for_time(int64_t leader_end, int64_t now_ms) const;

  /// As the metadata has it.
  size_t in_sync_count() const noexcept { return role_.in_sync.size(); }
  /// KIP-392: the in-sync follower of `near` that has the most, if it has `offset`; else no_node.
  int32_t preferred_of(const std::vector<int32_t>& near, int64_t offset) const;

  struct follower_facts {
    int32_t node = no_node;
    int64_t offset = -1;     // -1: did not fetch in this epoch
    int64_t log_start = -1;  //
    int64_t caught_up_ms = -1;
    bool in_sync = false;
  };
  std::vector<follower_facts> describe() const;

 private:
  static constexpr int64_t never = INT64_MIN / 2;
  struct follower {
    int32_t node = no_node;
    int64_t incarnation = -1;
    int64_t offset = -1;
    int64_t log_start = -1;
    int64_t fetched_ms = never;
    int64_t caught_up_ms = never;
    int64_t end_at_fetch = -1;  // of the leader's log, at the last fetch
    int64_t told = -1, told_start = -1;
    bool in_sync = false;
  };
  struct under_way {
    in_sync_proposal proposal;
    std::vector<int32_t> counted;  // who may be in sync by it
    bool lost = false;             // an attempt may have happened, or happen yet, without an answer
    int64_t again_ms = 0;
  };
  in_sync_proposal proposal_of(std::vector<int32_t> in_sync);
  const follower* find(int32_t node) const noexcept;
  follower* find(int32_t node) noexcept;
  bool caught_up(const follower&, int64_t leader_end, int64_t now_ms) const noexcept;
  bool may_join(const follower&, int64_t high_watermark, int64_t leader_end, int64_t log_start,
                int64_t now_ms) const noexcept;
  bool counts(const follower&) const;

  partition_role role_;
  int64_t epoch_start_ = 0;
  int64_t lag_ms_max_ = 0;
  std::vector<follower> followers_;  // all replicas but this one
  std::optional<under_way> pending_;
  uint64_t next_number_ = 1;
  int64_t not_before_ms_ = never;
};

}  // namespace weir::kafka
