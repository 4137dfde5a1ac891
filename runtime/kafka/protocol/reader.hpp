// Reads the Kafka protocol's primitive types from one message in memory. Owned by one decode call,
// no thread of its own. Errors stick: after the first one every read yields zeros and empty values,
// so that generated code reads on and asks once; the error names the field. Reads never pass the
// end, and what arrays may allocate is bounded (see below), whatever lengths the bytes claim.
#pragma once

#include <limits>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/protocol/types.hpp"

namespace weir::kafka {

/// Decoded arrays may take this many bytes of memory per byte of the message: real messages stay
/// below 16 (an empty compact string, 1 byte, becomes a std::string of 32), hostile ones stop here.
inline constexpr size_t decoded_bytes_per_byte = 32;
/// ... plus this, so that small messages with default-heavy structures always pass,
inline constexpr size_t decoded_bytes_free = 64 << 10;
/// ... and never more than this for one message, whatever its size.
inline constexpr size_t decoded_bytes_max = 512 << 20;
/// Tagged fields of one structure; Kafka has at most a handful.
inline constexpr uint32_t tagged_fields_max = 1024;

class reader {
 public:
  /// `bytes` must outlive the reader and all record_bytes that it yields.
  explicit reader(bytes_view bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), begin_(bytes.data()) {
    budget_ = decoded_bytes_free + bytes.size() * decoded_bytes_per_byte;
    if (budget_ > decoded_bytes_max) budget_ = decoded_bytes_max;
  }

  /// At most so many elements in all of the message's arrays together, for readers that do work for
  /// each. Unlimited unless it is called.
  void limit_elements(size_t most) noexcept { elements_left_ = most; }

  bool ok() const noexcept { return problem_ == nullptr; }
  /// ok, or errc::parse with the message's and the field's name and the position.
  status state() const;
  size_t remaining() const noexcept { return static_cast<size_t>(end_ - at_); }
  size_t position() const noexcept { return static_cast<size_t>(at_ - begin_); }
  /// What is left, without reading it.
  bytes_view rest() const noexcept { return {at_, end_}; }
  /// Fails if bytes are left.
  status expect_end() const;

  /// Whether strings, arrays and structures that follow use the compact forms and tags of KIP-482.
  /// `message` and `version` are for error texts.
  void begin_message(const char* message, int16_t version, bool flexible) noexcept {
    if (problem_) return;  // the error tells of the message that it was met in
    message_ = message, version_ = version, flexible_ = flexible;
  }
  bool flexible() const noexcept { return flexible_; }

  // `field` is a string literal (kept by address): the field's path within the message.
  bool boolean(const char* field) noexcept { return int8(field) != 0; }
  int8_t int8(const char* field) noexcept;
  int16_t int16(const char* field) noexcept;
  uint16_t uint16(const char* field) noexcept { return static_cast<uint16_t>(int16(field)); }
  int32_t int32(const char* field) noexcept;
  int64_t int64(const char* field) noexcept;
  double float64(const char* field) noexcept;
  uint32_t unsigned_varint(const char* field) noexcept;
  uuid uuid_value(const char* field) noexcept;
  std::string string(const char* field);
  std::optional<std::string> nullable_string(const char* field);
  std::string bytes(const char* field);
  std::optional<std::string> nullable_bytes(const char* field);
  record_bytes records(const char* field) noexcept;
  /// The presence byte of a structure that may be null.
  bool present(const char* field) noexcept;
  /// The number of elements of an array, or -1 for null, after it was checked that the rest of the
  /// message can hold so many elements of at least `wire_size` bytes and that the memory for so
  /// many of `memory_size` is within the budget. Callers may then allocate them at once.
  int32_t array(const char* field, size_t wire_size, size_t memory_size) noexcept;
  /// Likewise, where null is an error.
  int32_t filled_array(const char* field, size_t wire_size, size_t memory_size) noexcept;
  void int32_array(const char* field, std::vector<int32_t>& out);
  void string_array(const char* field, std::vector<std::string>& out);

  /// Skips a structure's tagged fields; nothing in an inflexible message.
  void skip_tags(const char* field) noexcept;
  /// Reads known tagged fields: `read(tag)` reads one and returns true, or returns false for an
  /// unknown tag, which is skipped. A field that does not fill its announced size is an error.
  template <class F>
  void tags(const char* field, F&& read) {
    if (!flexible_) return;
    const uint32_t n = unsigned_varint(field);
    if (n > tagged_fields_max) return fail(field, "too many tagged fields");
    for (uint32_t i = 0; i < n && ok(); ++i) {
      const std::byte* outer = end_;
      const uint32_t tag = begin_tag(field);
      if (!ok()) return;
      if (!read(tag)) at_ = end_;
      end_tag(field, outer);
    }
  }

  /// Notes the first error; `what` is a string literal.
  void fail(const char* field, const char* what) noexcept;

 private:
  const std::byte* take(size_t n, const char* field) noexcept;
  int64_t length(const char* field, bool wide) noexcept;
  int64_t array_length(const char* field, size_t wire_size, size_t memory_size) noexcept;
  std::string_view sized(int64_t n, const char* field) noexcept;
  uint32_t begin_tag(const char* field) noexcept;
  void end_tag(const char* field, const std::byte* outer) noexcept;

  const std::byte* at_;
  const std::byte* end_;  // of the message, or of the tagged field that is being read
  const std::byte* begin_;
  size_t budget_;
  size_t elements_left_ = std::numeric_limits<size_t>::max();
  bool flexible_ = false;
  int16_t version_ = 0;
  const char* message_ = "";
  const char* field_ = nullptr;
  const char* problem_ = nullptr;
  size_t problem_at_ = 0;
};

}  // namespace weir::kafka
