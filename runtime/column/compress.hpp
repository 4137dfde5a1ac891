// Packing the values under the set bits of a mask: what a split by bitmaps is made of. `mask` has n
// bits, those past n are ignored. Outputs are written in whole registers, so they need 64 bytes of
// slack past their end (buffer::allocate gives it); inputs are read only within [0, n). Private to
// runtime/column.
#pragma once

#include <cstdint>

namespace weir::compress {

/// mask bit i = the top half of hashes[i] is at least `first` (which may be 2^32: none).
void at_least(uint8_t* mask, const uint64_t* hashes, uint32_t n, uint64_t first) noexcept;
void values8(uint64_t* out, const uint64_t* in, const uint8_t* mask, uint32_t n) noexcept;
void values4(uint32_t* out, const uint32_t* in, const uint8_t* mask, uint32_t n) noexcept;
void values1(uint8_t* out, const uint8_t* in, const uint8_t* mask, uint32_t n) noexcept;
/// The positions of the set bits.
void rows(uint32_t* out, const uint8_t* mask, uint32_t n) noexcept;
/// Bits of `in` under the mask, as a bitmap.
void bits(uint8_t* out, const uint8_t* in, const uint8_t* mask, uint32_t n) noexcept;

}  // namespace weir::compress
