// Records into one RecordBatch v2: for internal topics, control markers, compaction, sinks and
// tests. One thread; reusable: build() leaves an empty builder with the same options.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/log/record_batch.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir {

struct record_batch_options {
  compression_type compression = compression_type::none;
  int64_t base_offset = 0;
  int32_t leader_epoch = -1;
  timestamp_type timestamps = timestamp_type::create_time;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  bool transactional = false;
  bool control = false;
  /// KIP-534: from when on tombstones and markers in the batch may be dropped.
  std::optional<int64_t> delete_horizon_ms;
};

class record_batch_builder {
 public:
  explicit record_batch_builder(record_batch_options options = {}) : options_(options) {}

  /// At the next offset. An absent key or value is null.
  void add(int64_t timestamp_ms, std::optional<byte_view> key, std::optional<byte_view> value,
           std::span<const record_header> headers = {});
  /// At a given offset, not below the ones before: for compaction.
  void add_at(int64_t offset, int64_t timestamp_ms, std::optional<byte_view> key,
              std::optional<byte_view> value, std::span<const record_header> headers = {});
  /// The batch ends at this offset, whether or not a record is there.
  void set_last_offset(int64_t offset) { last_offset_ = offset; }
  void set_options(const record_batch_options& o) { options_ = o; }

  size_t record_count() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  /// Of the batch as it stands, before compression.
  size_t size_bytes() const noexcept { return record_batch_header_bytes + records_.size(); }

  /// A batch with a valid checksum; without records only after set_last_offset. The one reason to
  /// fail is a compressor that refuses.
  result<std::vector<std::byte>> build();

 private:
  record_batch_options options_;
  std::vector<std::byte> records_;
  size_t count_ = 0;
  int64_t next_offset_ = 0;  // from options_.base_offset, as deltas
  std::optional<int64_t> last_offset_;
  int64_t base_timestamp_ = 0, max_timestamp_ = -1;
};

/// The marker that ends a transaction of a producer in this partition.
std::vector<std::byte> build_control_batch(control_marker marker, int64_t producer_id,
                                           int16_t producer_epoch, int64_t timestamp_ms);

}  // namespace weir
