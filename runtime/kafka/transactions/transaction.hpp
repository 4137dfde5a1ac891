// One transactional id: what its record in __transaction_state holds, and Kafka's layout of it.
// Plain values; used by the coordinator only.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/kafka/transactions/effects.hpp"

namespace weir::kafka {

enum class transaction_state : int8_t {
  empty = 0,
  ongoing = 1,
  prepare_commit = 2,
  prepare_abort = 3,
  complete_commit = 4,
  complete_abort = 5,
};
/// Kafka's names: "Empty", "Ongoing", "PrepareCommit" ...
const char* to_string(transaction_state) noexcept;
/// Also says whether Kafka knows a state that is never at rest here ("Dead", "PrepareEpochFence").
bool is_state_name(std::string_view name, std::optional<transaction_state>& out) noexcept;

inline constexpr int16_t epoch_last = std::numeric_limits<int16_t>::max();
/// Clients never get the last epoch, so that they can always be fenced.
constexpr bool epoch_exhausted(int16_t epoch) noexcept {
  return epoch >= epoch_last - 1;
}

struct transaction_values {
  int64_t producer_id = -1;
  int64_t previous_producer_id = -1;
  int64_t next_producer_id = -1;  // KIP-890: takes over when the transaction that is ending is done
  int16_t epoch = -1;
  int16_t last_epoch = -1;  // not persisted: the epoch before, for retries
  int32_t timeout_ms = 0;
  transaction_state state = transaction_state::empty;
  std::set<transaction_partition> partitions;
  int64_t start_ms = -1;
  int64_t update_ms = -1;
  int16_t client_version = 0;  // transaction.version that ended it

  bool preparing() const noexcept {
    return state == transaction_state::prepare_commit || state == transaction_state::prepare_abort;
  }
  bool completed() const noexcept {
    return state == transaction_state::complete_commit ||
           state == transaction_state::complete_abort;
  }
};

/// What comes after the markers of a PREPARE were written.
transaction_values complete(const transaction_values& prepared, int64_t now_ms);

std::string encode_transaction_key(std::string_view transactional_id);
/// `version` of the value: 0, or 1 (flexible) from transaction.version 1 on.
std::string encode_transaction_value(const transaction_values&, int16_t version);
/// errc::parse, errc::unsupported, errc::corrupt.
result<transaction_values> decode_transaction_value(std::string_view bytes);

/// The record by which blocks of producer ids are taken. Kafka has them in its metadata log; here
/// they stand beside the transactions, under a key version that Kafka's own tools skip as unknown.
inline constexpr int16_t producer_ids_key_version = 0x7765;
std::string encode_producer_ids_key();
std::string encode_producer_ids_value(int64_t next_producer_id);
result<int64_t> decode_producer_ids_value(std::string_view bytes);

struct transaction_key {
  std::optional<std::string> transactional_id;
  bool producer_ids = false;  // neither: a kind of record that is not known
};
result<transaction_key> decode_transaction_key(std::string_view bytes);

/// Java's String.hashCode of a UTF-8 text, made non-negative as Kafka does, modulo `partitions`.
int32_t partition_of_key(std::string_view key, int32_t partitions) noexcept;

}  // namespace weir::kafka
