// The inside of the transaction coordinator: one entry per transactional id, the records and marker
// rounds that are under way, and the times at which something is to happen. See coordinator.hpp.
// Always holds: `busy()` entries take no request that would change them; a write id belongs to one
// entry.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "runtime/kafka/transactions/coordinator.hpp"
#include "runtime/kafka/transactions/transaction.hpp"

namespace weir::kafka {

/// Requests that wait for producer ids. More are told to come again.
inline constexpr size_t producer_id_waiters_max = 10'000;
/// Known transactional ids, each of some 300 bytes. More are refused with POLICY_VIOLATION.
inline constexpr size_t transactional_ids_max = 1'000'000;
/// Tombstones of one look for expired ids: bounds the records of one call.
inline constexpr size_t expirations_per_look_max = 1000;
/// Waits between attempts (markers, COMPLETE records, aborts after a failed write): doubled from
/// the first to the last.
inline constexpr int64_t retry_ms_min = 100;
inline constexpr int64_t retry_ms_max = 10'000;
/// Markers are asked for again sooner: who leads a partition may have changed a moment ago.
inline constexpr int64_t marker_retry_ms_max = 1'000;

/// Whom to answer, and in which form.
struct reply_to {
  enum class form : uint8_t { nobody, init, add_partitions, add_offsets, end, check, abort };
  form what = form::nobody;
  reply_token token = 0;
  int16_t version = 0;
  std::vector<transaction_partition> partitions;  // add_partitions and check: as asked
};

struct transaction {
  enum class step : uint8_t { none, initialize, add, prepare, complete, expire, confirm };

  transaction_values now;
  // The one record that is under way.
  step pending = step::none;
  transaction_values next;
  reply_to client;
  bool fencing = false;                        // the prepare that is pending was not the client's
  std::optional<transaction_reply> confirmed;  // leaves when the confirm that is pending is durable

  bool completing = false;  // markers or the COMPLETE record are under way or being repeated
  int failures = 0;         // of the current step, in a row
  bool persisted = false;   // there is a record of it

  bool busy() const noexcept { return pending != step::none || completing; }
};
using transactions_map = absl::node_hash_map<std::string, transaction>;
using transaction_ref = transactions_map::value_type;  // id and entry

struct marker_round {
  std::string transactional_id;
  std::vector<transaction_partition> left;
  int attempts = 0;
};

struct transaction_coordinator::state {
  explicit state(transaction_options o) : options(o) {}

  // Answers.
  void answer(const reply_to&, error_code, int64_t producer_id, int16_t epoch,
              transaction_effects&) const;
  void refuse(const reply_to& to, error_code code, transaction_effects& out) const {
    answer(to, code, -1, -1, out);
  }
  /// For answers that end something for the client and rest on no record of their own: what stands
  /// is written once more, and they leave when that is durable. A coordinator that was deposed and
  /// does not know it yet has old state, and its records do not count; without this it would
  /// tell a client that its transaction is over because the one before is.
  void confirm(const std::string& id, const reply_to&, transaction_reply, int64_t now_ms,
               transaction_effects&);
  void confirm(const std::string& id, const reply_to&, error_code, int64_t now_ms,
               transaction_effects&);
  /// PRODUCER_FENCED: at once where an older epoch asks, as epochs only grow; else confirmed.
  void fence_off(const transaction_ref&, int64_t producer_id, int16_t epoch, const reply_to&,
                 int64_t now_ms, transaction_effects&);
  // Records.
  void write(transaction_ref&, transaction::step, transaction_values next, reply_to, int64_t now_ms,
             transaction_effects&);
  void write_tombstone(transaction_ref&, int64_t now_ms, transaction_effects&);
  void want_producer_ids(transaction_effects&);
  void transaction_written(transaction_ref&, error_code, int64_t now_ms, transaction_effects&);

  // Requests.
  void init(const init_producer_id_request&, reply_to, int64_t now_ms, transaction_effects&);
  void init_known(transaction_ref&, const init_producer_id_request&, reply_to, int64_t now_ms,
                  transaction_effects&);
  using request_for_ids = std::variant<init_producer_id_request, end_txn_request>;
  /// Until there are some; or refuses it.
  void wait_for_ids(request_for_ids, reply_to, transaction_effects&);
  /// Or waits for one; nothing: the request was put aside or refused.
  std::optional<int64_t> producer_id_for(const init_producer_id_request&, const reply_to&,
                                         transaction_effects&);
  void add(const std::string& id, int64_t producer_id, int16_t epoch,
           std::vector<transaction_partition>, reply_to, int64_t now_ms, transaction_effects&);
  void check(const std::string& id, int64_t producer_id, int16_t epoch, const reply_to&,
             int64_t now_ms, transaction_effects&);
  void end(const end_txn_request&, reply_to, int64_t now_ms, transaction_effects&);
  void prepare(transaction_ref&, bool commit, bool bump, reply_to, int64_t now_ms,
               transaction_effects&);
  void fence_and_abort(transaction_ref&, reply_to, int64_t now_ms, transaction_effects&);

  // Ending.
  void send_markers(transaction_ref&, int64_t now_ms, transaction_effects&);
  void ask_markers(uint64_t round_id, transaction_effects&);
  void finish(transaction_ref&, int64_t now_ms, transaction_effects&);
  void on_timeout(const std::string& id, int64_t now_ms, transaction_effects&);
  void expire(int64_t now_ms, transaction_effects&);

  // Time.
  void arm(transaction_ref&, int64_t not_before_ms);
  void schedule_wake(transaction_effects&) const;

  transaction_options options;
  bool loaded = false;
  transactions_map transactions;
  std::deque<int64_t> fresh_ids;  // nobody has them yet
  bool ids_asked = false;
  int64_t ids_taken_below = 0;
  std::deque<std::pair<request_for_ids, reply_to>> waiting_for_ids;
  uint64_t next_write_id = 1, next_round_id = 1;
  absl::flat_hash_map<uint64_t, std::string> writes;
  /// Confirms of ids that are not known: a tombstone says so once more.
  struct unknown_id {
    reply_to client;
    transaction_reply confirmed;
  };
  absl::flat_hash_map<uint64_t, unknown_id> unknown_ids;
  absl::flat_hash_map<uint64_t, marker_round> rounds;
  std::set<std::pair<int64_t, std::string>> timeouts;                   // of open transactions
  std::multimap<int64_t, std::variant<uint64_t, std::string>> retries;  // rounds; COMPLETE records
  int64_t next_look_ms = 0;                                             // for expired ids
};

/// The wait before attempt number `failures` + 1.
int64_t retry_wait_ms(int failures) noexcept;

}  // namespace weir::kafka
