// Vectorised checks over foreign integers; private to the codec.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

/// v[0] <= v[1] <= ...
bool ascending(const uint32_t* v, size_t n) noexcept;
/// v[0] < v[1] < ...
bool strictly_ascending(const uint32_t* v, size_t n) noexcept;
/// Every v[i] < limit; true of none.
bool all_below(const uint32_t* v, size_t n, uint32_t limit) noexcept;

}  // namespace weir
