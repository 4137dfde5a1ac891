// What the transaction coordinator asks its driver to do: answers, records for the internal topic
// __transaction_state, markers for partitions, and when to wake it. Plain data.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/kafka/protocol/error_code.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir::kafka {

using reply_token = uint64_t;

struct transaction_partition {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const transaction_partition&) const = default;
};

/// The answer to check_partitions(): one error per asked partition, in the order asked.
struct partition_check_response {
  std::vector<std::pair<transaction_partition, error_code>> partitions;
};

/// The answer to force_abort().
struct force_abort_response {
  error_code error = error_code::none;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
};

using transaction_response = std::variant<init_producer_id_response, add_partitions_to_txn_response,
                                          add_offsets_to_txn_response, end_txn_response,
                                          partition_check_response, force_abort_response>;

struct transaction_reply {
  reply_token token = 0;
  transaction_response response;
};

/// One record for __transaction_state: append it (acks=all) to `partition` and call on_written(id).
/// No value: a tombstone. Writes of one call may share a batch; their order counts.
struct transaction_write {
  uint64_t id = 0;
  int32_t partition = 0;
  std::string key;
  std::optional<std::string> value;
  int64_t timestamp_ms = 0;
};

/// Markers to write: append one to each partition (kafka::partition::write_marker) and call
/// on_markers_written(id, ...). `offsets_partitions` are those of __consumer_offsets: besides the
/// marker, every group that lives there hears on_transaction_end(producer_id, commit).
struct transaction_markers {
  uint64_t id = 0;
  std::string transactional_id;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t coordinator_epoch = 0;
  bool commit = false;
  std::vector<transaction_partition> partitions;
  std::vector<int32_t> offsets_partitions;
};

struct transaction_effects {
  std::vector<transaction_reply> replies;
  std::vector<transaction_write> writes;
  std::vector<transaction_markers> markers;
  /// Not 0: get so many fresh producer ids and call on_producer_ids(); not asked again before.
  int64_t producer_ids_wanted = 0;
  /// Call on_timer() at this time or later; replaces what an earlier call said. None: no timer.
  std::optional<int64_t> next_wake_ms;
};

}  // namespace weir::kafka
