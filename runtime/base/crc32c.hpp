// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of snapshot chunks and log batches.
// Pure functions, safe on any thread. Uses the CPU's crc32 instruction on three interleaved
// streams, so that its latency of three cycles is hidden (about 8 bytes per cycle).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir {

/// The checksum of what `crc` covers followed by `bytes`; start with 0.
uint32_t crc32c(uint32_t crc, std::span<const std::byte> bytes) noexcept;
inline uint32_t crc32c(std::span<const std::byte> bytes) noexcept {
  return crc32c(0, bytes);
}

/// The same by table, one byte at a time: what tests compare with.
uint32_t crc32c_plain(uint32_t crc, std::span<const std::byte> bytes) noexcept;

}  // namespace weir
