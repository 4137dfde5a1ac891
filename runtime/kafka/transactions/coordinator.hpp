// The transaction coordinator as a state machine: fencing, open transactions, their end in two
// phases (PREPARE is durable, markers are written, COMPLETE is durable), timeouts and expiry. One
// for each partition of __transaction_state that a node leads, in one leader epoch. Owned by one
// actor; no I/O, no clock: requests and times come in, effects go out.
// Invariant: an answer leaves only after the record that it rests on is durable; for one
// transactional id at most one record is on its way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/transactions/effects.hpp"

namespace weir::kafka {

struct transaction_options {
  int32_t state_partitions = 50;    // of __transaction_state
  int32_t offsets_partitions = 50;  // of __consumer_offsets
  int32_t coordinator_epoch = 0;    // the leader epoch of the partition of __transaction_state
  /// The feature transaction.version: 0 (records of version 0), 1 (flexible records), 2 (KIP-890:
  /// EndTxn v5 bumps the epoch).
  int16_t transaction_version = 0;
  int32_t timeout_ms_max = 900'000;                    // transaction.max.timeout.ms
  int64_t id_expiration_ms = int64_t{7} * 86'400'000;  // transactional.id.expiration.ms
  int64_t expiration_interval_ms = 3'600'000;          // how often expiry is looked at
};

class transaction_coordinator {
 public:
  /// As which a group's offsets take part in a transaction.
  static constexpr std::string_view offsets_topic = "__consumer_offsets";

  explicit transaction_coordinator(transaction_options);
  ~transaction_coordinator();
  transaction_coordinator(transaction_coordinator&&) noexcept;
  transaction_coordinator& operator=(transaction_coordinator&&) noexcept;

  /// Replays a record of __transaction_state (a null value is a tombstone), in log order.
  status restore(std::string_view key, std::optional<std::string_view> value);
  /// The replay is done: completes PREPAREs, starts the clocks. Requests before it are answered
  /// with COORDINATOR_LOAD_IN_PROGRESS.
  void loaded(int64_t now_ms, transaction_effects& out);

  // Requests; each is answered exactly once under its token, here or by a later effect. `version`
  // is the request's: older clients know PRODUCER_FENCED as INVALID_PRODUCER_EPOCH only.
  /// Of a transactional producer: ids without transactions are given by any node, without state.
  void init_producer_id(const init_producer_id_request&, int16_t version, reply_token,
                        int64_t now_ms, transaction_effects& out);
  /// Versions 0-3 (the fields v3_and_below_*). That the partitions exist is the driver's to check.
  void add_partitions(const add_partitions_to_txn_request&, int16_t version, reply_token,
                      int64_t now_ms, transaction_effects& out);
  void add_offsets(const add_offsets_to_txn_request&, int16_t version, reply_token, int64_t now_ms,
                   transaction_effects& out);
  void end_transaction(const end_txn_request&, int16_t version, reply_token, int64_t now_ms,
                       transaction_effects& out);
  /// For the produce path: are these partitions part of the producer's open transaction?
  /// With `add` (Produce v12+ and TxnOffsetCommit v5+, KIP-890 part 2) they are made so. The answer
  /// is a partition_check_response: NONE, TRANSACTION_ABORTABLE, INVALID_PRODUCER_ID_MAPPING,
  /// PRODUCER_FENCED, CONCURRENT_TRANSACTIONS ...; towards clients Kafka turns the retriable ones
  /// into NOT_ENOUGH_REPLICAS and those that older clients do not know into INVALID_TXN_STATE.
  void check_partitions(std::string_view transactional_id, int64_t producer_id,
                        int16_t producer_epoch, std::vector<transaction_partition>, bool add,
                        reply_token, int64_t now_ms, transaction_effects& out);
  /// Ends a transaction that hangs, as its timeout would: fences the producer and aborts.
  /// TRANSACTIONAL_ID_NOT_FOUND, INVALID_TXN_STATE (none is open), CONCURRENT_TRANSACTIONS.
  void force_abort(std::string_view transactional_id, reply_token, int64_t now_ms,
                   transaction_effects& out);

  describe_transactions_response describe(const describe_transactions_request&) const;
  list_transactions_response list(const list_transactions_request&, int64_t now_ms) const;

  // What the driver reports back.
  /// The append of a write: `error` none, or what the partition said.
  void on_written(uint64_t write_id, error_code error, int64_t now_ms, transaction_effects& out);
  /// Markers: per partition that was asked for, what its append said. NONE, and errors that no
  /// retry can change (unknown topic, fenced), count as written; the others are asked for again.
  void on_markers_written(uint64_t markers_id,
                          std::span<const std::pair<transaction_partition, error_code>> results,
                          int64_t now_ms, transaction_effects& out);
  /// The ids that were wanted; none: there are none now, clients are told to come again.
  void on_producer_ids(std::span<const int64_t> ids, int64_t now_ms, transaction_effects& out);
  void on_timer(int64_t now_ms, transaction_effects& out);

  /// Where a transactional id's records (or a group's offsets) live: Java's String.hashCode.
  int32_t partition_for(std::string_view transactional_id) const;
  int32_t offsets_partition_for(std::string_view group_id) const;
  /// All producer ids below it may be in use, as the records say that were replayed.
  int64_t producer_ids_taken_below() const noexcept;
  size_t size() const noexcept;
  bool ready() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> s_;
};

}  // namespace weir::kafka
