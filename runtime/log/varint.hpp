// Zigzag varints as records use them (Protocol Buffers' encoding), and big-endian integers. Reading
// is bounds-checked: a cut or overlong number is no value. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace weir {

/// Takes a number off the front of `in`; false when it is cut off or longer than 10 bytes.
inline bool take_varlong(std::span<const std::byte>& in, int64_t& out) noexcept {
  uint64_t v = 0;
  for (size_t i = 0; i < 10 && i < in.size(); ++i) {
    auto b = static_cast<uint8_t>(in[i]);
    v |= uint64_t{b & 0x7fu} << (7 * i);
    if (b < 0x80) {
      out = static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
      in = in.subspan(i + 1);
      return true;
    }
  }
  return false;
}
/// The same for a number that has to fit 32 bits.
inline bool take_varint(std::span<const std::byte>& in, int32_t& out) noexcept {
  int64_t v;
  if (!take_varlong(in, v) || v < INT32_MIN || v > INT32_MAX) return false;
  out = static_cast<int32_t>(v);
  return true;
}

inline size_t varlong_bytes(int64_t v) noexcept {
  uint64_t u = static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63);
  size_t n = 1;
  for (; u >= 0x80; u >>= 7) ++n;
  return n;
}
inline void put_varlong(std::vector<std::byte>& out, int64_t v) {
  uint64_t u = static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63);
  for (; u >= 0x80; u >>= 7) out.push_back(static_cast<std::byte>(u | 0x80));
  out.push_back(static_cast<std::byte>(u));
}

template <class T>
void store_big_endian(std::byte* at, T value) noexcept {
  auto v = static_cast<std::make_unsigned_t<T>>(value);
  for (size_t i = 0; i < sizeof(T); ++i)
    at[i] = static_cast<std::byte>(v >> (8 * (sizeof(T) - 1 - i)));
}
template <class T>
T load_big_endian(const std::byte* at) noexcept {
  std::make_unsigned_t<T> v = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    v = static_cast<std::make_unsigned_t<T>>(v << 8 | static_cast<uint8_t>(at[i]));
  return static_cast<T>(v);
}

}  // namespace weir
