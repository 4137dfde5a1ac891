// Decimal digits, several at a time; private to the text forms.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace weir {

inline constexpr std::array<char, 200> two_digits = [] {
  std::array<char, 200> t{};
  for (int i = 0; i < 100; ++i) {
    t[2 * i] = static_cast<char>('0' + i / 10);
    t[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return t;
}();

/// Writes v < 100 as two digits.
inline void put2(char* p, uint32_t v) noexcept {
  std::memcpy(p, &two_digits[2 * v], 2);
}

/// Whether the eight bytes of a little-endian load are all '0' to '9'. Source: fast_float.
inline bool eight_digits(uint64_t v) noexcept {
  return !(((v + 0x4646464646464646) | (v - 0x3030303030303030)) & 0x8080808080808080);
}
/// The number that they are. Source: Johnny Lee, "Fast numeric string to int".
inline uint64_t eight_digits_value(uint64_t v) noexcept {
  constexpr uint64_t mask = 0x000000FF000000FF;
  constexpr uint64_t mul1 = 0x000F424000000064;  // 100 + (1000000 << 32)
  constexpr uint64_t mul2 = 0x0000271000000001;  // 1 + (10000 << 32)
  v -= 0x3030303030303030;
  v = (v * 10) + (v >> 8);
  return static_cast<uint32_t>((((v & mask) * mul1) + (((v >> 16) & mask) * mul2)) >> 32);
}

}  // namespace weir
