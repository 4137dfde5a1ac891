// Characters of UTF-8 text. Text may come from outside and be malformed: every byte that starts no
// character counts as one, and nothing reads past the end.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::expr {

inline bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}
/// Bytes of the character that starts at s[i]; at least 1, never past the end.
inline size_t char_bytes(std::string_view s, size_t i) noexcept {
  size_t n = 1;
  while (n < 4 && i + n < s.size() && is_continuation(s[i + n])) ++n;
  return static_cast<unsigned char>(s[i]) < 0x80 ? 1 : n;
}
inline size_t count_chars(std::string_view s) noexcept {
  size_t n = 0;
  for (char c : s) n += !is_continuation(c);
  return n;
}
/// Byte offset of character `n` (from 0), or the size when there are fewer.
inline size_t offset_of_char(std::string_view s, size_t n) noexcept {
  size_t i = 0;
  for (; n > 0 && i < s.size(); --n) i += char_bytes(s, i);
  return i;
}
inline bool is_ascii(std::string_view s) noexcept {
  unsigned char all = 0;
  for (char c : s) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}
/// The code point at s[i]; a malformed byte is its own value.
inline uint32_t code_point(std::string_view s, size_t i, size_t bytes) noexcept {
  auto b = [&](size_t k) { return static_cast<uint32_t>(static_cast<unsigned char>(s[i + k])); };
  if (bytes == 2) return (b(0) & 0x1F) << 6 | (b(1) & 0x3F);
  if (bytes == 3) return (b(0) & 0x0F) << 12 | (b(1) & 0x3F) << 6 | (b(2) & 0x3F);
  if (bytes == 4)
    return (b(0) & 0x07) << 18 | (b(1) & 0x3F) << 12 | (b(2) & 0x3F) << 6 | (b(3) & 0x3F);
  return b(0);
}
/// Writes a code point; returns its bytes.
inline size_t put_code_point(char* p, uint32_t c) noexcept {
  auto put = [&](size_t i, uint32_t v) { p[i] = static_cast<char>(v); };
  if (c < 0x80) return put(0, c), 1;
  if (c < 0x800) return put(0, 0xC0 | c >> 6), put(1, 0x80 | (c & 0x3F)), 2;
  if (c < 0x10000)
    return put(0, 0xE0 | c >> 12), put(1, 0x80 | (c >> 6 & 0x3F)), put(2, 0x80 | (c & 0x3F)), 3;
  return put(0, 0xF0 | c >> 18), put(1, 0x80 | (c >> 12 & 0x3F)), put(2, 0x80 | (c >> 6 & 0x3F)),
         put(3, 0x80 | (c & 0x3F)), 4;
}

}  // namespace weir::expr
