// Bytes as hexadecimal text and back, for golden bytes in tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/kafka/protocol/types.hpp"

namespace weir::kafka::test {

inline std::string hex(bytes_view bytes) {
  std::string out;
  for (auto b : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += digits[static_cast<size_t>(b) >> 4];
    out += digits[static_cast<size_t>(b) & 15];
  }
  return out;
}

/// Blanks are skipped.
inline std::vector<std::byte> unhex(std::string_view text) {
  std::vector<std::byte> out;
  int high = -1;
  for (char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high >= 0) out.push_back(static_cast<std::byte>(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return out;
}

/// "01 02" -> "0102"
inline std::string squeezed(std::string_view text) {
  return hex(unhex(text));
}

}  // namespace weir::kafka::test
