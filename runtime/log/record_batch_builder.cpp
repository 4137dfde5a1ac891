#include "runtime/log/record_batch_builder.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/log/compression.hpp"
#include "runtime/log/varint.hpp"

namespace weir {
namespace {

size_t bytes_size(const std::optional<byte_view>& b) {
  return b ? varlong_bytes(static_cast<int64_t>(b->size())) + b->size() : 1;
}
void put_bytes(std::vector<std::byte>& out, const std::optional<byte_view>& b) {
  if (!b) return put_varlong(out, -1);
  put_varlong(out, static_cast<int64_t>(b->size()));
  out.insert(out.end(), b->begin(), b->end());
}
byte_view bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}

}  // namespace

void record_batch_builder::add(int64_t timestamp_ms, std::optional<byte_view> key,
                               std::optional<byte_view> value,
                               std::span<const record_header> headers) {
  add_at(count_ == 0 ? options_.base_offset : next_offset_, timestamp_ms, key, value, headers);
}

void record_batch_builder::add_at(int64_t offset, int64_t timestamp_ms,
                                  std::optional<byte_view> key, std::optional<byte_view> value,
                                  std::span<const record_header> headers) {
  weir_assert(offset >= (count_ == 0 ? options_.base_offset : next_offset_) &&
                  offset - options_.base_offset <= INT32_MAX,
              "records of a batch are added in the order of their offsets");
  if (count_ == 0) base_timestamp_ = options_.delete_horizon_ms.value_or(timestamp_ms);
  max_timestamp_ = count_ == 0 ? timestamp_ms : std::max(max_timestamp_, timestamp_ms);
  const int64_t timestamp_delta = static_cast<int64_t>(static_cast<uint64_t>(timestamp_ms) -
                                                       static_cast<uint64_t>(base_timestamp_));
  const int64_t offset_delta = offset - options_.base_offset;
  size_t length = 1 + varlong_bytes(timestamp_delta) + varlong_bytes(offset_delta) +
                  bytes_size(key) + bytes_size(value) +
                  varlong_bytes(static_cast<int64_t>(headers.size()));
  for (const auto& h : headers) length += bytes_size(bytes_of(h.key)) + bytes_size(h.value);
  put_varlong(records_, static_cast<int64_t>(length));
  records_.push_back(std::byte{0});
  put_varlong(records_, timestamp_delta);
  put_varlong(records_, offset_delta);
  put_bytes(records_, key);
  put_bytes(records_, value);
  put_varlong(records_, static_cast<int64_t>(headers.size()));
  for (const auto& h : headers) {
    put_bytes(records_, bytes_of(h.key));
    put_bytes(records_, h.value);
  }
  next_offset_ = offset + 1;
  ++count_;
}

result<std::vector<std::byte>> record_batch_builder::build() {
  const auto& o = options_;
  weir_assert(count_ > 0 || last_offset_, "a batch without records needs its last offset");
  const int64_t last = last_offset_.value_or(next_offset_ - 1);
  weir_assert(last >= o.base_offset && (count_ == 0 || last >= next_offset_ - 1),
              "a batch ends at or behind its last record");
  std::vector<std::byte> out(record_batch_header_bytes);
  if (count_ > 0) WEIR_TRY(compress_records(o.compression, records_, out));
  if (out.size() > INT32_MAX)
    return error{errc::budget_exceeded, "a record batch would have more than 2 GiB"};

  uint16_t attributes = count_ > 0 ? static_cast<uint16_t>(o.compression) : 0;
  if (o.timestamps == timestamp_type::log_append_time) attributes |= 0x08;
  if (o.transactional) attributes |= 0x10;
  if (o.control) attributes |= 0x20;
  if (o.delete_horizon_ms) attributes |= 0x40;
  std::byte* p = out.data();
  store_big_endian(p, o.base_offset);
  store_big_endian(p + 8, static_cast<int32_t>(out.size() - record_batch_prefix_bytes));
  store_big_endian(p + 12, o.leader_epoch);
  p[16] = std::byte{record_batch_magic};
  store_big_endian(p + 21, attributes);
  store_big_endian(p + 23, static_cast<int32_t>(last - o.base_offset));
  store_big_endian(p + 27, count_ > 0 ? base_timestamp_ : int64_t{-1});
  store_big_endian(p + 35, count_ > 0 ? max_timestamp_ : int64_t{-1});
  store_big_endian(p + 43, o.producer_id);
  store_big_endian(p + 51, o.producer_epoch);
  store_big_endian(p + 53, o.base_sequence);
  store_big_endian(p + 57, static_cast<int32_t>(count_));
  set_batch_crc(out);
  records_.clear();
  count_ = 0;
  last_offset_.reset();
  return out;
}

std::vector<std::byte> build_control_batch(control_marker marker, int64_t producer_id,
                                           int16_t producer_epoch, int64_t timestamp_ms) {
  record_batch_options o;
  o.producer_id = producer_id;
  o.producer_epoch = producer_epoch;
  o.transactional = true;
  o.control = true;
  record_batch_builder b(o);
  std::array<std::byte, 4> key{};  // version 0, type
  store_big_endian(key.data() + 2, static_cast<int16_t>(marker.type));
  std::array<std::byte, 6> value{};  // version 0, coordinator epoch
  store_big_endian(value.data() + 2, marker.coordinator_epoch);
  b.add(timestamp_ms, byte_view(key), byte_view(value));
  auto batch = b.build();
  weir_assert(batch.ok(), "a small batch without compression can always be built");
  return std::move(batch).value();
}

}  // namespace weir
