#include "runtime/kafka/protocol/writer.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace weir::kafka {
namespace {

// Room of a fresh writer: most answers fit.
constexpr size_t first_room = 256;

template <class T>
void put_big_endian(std::byte* p, T v) noexcept {
  if constexpr (sizeof v == 2) v = static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(v)));
  if constexpr (sizeof v == 4) v = static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(v)));
  if constexpr (sizeof v == 8) v = static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(v)));
  std::memcpy(p, &v, sizeof v);
}

size_t varint_size(uint32_t v) noexcept {
  size_t n = 1;
  for (; v >= 0x80; v >>= 7) ++n;
  return n;
}

void put_varint(std::byte* p, uint32_t v) noexcept {
  for (; v >= 0x80; v >>= 7) *p++ = static_cast<std::byte>(v | 0x80);
  *p = static_cast<std::byte>(v);
}

}  // namespace

std::vector<std::byte> writer::take() {
  buffer_.resize(size_);
  auto out = std::move(buffer_);
  buffer_.clear();
  clear();
  return out;
}

void writer::make_room(size_t n) {
  buffer_.resize(std::max({first_room, buffer_.size() * 2, size_ + n}));
}

writer::frame writer::begin_frame() {
  frame f;
  f.at = size_;
  grow(4);
  f.before = total_size();
  return f;
}

void writer::end_frame(frame f) noexcept {
  put_big_endian(buffer_.data() + f.at,
                 static_cast<int32_t>(checked_length(total_size() - f.before)));
}

void writer::int16(int16_t v) {
  put_big_endian(grow(2), v);
}
void writer::int32(int32_t v) {
  put_big_endian(grow(4), v);
}
void writer::int64(int64_t v) {
  put_big_endian(grow(8), v);
}
void writer::float64(double v) {
  int64(std::bit_cast<int64_t>(v));
}

void writer::unsigned_varint(uint32_t v) {
  put_varint(grow(varint_size(v)), v);
}

void writer::raw(bytes_view v) {
  if (!v.empty()) std::memcpy(grow(v.size()), v.data(), v.size());
}

void writer::string(std::string_view v) {
  if (flexible_) {
    unsigned_varint(checked_length(v.size()) + 1);
  } else {
    // A string that its field cannot carry is cut rather than breaking the frame: only texts of our
    // own (error messages) can be longer, for names are checked where they come in.
    v = v.substr(0, std::numeric_limits<int16_t>::max());
    int16(static_cast<int16_t>(v.size()));
  }
  raw(as_bytes_view(v));
}

void writer::nullable_string(const std::optional<std::string>& v) {
  if (v) return string(*v);
  flexible_ ? unsigned_varint(0) : int16(-1);
}

void writer::length(size_t n) {
  const uint32_t checked = checked_length(n);
  flexible_ ? unsigned_varint(checked + 1) : int32(static_cast<int32_t>(checked));
}

uint32_t writer::checked_length(size_t n) noexcept {
  weir_assert(n < static_cast<size_t>(std::numeric_limits<int32_t>::max()),
              "a field of a Kafka message is larger than the protocol allows");
  return static_cast<uint32_t>(n);
}

void writer::null_length() {
  flexible_ ? unsigned_varint(0) : int32(-1);
}

void writer::bytes(std::string_view v) {
  length(v.size());
  raw(as_bytes_view(v));
}

void writer::nullable_bytes(const std::optional<std::string>& v) {
  v ? bytes(*v) : null_length();
}

void writer::records(const record_bytes& v) {
  if (v.null) return null_length();
  length(v.size());
  if (!v.external) return raw(v.bytes);
  holes_.push_back({size_, v.external_id, v.external_size});
  hole_bytes_ += v.external_size;
}

void writer::array(size_t n) {
  length(n);
}

void writer::null_array() {
  null_length();
}

void writer::int32_array(const std::vector<int32_t>& v) {
  length(v.size());
  std::byte* p = grow(v.size() * 4);
  for (int32_t e : v) put_big_endian(p, e), p += 4;
}

void writer::string_array(const std::vector<std::string>& v) {
  length(v.size());
  for (const auto& e : v) string(e);
}

size_t writer::begin_tag(uint32_t tag) {
  unsigned_varint(tag);
  return size_;
}

// The size is known only now: moves the value up by the room that its size takes.
void writer::end_tag(size_t start) {
  weir_assert(holes_.empty() || holes_.back().position < start, "records in a tagged field");
  const uint32_t size = checked_length(size_ - start);
  const size_t room = varint_size(size);
  grow(room);
  std::byte* p = buffer_.data() + start;
  std::memmove(p + room, p, size);
  put_varint(p, size);
}

}  // namespace weir::kafka
