// What a call of a group asks its driver to do: answers to send, records to append to
// __consumer_offsets, and when to call on_timer() next. Plain values, filled by one call on the
// group's thread and then owned by the driver.
//
// The driver appends the writes in their order, each as one batch, and reports each by
// group::on_written() in the same order. When a write fails because the log does (it rolls back to
// its last committed point), all later ones under way must fail with it. A write that is refused by
// itself (too large) may fail alone, unless it changed members of a consumer group:
// group::diverged().
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/kafka/protocol/error_code.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir::kafka {

/// Names a request that waits for its answer; chosen by the driver, unique among waiting ones.
using reply_token = uint64_t;

/// Who calls, and when. Groups read no clock and draw no random numbers.
struct group_call {
  reply_token token = 0;
  int16_t version = 0;  ///< Of the request.
  std::string_view client_id;
  std::string_view client_host;  ///< As Kafka shows it: "/127.0.0.1".
  int64_t now_ms = 0;            ///< Wall clock, since it is stored with offsets.
  uuid fresh_id;                 ///< Random; becomes a new member's id (JoinGroup, heartbeats).
};

using group_response =
    std::variant<join_group_response, sync_group_response, heartbeat_response, leave_group_response,
                 consumer_group_heartbeat_response, offset_commit_response,
                 txn_offset_commit_response, offset_delete_response,
                 delete_groups_response>;  // delete_groups: of this one group, for the driver to
                                           // merge

struct group_reply {
  reply_token token = 0;
  group_response body;
};

struct group_record {
  std::string key;
  std::optional<std::string> value;  ///< Nothing: a tombstone.
  friend bool operator==(const group_record&, const group_record&) = default;
};

struct group_write {
  uint64_t id = 0;  ///< Rises by one with each write of a group.
  std::vector<group_record> records;
  /// Of a TxnOffsetCommit: the batch is transactional, by this producer. -1: a plain batch.
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
};

struct group_effects {
  static constexpr int64_t no_wake = std::numeric_limits<int64_t>::max();
  std::vector<group_reply> replies;
  std::vector<group_write> writes;
  int64_t next_wake_ms = no_wake;  ///< Replaces what an earlier call asked for.
};

}  // namespace weir::kafka
