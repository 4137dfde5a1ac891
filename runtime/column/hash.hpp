// The hash of keys. It decides a row's key group, and key groups are what snapshots store: its
// values are part of the snapshot format and never change (tests/column/hash_test.cpp holds golden
// values). Pure functions.
//
//   hash of a row   h = hash_seed; for each key column in order: h = hash_step(h, word)
//   word of a value
//     NULL                          hash_null_word
//     boolean, int32, int64, date, timestamp   the value, sign-extended to 64 bits
//     float64                       its bits; -0.0 as 0.0, every NaN as 0x7ff8000000000000
//     decimal                       low 64 bits + hash_mix(high 64 bits)
//     interval                      its length in microseconds (months of 30 days, days of 24
//                                   hours; equal intervals are those of equal length), like decimal
//     string, bytes, json           word_of_bytes
//     list, struct                  word_of_bytes of their stored form (nested.hpp)
//
// hash_step is a bijection of the word, so a single integer key never collides. Top bits choose the
// key group (ids.hpp), low bits are for hash tables.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/column/batch.hpp"
#include "runtime/column/scalar.hpp"

namespace weir {

inline constexpr uint64_t hash_seed = 0x9e3779b97f4a7c15;
inline constexpr uint64_t hash_null_word = 0xd6e8feb86659fd93;
inline constexpr uint64_t hash_nan_word = 0x7ff8000000000000;

/// Stafford's variant 13 of the 64-bit finaliser (as in splitmix64).
constexpr uint64_t hash_mix(uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
constexpr uint64_t hash_step(uint64_t h, uint64_t word) noexcept {
  return hash_mix(h ^ word);
}

/// XXH3_64bits of the bytes, seed 0: for strings of more than 16 bytes.
uint64_t hash_long_bytes(const char* p, size_t n) noexcept;

/// Of 1 to 8 bytes as a zero-extended little-endian integer and their number. 0 of the empty
/// string.
constexpr uint64_t word_of_8(uint64_t bytes, size_t n) noexcept {
  return bytes ^ (n * 0x9e3779b97f4a7c15);
}
/// Of 9 to 16 bytes as their first and last eight: wyhash's multiply and fold.
constexpr uint64_t word_of_16(uint64_t first, uint64_t last, size_t n) noexcept {
  const auto m = static_cast<unsigned __int128>(first ^ 0xa0761d6478bd642f) *
                 (last ^ (0xe7037ed1a0b428db + n));
  return static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64);
}
/// The word of a string; reads exactly [p, p + n).
inline uint64_t word_of_bytes(const char* p, size_t n) noexcept {
  if (n <= 8) {
    uint64_t v = 0;
    if (n >= 4) {
      uint32_t first, last;
      std::memcpy(&first, p, 4);
      std::memcpy(&last, p + n - 4, 4);
      v = first | uint64_t{last} << (8 * (n - 4));
    } else if (n != 0) {
      v = static_cast<uint8_t>(p[0]) | uint64_t{static_cast<uint8_t>(p[n >> 1])} << (8 * (n >> 1)) |
          uint64_t{static_cast<uint8_t>(p[n - 1])} << (8 * (n - 1));
    }
    return word_of_8(v, n);
  }
  if (n <= 16) {
    uint64_t first, last;
    std::memcpy(&first, p, 8);
    std::memcpy(&last, p + n - 8, 8);
    return word_of_16(first, last, n);
  }
  return hash_long_bytes(p, n);
}
inline uint64_t word_of_bytes(std::string_view s) noexcept {
  return word_of_bytes(s.data(), s.size());
}
constexpr uint64_t word_of_double(double v) noexcept {
  return v != v ? hash_nan_word : v == 0 ? 0 : __builtin_bit_cast(uint64_t, v);
}
constexpr uint64_t word_of_int128(int128 v) noexcept {
  return static_cast<uint64_t>(v) + hash_mix(static_cast<uint64_t>(v >> 64));
}
constexpr uint64_t word_of_interval(interval_value v) noexcept {
  return word_of_int128((static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros);
}
/// For single values; must agree with hash_keys.
uint64_t word_of(const scalar& v) noexcept;

/// uint64 hash of the key columns per LOGICAL row of `b`. Without keys every row has hash_seed. A
/// dictionary's entries are hashed once.
buffer_ref hash_keys(const batch& b, std::span<const uint32_t> keys, memory_pool& pool);

}  // namespace weir
