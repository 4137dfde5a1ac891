// Which partition a record with a key goes to: Kafka's default (murmur2), so that records of one
// key meet whoever writes them. Pure functions.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace weir::streams {

/// Austin Appleby's MurmurHash2 with Kafka's seed, as org.apache.kafka.common.utils.Utils.murmur2.
inline uint32_t murmur2(std::span<const std::byte> data) noexcept {
  constexpr uint32_t m = 0x5bd1e995;
  uint32_t h = 0x9747b28c ^ static_cast<uint32_t>(data.size());
  const auto* p = data.data();
  size_t left = data.size();
  for (; left >= 4; p += 4, left -= 4) {
    uint32_t k;
    std::memcpy(&k, p, 4);  // little endian
    k *= m;
    k ^= k >> 24;
    k *= m;
    h *= m;
    h ^= k;
  }
  if (left >= 3) h ^= static_cast<uint32_t>(p[2]) << 16;
  if (left >= 2) h ^= static_cast<uint32_t>(p[1]) << 8;
  if (left >= 1) {
    h ^= static_cast<uint32_t>(p[0]);
    h *= m;
  }
  h ^= h >> 13;
  h *= m;
  h ^= h >> 15;
  return h;
}
inline int32_t partition_of_key(std::span<const std::byte> key, int32_t partitions) noexcept {
  return static_cast<int32_t>(murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace weir::streams
