#include "runtime/kafka/protocol/types.hpp"

#include <algorithm>

#include <sys/random.h>

namespace weir::kafka {
namespace {

constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t text_size = 22;  // 128 bits in digits of 6

}  // namespace

std::string uuid::to_string() const {
  std::string out;
  out.reserve(text_size);
  uint32_t bits = 0;
  unsigned have = 0;
  for (uint8_t byte : bytes) {
    bits = (bits << 8 | byte) & 0xffff;
    for (have += 8; have >= 6; have -= 6) out += digits[bits >> (have - 6) & 0x3f];
  }
  out += digits[bits << (6 - have) & 0x3f];
  return out;
}

std::optional<uuid> uuid::parse(std::string_view text) noexcept {
  if (text.size() != text_size) return std::nullopt;
  uuid out;
  size_t at = 0;
  uint32_t bits = 0;
  unsigned have = 0;
  for (char c : text) {
    const size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xffff;
    have += 6;
    if (have >= 8 && at < out.bytes.size()) {
      have -= 8;
      out.bytes[at++] = static_cast<uint8_t>(bits >> have);
    }
  }
  if ((bits & ((1U << have) - 1)) != 0) return std::nullopt;  // not how to_string() ends
  return out;
}

bool operator==(const record_bytes& a, const record_bytes& b) noexcept {
  if (a.null || b.null) return a.null == b.null;
  if (a.external || b.external)
    return a.external == b.external && a.external_id == b.external_id &&
           a.external_size == b.external_size;
  return std::ranges::equal(a.bytes, b.bytes);
}

uuid random_uuid() {
  uuid u;
  size_t have = 0;
  while (have < u.bytes.size()) {
    auto n = ::getrandom(u.bytes.data() + have, u.bytes.size() - have, 0);
    if (n > 0) have += static_cast<size_t>(n);
  }
  u.bytes[6] = static_cast<uint8_t>((u.bytes[6] & 0x0f) | 0x40);
  u.bytes[8] = static_cast<uint8_t>((u.bytes[8] & 0x3f) | 0x80);
  return u;
}

}  // namespace weir::kafka
