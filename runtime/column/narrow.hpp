// Integers of a small range as differences from the least one, in 0, 1, 2, 4 or 8 bytes (frame of
// reference), as the wire carries them. Pure functions; any thread. What widen_values gives is what
// narrow_values was given, whatever the values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "runtime/column/scalar.hpp"

namespace weir {

/// Every value is base plus an unsigned number of so many bytes; 0: every value is base.
struct narrow_form {
  uint8_t bytes = 0;
  int64_t base = 0;
};

/// The smallest form of `n` > 0 values; nothing when none is smaller than they are, or (128 bits)
/// when some value is beyond 64 bits.
std::optional<narrow_form> narrow_form_of(const int64_t* values, uint32_t n) noexcept;
std::optional<narrow_form> narrow_form_of(const int128* values, uint32_t n) noexcept;

/// `to` has room for n * form.bytes bytes and is aligned to form.bytes.
void narrow_values(std::byte* to, const int64_t* values, uint32_t n, narrow_form) noexcept;
void narrow_values(std::byte* to, const int128* values, uint32_t n, narrow_form) noexcept;

/// The values again. `from` has n * form.bytes bytes and is aligned to form.bytes; any bytes make
/// values (modulo 2^64).
void widen_values(int64_t* to, const std::byte* from, uint32_t n, narrow_form) noexcept;
void widen_values(int128* to, const std::byte* from, uint32_t n, narrow_form) noexcept;

}  // namespace weir
