#include "runtime/log/record_batch.hpp"

#include <string>

#include "runtime/base/crc32c.hpp"
#include "runtime/log/varint.hpp"

namespace weir {
namespace {

// Where fields stand, for patching.
constexpr size_t at_leader_epoch = 12;
constexpr size_t at_crc = 17;
constexpr size_t at_attributes = 21;  // from here on the checksum counts
constexpr size_t at_max_timestamp = 35;
/// length, attributes, timestamp, offset, key, value, headers: one byte each at least.
constexpr uint64_t record_bytes_min = 7;

error damaged(std::string what) {
  return {errc::corrupt, "a record batch is damaged: " + std::move(what)};
}
error refused(std::string what) {
  return {errc::invalid_argument, "a record batch is refused: " + std::move(what)};
}

uint32_t crc_of(std::span<const std::byte> batch) noexcept {
  return crc32c(batch.subspan(at_attributes));
}

status check_producer_batch(const record_batch_view& b) {
  if (b.is_control()) return refused("clients must not send control batches");
  if (b.is_hole()) return refused("attribute 15 is reserved");
  if (b.record_count() == 0) return refused("it has no records");
  if (b.record_count() != b.last_offset_delta() + 1)
    return refused("its " + std::to_string(b.record_count()) +
                   " records do not fit its last offset");
  if (b.has_producer() && (b.producer_epoch() < 0 || b.base_sequence() < 0))
    return refused("it has a producer id without epoch or sequence");
  if (b.is_transactional() && !b.has_producer())
    return refused("it is transactional without a producer id");
  return {};
}

}  // namespace

const char* to_string(compression_type t) noexcept {
  constexpr const char* names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
  return static_cast<size_t>(t) < std::size(names) ? names[static_cast<size_t>(t)] : "unknown";
}

record_batch_view::record_batch_view(std::span<const std::byte> bytes) : bytes_(bytes) {
  weir_assert(bytes.size() >= record_batch_header_bytes, "a batch's view needs its header");
}

size_t record_batch_view::size_bytes() const noexcept {
  int32_t n = batch_length();
  return n < 0 ? 0 : record_batch_prefix_bytes + static_cast<size_t>(n);
}

int32_t record_batch_view::last_sequence() const noexcept {
  if (base_sequence() < 0) return -1;
  return static_cast<int32_t>(
      (static_cast<uint32_t>(base_sequence()) + static_cast<uint32_t>(last_offset_delta())) &
      0x7fffffffu);
}

compression_type record_batch_view::compression() const noexcept {
  return static_cast<compression_type>(attributes() & 7);
}

timestamp_type record_batch_view::timestamps() const noexcept {
  return attributes() & 8 ? timestamp_type::log_append_time : timestamp_type::create_time;
}

result<record_batch_view> peek_batch(std::span<const std::byte> bytes) {
  if (bytes.size() < record_batch_header_bytes)
    return damaged("it is cut off after " + std::to_string(bytes.size()) + " bytes");
  record_batch_view b(bytes);
  if (b.size_bytes() < record_batch_header_bytes)
    return damaged("its length is " + std::to_string(b.batch_length()));
  if (b.magic() != record_batch_magic)
    return error{errc::unsupported,
                 "record batches of magic " + std::to_string(b.magic()) +
                     " are not supported; clients since Kafka 0.11 send magic 2"};
  return b;
}

result<record_batch_view> verify_batch(std::span<const std::byte> bytes,
                                       const batch_limits& limits) {
  WEIR_ASSIGN(auto head, peek_batch(bytes));
  if (head.size_bytes() > limits.bytes_max)
    return error{errc::budget_exceeded,
                 "a record batch of " + std::to_string(head.size_bytes()) + " bytes is above the " +
                     std::to_string(limits.bytes_max) + " that are allowed (max.message.bytes)"};
  if (head.size_bytes() > bytes.size())
    return damaged(std::to_string(head.size_bytes() - bytes.size()) + " bytes are missing");
  record_batch_view b(bytes.first(head.size_bytes()));
  if (crc_of(b.bytes()) != b.crc()) return damaged("its checksum does not match");
  if (b.compression() > compression_type::zstd)
    return error{errc::unsupported, "compression type " + std::to_string(b.attributes() & 7) +
                                        " of a record batch is not supported"};
  if (b.last_offset_delta() < 0) return damaged("its last offset is below its first");
  if (b.record_count() < 0) return damaged("it has a negative number of records");
  if (int64_t{b.record_count()} > int64_t{b.last_offset_delta()} + 1)
    return damaged("it has more records than offsets");
  if (b.compression() == compression_type::none &&
      static_cast<uint64_t>(b.record_count()) * record_bytes_min >
          b.size_bytes() - record_batch_header_bytes)
    return damaged("its records do not fit its length");
  if (limits.origin == batch_origin::producer) {
    WEIR_TRY(check_producer_batch(b));
  } else if (b.base_offset() < 0 || b.base_offset() > INT64_MAX - INT32_MAX - 1) {
    return damaged("its offset is " + std::to_string(b.base_offset()));
  }
  return b;
}

void set_base_offset(std::span<std::byte> batch, int64_t offset) noexcept {
  store_big_endian(batch.data(), offset);
}

void set_leader_epoch(std::span<std::byte> batch, int32_t leader_epoch) noexcept {
  store_big_endian(batch.data() + at_leader_epoch, leader_epoch);
}

void set_log_append_time(std::span<std::byte> batch, int64_t now_ms) noexcept {
  auto attributes = load_big_endian<uint16_t>(batch.data() + at_attributes);
  store_big_endian(batch.data() + at_attributes, static_cast<uint16_t>(attributes | 8u));
  store_big_endian(batch.data() + at_max_timestamp, now_ms);
  set_batch_crc(batch);
}

void set_batch_crc(std::span<std::byte> batch) noexcept {
  store_big_endian(batch.data() + at_crc, crc_of(batch));
}

}  // namespace weir
