#include "runtime/log/record_reader.hpp"

#include <string>

#include "runtime/log/compression.hpp"
#include "runtime/log/varint.hpp"

namespace weir {
namespace {

error damaged(const char* what) {
  return {errc::corrupt, std::string("a record is damaged: ") + what};
}

/// Length (-1: null) and bytes.
bool take_bytes(byte_view& in, std::optional<byte_view>& out) {
  int32_t n;
  if (!take_varint(in, n) || n < -1) return false;
  if (n < 0) {
    out.reset();
    return true;
  }
  if (static_cast<size_t>(n) > in.size()) return false;
  out = in.first(static_cast<size_t>(n));
  in = in.subspan(static_cast<size_t>(n));
  return true;
}

}  // namespace

status record_reader::open(record_batch_view batch) {
  left_ = 0;
  rest_ = {};
  if (batch.size_bytes() < record_batch_header_bytes || batch.size_bytes() > batch.bytes().size())
    return error{errc::corrupt, "a record batch is cut off"};
  base_offset_ = batch.base_offset();
  base_timestamp_ = batch.base_timestamp();
  max_timestamp_ = batch.max_timestamp();
  append_time_ = batch.timestamps() == timestamp_type::log_append_time;
  last_offset_delta_ = batch.last_offset_delta();
  delta_min_ = 0;
  byte_view payload = batch.bytes().subspan(record_batch_header_bytes,
                                            batch.size_bytes() - record_batch_header_bytes);
  if (batch.record_count() < 0) return damaged("a negative number of records");
  if (batch.compression() == compression_type::none) {
    rest_ = payload;
  } else if (batch.record_count() > 0 || !payload.empty()) {
    WEIR_TRY(decompress_records(batch.compression(), payload, uncompressed_bytes_max_, buffer_));
    rest_ = buffer_;
  }
  left_ = batch.record_count();
  return {};
}

result<bool> record_reader::next(record& out) {
  if (left_ == 0) {
    if (!rest_.empty()) return damaged("bytes follow the last one of its batch");
    return false;
  }
  int32_t length;
  if (!take_varint(rest_, length) || length < 0 || static_cast<size_t>(length) > rest_.size())
    return damaged("its length");
  byte_view in = rest_.first(static_cast<size_t>(length));
  rest_ = rest_.subspan(static_cast<size_t>(length));
  --left_;
  out.size_bytes = static_cast<int64_t>(static_cast<size_t>(length) + varlong_bytes(length));
  if (in.empty()) return damaged("it is empty");
  in = in.subspan(1);  // attributes: none are defined
  int64_t timestamp_delta;
  int32_t offset_delta, header_count;
  if (!take_varlong(in, timestamp_delta) || !take_varint(in, offset_delta))
    return damaged("its timestamp or offset");
  if (offset_delta < delta_min_ || offset_delta > last_offset_delta_)
    return damaged("its offset is outside its batch or out of order");
  delta_min_ = int64_t{offset_delta} + 1;
  if (!take_bytes(in, out.key)) return damaged("its key");
  if (!take_bytes(in, out.value)) return damaged("its value");
  if (!take_varint(in, header_count) || header_count < 0 ||
      static_cast<size_t>(header_count) > in.size() / 2)  // two bytes each at least
    return damaged("the number of its headers");
  WEIR_TRY(take_headers(in, header_count));
  out.headers = headers_;
  out.offset = base_offset_ + offset_delta;
  // Wraps instead of overflowing: a sum of what the client sent.
  out.timestamp_ms = append_time_ ? max_timestamp_
                                  : static_cast<int64_t>(static_cast<uint64_t>(base_timestamp_) +
                                                         static_cast<uint64_t>(timestamp_delta));
  return true;
}

status record_reader::take_headers(byte_view in, int32_t count) {
  headers_.clear();
  for (int32_t i = 0; i < count; ++i) {
    std::optional<byte_view> key;
    record_header h;
    if (!take_bytes(in, key) || !key) return damaged("a header's key");
    if (!take_bytes(in, h.value)) return damaged("a header's value");
    h.key = {reinterpret_cast<const char*>(key->data()), key->size()};
    headers_.push_back(h);
  }
  if (!in.empty()) return damaged("bytes follow its headers");
  return {};
}

result<control_marker> read_control_marker(record_batch_view batch) {
  if (!batch.is_control())
    return error{errc::corrupt, "a batch without the control attribute has no marker"};
  record_reader reader;
  WEIR_TRY(reader.open(batch));
  record r;
  WEIR_ASSIGN(bool any, reader.next(r));
  // Key: version and type, both int16. Value: version (int16) and coordinator epoch (int32).
  if (!any || !r.key || r.key->size() < 4) return damaged("a control record's key");
  control_marker m;
  switch (load_big_endian<int16_t>(r.key->data() + 2)) {
    case 0:
      m.type = control_type::abort;
      break;
    case 1:
      m.type = control_type::commit;
      break;
    default:
      return m;  // of a later version of Kafka: there, and none of ours
  }
  if (!r.value || r.value->size() < 6) return damaged("a control record's value");
  m.coordinator_epoch = load_big_endian<int32_t>(r.value->data() + 2);
  return m;
}

}  // namespace weir
