// Compaction of one partition by key, as a job over closed segments: the last value of each key
// stays, offsets do not change, records of aborted transactions go. Begun and finished by the
// partition's actor; step() runs on an io_executor meanwhile, a bounded piece at a time. Files are
// swapped as Kafka does (.cleaned, .swap, .log), so that a crash at any point leaves one whole
// version.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/log/log_types.hpp"
#include "runtime/log/record_batch.hpp"

namespace weir {

struct compaction_options {
  /// Whether a data batch of a transactional producer was aborted; empty: none was. Asked for
  /// batches below `limit` only, on the thread of step(): it holds what it needs.
  std::function<bool(record_batch_view)> is_aborted;
  /// Whether a producer's state still needs this batch (its last sequence): it is kept, if need be
  /// without records. Empty: the last batch of every producer within the job is. Thread as above.
  std::function<bool(record_batch_view)> is_last_of_producer;
  /// Not beyond: the last stable offset.
  int64_t limit = INT64_MAX;
  /// Memory for keys; more keys take several passes, one after the other.
  uint64_t key_map_bytes = uint64_t{16} << 20;
  /// Compact even when less than min_cleanable_dirty_ratio is dirty.
  bool force = false;
};

struct compaction_stats {
  uint64_t bytes_read = 0, bytes_kept = 0;
  uint64_t records_read = 0, records_kept = 0;
  uint64_t tombstones_dropped = 0, aborted_dropped = 0;
};

class compaction_job {
 public:
  ~compaction_job();
  /// Reads and writes about this many bytes. True when there is nothing left to do: hand the job to
  /// partition_log::finish_compaction. After an error: partition_log::abandon_compaction.
  result<bool> step(uint64_t bytes);
  const compaction_stats& stats() const noexcept;

 private:
  friend class partition_log;
  struct state;
  explicit compaction_job(std::unique_ptr<state>);
  std::unique_ptr<state> s_;
};

}  // namespace weir
