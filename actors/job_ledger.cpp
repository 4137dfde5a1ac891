#include "actors/job_ledger.hpp"

#include "runtime/base/crc32c.hpp"

namespace weir {

std::string job_id_text(const kafka::uuid& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[id.bytes[i] >> 4];
    out += digits[id.bytes[i] & 15];
  }
  return out;
}

std::optional<kafka::uuid> parse_job_id(std::string_view text) {
  kafka::uuid id;
  size_t digit = 0;
  for (char c : text) {
    if (c == '-') continue;
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (v < 0 || digit == 2 * id.bytes.size()) return std::nullopt;
    auto& b = id.bytes[digit / 2];
    b = static_cast<uint8_t>(digit % 2 ? b | v : v << 4);
    ++digit;
  }
  if (digit != 2 * id.bytes.size() || job_id_text(id) != text) return std::nullopt;
  return id;
}

uint32_t turn_of(const std::string& thing, int32_t node) {
  const auto text = thing + "@" + std::to_string(node);
  return crc32c(std::as_bytes(std::span(text)));
}

}  // namespace weir
