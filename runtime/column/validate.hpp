// Vectorised checks over foreign integers; private to this room.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/column/scalar.hpp"

namespace weir {

/// No decimal's digits reach it: there are 38.
constexpr int128 decimal_limit() noexcept {
  int128 v = 1;
  for (int i = 0; i < 38; ++i) v *= 10;
  return v;
}

/// v[0] <= v[1] <= ...
bool ascending(const uint32_t* v, size_t n) noexcept;
/// v[0] < v[1] < ...
bool strictly_ascending(const uint32_t* v, size_t n) noexcept;
/// Every v[i] < limit; true of none.
bool all_below(const uint32_t* v, size_t n, uint32_t limit) noexcept;

}  // namespace weir
