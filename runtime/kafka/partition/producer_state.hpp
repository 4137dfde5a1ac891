// What one partition knows of its idempotent and transactional producers: per producer the epoch
// and the last five batches (duplicates, sequence order), open transactions (last stable offset),
// aborted ones (KIP-98's list). Owned by a kafka::partition; one thread; no I/O, no clock.
// Batches are *staged* in offset order, then committed or rolled back from the newest backwards:
// checks always see the staged state, everything that readers see comes from the committed one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/base/result.hpp"
#include "runtime/kafka/protocol/error_code.hpp"

namespace weir::kafka {

/// Batches per producer in which a retry is recognised; clients keep at most five in flight.
inline constexpr int producer_batches_max = 5;
/// Producers of one partition that are remembered. Beyond it the longest silent ones without an
/// open transaction are forgotten early: their next batch is taken with any sequence, as after
/// producer.id.expiration.ms. About 25 MiB.
inline constexpr size_t producers_max = 100'000;

/// The fields of a batch header that matter here.
struct batch_facts {
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int64_t base_offset = 0;  // as assigned
  int32_t last_offset_delta = 0;
  int64_t max_timestamp_ms = -1;
  bool transactional = false;
  int64_t last_offset() const noexcept { return base_offset + last_offset_delta; }
};

/// The content of a control record that ends a transaction.
struct end_marker {
  bool commit = false;
  int32_t coordinator_epoch = 0;
};

struct producer_batch {
  int32_t last_sequence = -1;
  int32_t offset_delta = 0;
  int64_t last_offset = -1;
  int64_t timestamp_ms = -1;
  int32_t first_sequence() const noexcept;
  int64_t first_offset() const noexcept { return last_offset - offset_delta; }
};

struct producer_entry {
  int16_t epoch = -1;
  int32_t coordinator_epoch = -1;
  int64_t last_timestamp_ms = -1;
  int64_t transaction_first_offset = -1;  // -1: none open
  int64_t seen_ms = 0;                    // by the broker's clock, for expiry
  int64_t touched_offset = -1;            // the newest offset that changed this entry
  /// All that was known of it was rolled back: in memory only, so that what follows the lost
  /// batches in flight is refused until they come again.
  bool unwritten = false;
  /// What comes next while there are no batches: 0 in a new epoch, the first lost one, or
  /// any_sequence when only markers are known (their data may have been deleted).
  int32_t resume_sequence = 0;
  static constexpr int32_t any_sequence = -1;
  uint8_t batch_count = 0;
  std::array<producer_batch, producer_batches_max> batches;  // oldest first

  int32_t last_sequence() const noexcept {
    return batch_count == 0 ? -1 : batches[batch_count - 1].last_sequence;
  }
  int32_t next_sequence() const noexcept;
};

/// An entry of the aborted-transaction index.
struct aborted_transaction {
  int64_t producer_id = -1;
  int64_t first_offset = 0;
  int64_t last_offset = 0;  // of the marker
  int64_t last_stable_offset = 0;
  bool operator==(const aborted_transaction&) const = default;
};

/// An answer to DescribeProducers.
struct producer_description {
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t last_sequence = -1;
  int64_t last_timestamp_ms = -1;
  int32_t coordinator_epoch = -1;
  int64_t transaction_first_offset = -1;
};

/// What a check says: accepted, a batch that is there already, or an error with its text.
struct producer_verdict {
  error_code error = error_code::none;
  std::string message;
  std::optional<producer_batch> duplicate;
  bool accepted() const noexcept { return error == error_code::none && !duplicate; }
};

class producer_state {
 public:
  /// May a client append this batch after everything that is staged? Kafka's rules: a retry of one
  /// of the last five batches is a duplicate; INVALID_PRODUCER_EPOCH for an older epoch;
  /// OUT_OF_ORDER_SEQUENCE_NUMBER unless it follows the last one (or starts a new epoch at 0, or
  /// nothing is known of the producer); INVALID_TXN_STATE for a plain batch inside a transaction.
  producer_verdict check(const batch_facts&) const;
  /// The same for the broker's own batches of a producer (offsets of a transaction), which have no
  /// sequences.
  producer_verdict check_without_sequence(const batch_facts&) const;
  /// May a marker be written? INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED.
  producer_verdict check_marker(int64_t producer_id, int16_t epoch, const end_marker&) const;

  /// Applies a batch (checked before) or marker at its assigned offset; offsets must increase.
  void stage(const batch_facts&, int64_t now_ms);
  void stage_marker(const batch_facts&, const end_marker&, int64_t now_ms);
  /// Everything below `end_offset` is durable here: it is not rolled back any more.
  void durable(int64_t end_offset);
  /// And it is on all replicas that count: markers below take effect for readers.
  void committed(int64_t end_offset);
  /// Undoes what was staged at `end_offset` or above. A producer that was not known before is then
  /// held to its first lost sequence: batches that were in flight behind the lost ones do not pass.
  void roll_back(int64_t end_offset);

  /// The first offset whose transaction is undecided, or decided by a marker that is not yet
  /// committed: the last stable offset is the smaller of this and the high watermark.
  std::optional<int64_t> first_unstable_offset() const;
  bool in_transaction(int64_t producer_id) const;
  /// Whether the oldest open transaction is older than `timeout_ms` (a hanging one).
  bool has_late_transaction(int64_t now_ms, int64_t timeout_ms) const;
  /// Aborted transactions that a reader of [from, to) has to filter.
  std::vector<aborted_transaction> aborted_in(int64_t from, int64_t to) const;
  const std::deque<aborted_transaction>& aborted() const noexcept { return aborted_; }
  std::vector<producer_description> describe() const;
  /// Of the last batch with this epoch, staged ones included; nothing where there is none.
  std::optional<int32_t> last_sequence(int64_t producer_id, int16_t epoch) const;
  /// Per producer the last offsets of the batches that are remembered: compaction keeps these
  /// batches (without records), so that a rebuild from the log knows them too.
  absl::flat_hash_map<int64_t, std::vector<int64_t>> batch_ends() const;
  size_t size() const noexcept { return producers_.size(); }
  bool has_staged() const noexcept { return !undo_.empty(); }
  /// No producers, no aborted transactions: nothing worth a snapshot.
  bool empty() const noexcept { return producers_.empty() && aborted_.empty(); }

  /// Forgets producers that were silent for `expiration_ms`, unless in a transaction or staged.
  size_t expire(int64_t now_ms, int64_t expiration_ms);
  /// The log now starts here: older aborted transactions need no filter any more.
  void log_start(int64_t offset);

  /// The committed state, and back. Reading checks structure, not identity: the caller's file has a
  /// checksum and an offset. Producers count as seen at `now_ms`.
  std::string encode() const;
  static result<producer_state> decode(std::span<const std::byte>, int64_t now_ms);

 private:
  struct completed_transaction {
    int64_t producer_id, first_offset, last_offset, last_stable_offset;
    bool aborted;
  };
  struct undo_record {  // what a staged batch replaced
    int64_t offset;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    std::optional<producer_entry> before;
    bool started_transaction = false;
    bool completed_transaction = false;
  };
  void remember(const batch_facts&, bool started, bool completed);
  void evict();

  absl::flat_hash_map<int64_t, producer_entry> producers_;
  std::map<int64_t, int64_t> open_;              // first offset -> producer id
  std::deque<completed_transaction> completed_;  // their markers are not committed
  std::deque<aborted_transaction> aborted_;      // by last offset
  std::deque<undo_record> undo_;
};

}  // namespace weir::kafka
