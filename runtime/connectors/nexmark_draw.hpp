// Random numbers from a counter: 32 bits from an event's number and a key. In 32-bit arithmetic, so
// that compilers make vector code of it. Mixing steps: C. Wellons, hash-prospector (16 21f0aaad 15
// d35a2d97 15), with the key's second half added on the way, so that two keys do not give the same
// numbers in another order. What rows hold depends on these functions: they never change.
#pragma once

#include <cstdint>

namespace weir::nexmark {

struct draw_key {
  uint32_t a = 0, b = 0;
};

/// Evenly distributed over 32 bits.
inline uint32_t drawn(uint32_t event, draw_key k) noexcept {
  uint32_t x = event ^ k.a;
  x ^= x >> 16;
  x *= 0x21f0aaadu;
  x += k.b;
  x ^= x >> 15;
  x *= 0xd35a2d97u;
  x ^= x >> 15;
  return x;
}
/// Of 32 random bits: a number in [0, n).
inline uint32_t below(uint32_t n, uint32_t bits) noexcept {
  return static_cast<uint32_t>(uint64_t{bits} * n >> 32);
}

}  // namespace weir::nexmark
