// The values that the Kafka protocol's messages are made of, beyond integers and strings: uuids and
// the bytes of record batches, which are never copied by a decoder. Plain values without a thread.
// Format: "Protocol Primitive Types" of the Kafka protocol guide, KIP-482 (compact forms, tags),
// KIP-516 (uuids).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::kafka {

using bytes_view = std::span<const std::byte>;

inline bytes_view as_bytes_view(std::string_view s) noexcept {
  return std::as_bytes(std::span(s.data(), s.size()));
}
inline std::string_view as_string_view(bytes_view b) noexcept {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// 16 bytes in network order. All zero means "none".
struct uuid {
  std::array<uint8_t, 16> bytes{};

  bool is_zero() const noexcept { return *this == uuid{}; }
  /// 22 characters of base64url without padding, as Kafka prints them.
  std::string to_string() const;
  /// The reverse of to_string(); nothing if the text is not exactly such a form.
  static std::optional<uuid> parse(std::string_view text) noexcept;
  friend bool operator==(const uuid&, const uuid&) = default;
  friend auto operator<=>(const uuid&, const uuid&) = default;
};

/// 16 random bytes of the system, as a version 4 UUID.
uuid random_uuid();

/// The record batches inside a Produce request or a Fetch response.
///
/// Decoding points `bytes` into the reader's buffer, which must outlive the message. Encoding
/// copies `bytes`, or, for an external chunk, writes only its length and notes a hole in the writer
/// (see writer::holes()): the sender puts `external_size` bytes of chunk `external_id` there.
struct record_bytes {
  bytes_view bytes;
  bool null = true;            ///< Written as null; then everything else is ignored.
  bool external = false;       ///< The bytes come from elsewhere; encode only.
  uint32_t external_id = 0;    ///< The caller's own name of the chunk.
  uint32_t external_size = 0;  ///< In bytes.

  record_bytes() = default;
  explicit record_bytes(bytes_view b) : bytes(b), null(false) {}
  static record_bytes hole(uint32_t id, uint32_t size) {
    record_bytes r;
    r.null = false;
    r.external = true;
    r.external_id = id;
    r.external_size = size;
    return r;
  }
  size_t size() const noexcept { return null ? 0 : external ? external_size : bytes.size(); }
  /// Equal contents: bytes by value, external chunks by name and size.
  friend bool operator==(const record_bytes&, const record_bytes&) noexcept;
};

}  // namespace weir::kafka

template <>
struct std::hash<weir::kafka::uuid> {
  size_t operator()(const weir::kafka::uuid& u) const noexcept {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(u.bytes.data()), u.bytes.size()});
  }
};
