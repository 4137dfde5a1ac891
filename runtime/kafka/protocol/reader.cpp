#include "runtime/kafka/protocol/reader.hpp"

#include <bit>
#include <cstring>

namespace weir::kafka {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is big endian, we are not");

template <class T>
T big_endian(const std::byte* p) noexcept {
  T v;
  std::memcpy(&v, p, sizeof v);
  if constexpr (sizeof v == 2) return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(v)));
  if constexpr (sizeof v == 4) return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(v)));
  if constexpr (sizeof v == 8) return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(v)));
}

}  // namespace

void reader::fail(const char* field, const char* what) noexcept {
  if (problem_) return;
  field_ = field, problem_ = what, problem_at_ = position();
  at_ = end_;  // nothing more to read, so that later reads do not look at bytes out of step
}

status reader::state() const {
  if (ok()) return {};
  return error(errc::parse, std::string(message_) + " v" + std::to_string(version_) + ": " +
                                field_ + ": " + problem_ + " at byte " +
                                std::to_string(problem_at_));
}

status reader::expect_end() const {
  WEIR_TRY(state());
  if (remaining() == 0) return {};
  return error(errc::parse, std::string(message_) + " v" + std::to_string(version_) + ": " +
                                std::to_string(remaining()) + " bytes after the end");
}

const std::byte* reader::take(size_t n, const char* field) noexcept {
  if (remaining() < n) [[unlikely]] {
    fail(field, "the message ends here");
    return nullptr;
  }
  const std::byte* p = at_;
  at_ += n;
  return p;
}

int8_t reader::int8(const char* field) noexcept {
  const auto* p = take(1, field);
  return p ? static_cast<int8_t>(*p) : int8_t{0};
}

int16_t reader::int16(const char* field) noexcept {
  const auto* p = take(2, field);
  return p ? big_endian<int16_t>(p) : int16_t{0};
}

int32_t reader::int32(const char* field) noexcept {
  const auto* p = take(4, field);
  return p ? big_endian<int32_t>(p) : 0;
}

int64_t reader::int64(const char* field) noexcept {
  const auto* p = take(8, field);
  return p ? big_endian<int64_t>(p) : 0;
}

double reader::float64(const char* field) noexcept {
  return std::bit_cast<double>(int64(field));
}

uint32_t reader::unsigned_varint(const char* field) noexcept {
  uint32_t v = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto* p = take(1, field);
    if (!p) return 0;
    const auto byte = static_cast<uint32_t>(*p);
    if (shift == 28 && byte > 0x0f) break;
    v |= (byte & 0x7f) << shift;
    if (byte < 0x80) return v;
  }
  fail(field, "a number of more than 32 bits");
  return 0;
}

uuid reader::uuid_value(const char* field) noexcept {
  uuid u;
  if (const auto* p = take(16, field)) std::memcpy(u.bytes.data(), p, 16);
  return u;
}

// Of a string (int16) or of bytes and arrays (`wide`: int32); compact forms hold length + 1.
// Negative is null.
int64_t reader::length(const char* field, bool wide) noexcept {
  int64_t n;
  if (flexible_) {
    n = static_cast<int64_t>(unsigned_varint(field)) - 1;
  } else {
    n = wide ? int32(field) : int16(field);
    if (n < -1) fail(field, "a negative length");
  }
  return ok() ? n : -1;
}

std::string_view reader::sized(int64_t n, const char* field) noexcept {
  if (n < 0) {
    fail(field, "null, which is not allowed here");
    return {};
  }
  const auto* p = take(static_cast<size_t>(n), field);
  return p ? std::string_view(reinterpret_cast<const char*>(p), static_cast<size_t>(n))
           : std::string_view();
}

std::string reader::string(const char* field) {
  return std::string(sized(length(field, false), field));
}

std::optional<std::string> reader::nullable_string(const char* field) {
  const int64_t n = length(field, false);
  if (n < 0) return std::nullopt;
  return std::string(sized(n, field));
}

std::string reader::bytes(const char* field) {
  return std::string(sized(length(field, true), field));
}

std::optional<std::string> reader::nullable_bytes(const char* field) {
  const int64_t n = length(field, true);
  if (n < 0) return std::nullopt;
  return std::string(sized(n, field));
}

record_bytes reader::records(const char* field) noexcept {
  const int64_t n = length(field, true);
  if (n < 0) return {};
  return record_bytes(as_bytes_view(sized(n, field)));
}

bool reader::present(const char* field) noexcept {
  const int8_t v = int8(field);
  return ok() && v >= 0;
}

int64_t reader::array_length(const char* field, size_t wire_size, size_t memory_size) noexcept {
  const int64_t n = length(field, true);
  if (n <= 0) return n;
  const auto count = static_cast<uint64_t>(n);
  if (count > remaining() / wire_size) {
    fail(field, "an array of more elements than the message can hold");
    return -1;
  }
  if (count > elements_left_) {
    fail(field, "more elements of arrays than one message may have");
    return -1;
  }
  if (count > budget_ / memory_size) {
    fail(field, "arrays that would take too much memory for the message's size");
    return -1;
  }
  budget_ -= count * memory_size;
  elements_left_ -= count;
  return n;
}

int32_t reader::array(const char* field, size_t wire_size, size_t memory_size) noexcept {
  return static_cast<int32_t>(array_length(field, wire_size, memory_size));
}

int32_t reader::filled_array(const char* field, size_t wire_size, size_t memory_size) noexcept {
  const int64_t n = array_length(field, wire_size, memory_size);
  if (n < 0) {
    fail(field, "null, which is not allowed here");
    return 0;
  }
  return static_cast<int32_t>(n);
}

void reader::int32_array(const char* field, std::vector<int32_t>& out) {
  const int32_t n = filled_array(field, 4, sizeof(int32_t));
  const auto* p = take(static_cast<size_t>(n) * 4, field);
  if (!p) return;
  out.resize(static_cast<size_t>(n));
  for (auto& e : out) e = big_endian<int32_t>(p), p += 4;
}

void reader::string_array(const char* field, std::vector<std::string>& out) {
  const int32_t n = filled_array(field, flexible_ ? 1 : 2, sizeof(std::string));
  out.reserve(static_cast<size_t>(n));
  for (int32_t i = 0; i < n && ok(); ++i) out.push_back(string(field));
}

void reader::skip_tags(const char* field) noexcept {
  tags(field, [](uint32_t) { return false; });
}

// Until end_tag() the message ends where the tagged field ends.
uint32_t reader::begin_tag(const char* field) noexcept {
  const uint32_t tag = unsigned_varint(field);
  const uint32_t size = unsigned_varint(field);
  if (!ok()) return 0;
  if (size > remaining()) {
    fail(field, "a tagged field that is longer than the message");
    return 0;
  }
  end_ = at_ + size;
  return tag;
}

void reader::end_tag(const char* field, const std::byte* outer) noexcept {
  if (at_ != end_) fail(field, "a tagged field that is longer than its value");
  end_ = outer;
  if (!ok()) at_ = end_;
}

}  // namespace weir::kafka
