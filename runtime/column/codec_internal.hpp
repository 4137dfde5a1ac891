// Shared by the two halves of the codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir::wire {

/// The running checksum of schema/batch.capnp over one more segment.
uint64_t checksum_step(std::span<const std::byte> segment, uint64_t h) noexcept;

}  // namespace weir::wire
