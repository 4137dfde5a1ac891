// Bytes as hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace weir {

/// Two lower-case digits a byte at `out`; returns the end.
inline char* write_hex(char* out, std::string_view bytes) noexcept {
  constexpr char digits[] = "0123456789abcdef";
  for (const char c : bytes) {
    *out++ = digits[static_cast<unsigned char>(c) >> 4];
    *out++ = digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}
inline void append_hex(std::string& out, std::string_view bytes) {
  const auto at = out.size();
  out.resize(at + 2 * bytes.size());
  write_hex(out.data() + at, bytes);
}

}  // namespace weir
