// The records of one batch, decompressed if need be. Malformed input is an error, never a read out
// of bounds, and decompression stops at a limit. One thread; a reader may be reused for many
// batches and then keeps its buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/log/record_batch.hpp"

namespace weir {

using byte_view = std::span<const std::byte>;

struct record_header {
  std::string_view key;
  std::optional<byte_view> value;  // absent: null
};

/// Valid until the next call of next() or open().
struct record {
  int64_t offset = 0;
  int64_t timestamp_ms = 0;  // already the batch's when it has log append time
  std::optional<byte_view> key;
  std::optional<byte_view> value;
  std::span<const record_header> headers;
  int64_t size_bytes = 0;  // as in the uncompressed batch
};

class record_reader {
 public:
  /// A batch may grow at most to this by decompression: 64 times Kafka's usual 1 MiB.
  static constexpr size_t uncompressed_bytes_max_default = size_t{64} << 20;

  explicit record_reader(size_t uncompressed_bytes_max = uncompressed_bytes_max_default)
      : uncompressed_bytes_max_(uncompressed_bytes_max) {}

  /// Begins with a batch that verify_batch or the log has checked. Its bytes must outlive the
  /// reading. errc::corrupt, errc::budget_exceeded.
  status open(record_batch_view batch);
  /// False after the last record. Bytes behind the last one are an error.
  result<bool> next(record& out);

 private:
  status take_headers(byte_view in, int32_t count);

  size_t uncompressed_bytes_max_;
  int64_t base_offset_ = 0, base_timestamp_ = 0, max_timestamp_ = 0;
  int32_t last_offset_delta_ = 0;
  int64_t delta_min_ = 0;  // of the next record
  bool append_time_ = false;
  int32_t left_ = 0;
  byte_view rest_;
  std::vector<std::byte> buffer_;
  std::vector<record_header> headers_;
};

enum class control_type : int16_t { abort = 0, commit = 1, other = -1 };
struct control_marker {
  control_type type = control_type::other;
  int32_t coordinator_epoch = 0;
};
/// The marker in a control batch that was checked. errc::corrupt.
result<control_marker> read_control_marker(record_batch_view batch);

}  // namespace weir
