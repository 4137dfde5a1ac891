#include "runtime/kafka/partition/record_walk.hpp"

#include <algorithm>

namespace weir::kafka {

namespace {

/// Zigzag varints up to an end; after a failure `at` is null.
struct cursor {
  const uint8_t* at;
  const uint8_t* end;

  int64_t number() noexcept {
    if (at != nullptr && at < end && *at < 0x80) [[likely]] {
      const uint64_t v = *at++;
      return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
    }
    return long_number();
  }
  int64_t long_number() noexcept {
    uint64_t v = 0;
    for (int shift = 0; at != nullptr && at < end && shift < 70; shift += 7) {
      const uint8_t byte = *at++;
      v |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
    }
    at = nullptr;
    return 0;
  }
  /// Steps over a field of a length that may be -1 (null). False for null.
  bool field() noexcept {
    const int64_t length = number();
    if (length == -1) return false;
    if (at == nullptr || length < 0 || length > end - at) {
      at = nullptr;
      return false;
    }
    at += length;
    return true;
  }
};

/// The headers, which must end with the record.
bool headers_are_whole(cursor& in) noexcept {
  int64_t count = in.number();
  if (in.at == nullptr || count < 0 || count > (in.end - in.at) / 2) return false;
  for (; count > 0; --count) {
    if (!in.field()) return false;  // a key is never null
    in.field();
    if (in.at == nullptr) return false;
  }
  return in.at == in.end;
}

}  // namespace

std::optional<record_facts> walk_records(record_batch_view batch) noexcept {
  const auto* begin = reinterpret_cast<const uint8_t*>(batch.bytes().data());
  cursor all{begin + record_batch_header_bytes, begin + batch.size_bytes()};
  const int32_t last_delta = batch.last_offset_delta();
  const auto base = static_cast<uint64_t>(batch.base_timestamp());
  record_facts facts;
  int64_t delta_min = 0;
  for (int32_t left = batch.record_count(); left > 0; --left) {
    const int64_t length = all.number();
    if (all.at == nullptr || length <= 0 || length > all.end - all.at) return std::nullopt;
    cursor in{all.at + 1, all.at + length};  // behind the attributes, of which none are defined
    all.at += length;
    // Sums of what the client sent wrap instead of overflowing.
    const auto timestamp = static_cast<int64_t>(base + static_cast<uint64_t>(in.number()));
    const int64_t delta = in.number();
    if (in.at == nullptr || delta < delta_min || delta > last_delta) return std::nullopt;
    delta_min = delta + 1;
    facts.timestamp_min_ms = std::min(facts.timestamp_min_ms, timestamp);
    facts.timestamp_max_ms = std::max(facts.timestamp_max_ms, timestamp);
    if (!in.field()) facts.all_have_keys = false;
    in.field();
    if (in.at == nullptr || !headers_are_whole(in)) return std::nullopt;
  }
  if (all.at != all.end) return std::nullopt;
  return facts;
}

}  // namespace weir::kafka
