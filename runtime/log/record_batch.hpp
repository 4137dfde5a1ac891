// Kafka's RecordBatch v2 (magic 2; kafka.apache.org/documentation/#recordbatch) as bytes: a view of
// its header, checks of what comes from outside, and the few fields that a broker patches. Big
// endian on the wire. Pure functions and views, safe on any thread; nothing here copies a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/result.hpp"

namespace weir {

inline constexpr size_t record_batch_header_bytes = 61;
/// base_offset and batch_length: what stands before the bytes that batch_length counts.
inline constexpr size_t record_batch_prefix_bytes = 12;
inline constexpr int8_t record_batch_magic = 2;

enum class compression_type : uint8_t { none, gzip, snappy, lz4, zstd };
enum class timestamp_type : uint8_t { create_time, log_append_time };
const char* to_string(compression_type) noexcept;

/// Fields of one batch. Valid while the bytes are. The constructor wants at least the header; the
/// accessors trust nothing else, so a view of damaged bytes is safe to look at.
class record_batch_view {
 public:
  explicit record_batch_view(std::span<const std::byte> bytes);

  int64_t base_offset() const noexcept { return load<int64_t>(0); }
  int32_t batch_length() const noexcept { return load<int32_t>(8); }
  int32_t leader_epoch() const noexcept { return load<int32_t>(12); }
  int8_t magic() const noexcept { return load<int8_t>(16); }
  uint32_t crc() const noexcept { return load<uint32_t>(17); }
  uint16_t attributes() const noexcept { return load<uint16_t>(21); }
  int32_t last_offset_delta() const noexcept { return load<int32_t>(23); }
  int64_t base_timestamp() const noexcept { return load<int64_t>(27); }
  int64_t max_timestamp() const noexcept { return load<int64_t>(35); }
  int64_t producer_id() const noexcept { return load<int64_t>(43); }
  int16_t producer_epoch() const noexcept { return load<int16_t>(51); }
  int32_t base_sequence() const noexcept { return load<int32_t>(53); }
  int32_t record_count() const noexcept { return load<int32_t>(57); }

  /// Of the whole batch, prefix included; as the header says.
  size_t size_bytes() const noexcept;
  int64_t last_offset() const noexcept { return base_offset() + last_offset_delta(); }
  int64_t next_offset() const noexcept { return last_offset() + 1; }
  /// Sequence numbers wrap from 2^31 - 1 to 0. -1 without an idempotent producer.
  int32_t last_sequence() const noexcept;
  compression_type compression() const noexcept;  // values above zstd: see verify_batch
  timestamp_type timestamps() const noexcept;
  bool is_transactional() const noexcept { return attributes() & 0x10; }
  bool is_control() const noexcept { return attributes() & 0x20; }
  /// base_timestamp is the time from which tombstones may go (KIP-534).
  bool has_delete_horizon() const noexcept { return attributes() & 0x40; }
  /// A placeholder that recovery put where damaged bytes were; never sent to anyone.
  bool is_hole() const noexcept { return attributes() & hole_attribute; }
  bool has_producer() const noexcept { return producer_id() >= 0; }

  /// What was given to the constructor.
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  static constexpr uint16_t hole_attribute = 0x8000;

 private:
  template <class T>
  T load(size_t at) const noexcept {
    std::make_unsigned_t<T> v = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      v = static_cast<std::make_unsigned_t<T>>(v << 8 | static_cast<uint8_t>(bytes_[at + i]));
    return static_cast<T>(v);
  }
  std::span<const std::byte> bytes_;
};

/// Who made a batch decides how strict verify_batch is.
enum class batch_origin : uint8_t {
  producer,  // as many records as offsets, no control batch, no leader epoch yet
  log,       // read from disk or from another node: compaction may have removed records
};
struct batch_limits {
  batch_origin origin = batch_origin::producer;
  /// Kafka's max.message.bytes: of one batch as it came.
  uint64_t bytes_max = uint64_t{1} << 20;
};

/// The batch at the start of `bytes`, checked: lengths, magic, CRC-32C, known compression, counts
/// and timestamps that fit. The view covers exactly this batch, so that a caller goes on with
/// bytes.subspan(view.size_bytes()). errc::corrupt for what is damaged or cut off,
/// errc::budget_exceeded for a batch above bytes_max, errc::unsupported for another magic,
/// errc::invalid_argument for what a producer must not send.
result<record_batch_view> verify_batch(std::span<const std::byte> bytes, const batch_limits& = {});
/// The header at the start of `bytes` when its lengths and magic make sense; without the CRC, and
/// the batch may reach past the end of `bytes`.
result<record_batch_view> peek_batch(std::span<const std::byte> bytes);

// What a broker changes. Offset and leader epoch are outside the checksum.
void set_base_offset(std::span<std::byte> batch, int64_t offset) noexcept;
void set_leader_epoch(std::span<std::byte> batch, int32_t leader_epoch) noexcept;
/// For topics with message.timestamp.type = LogAppendTime: type and max timestamp; computes the
/// checksum anew.
void set_log_append_time(std::span<std::byte> batch, int64_t now_ms) noexcept;
/// Writes the checksum that fits the bytes.
void set_batch_crc(std::span<std::byte> batch) noexcept;

}  // namespace weir
