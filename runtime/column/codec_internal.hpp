// Shared by the two halves of the codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/column/types.hpp"

namespace weir::wire {

/// Of schema/batch.capnp, Column.narrow: all values are the base.
inline constexpr uint8_t narrow_constant = 255;
inline constexpr bool is_int64(type_id t) noexcept {
  return t == type_id::int64 || t == type_id::timestamp;
}

/// The running checksum of schema/batch.capnp over one more segment.
uint64_t checksum_step(std::span<const std::byte> segment, uint64_t h) noexcept;

}  // namespace weir::wire
