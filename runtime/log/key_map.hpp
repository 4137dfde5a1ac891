// The last offset of each key for one pass of compaction: a bounded open table of 128-bit key
// hashes. Two keys are taken for one when all 128 bits agree, which chance does not bring about,
// and the hash is seeded per table against keys made for it. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace weir {

class key_map {
 public:
  key_map(uint64_t bytes_max, uint64_t seed);
  /// False: full, nothing was changed. Keys that are there already always fit.
  bool put(std::span<const std::byte> key, int64_t offset);
  std::optional<int64_t> find(std::span<const std::byte> key) const;
  size_t size() const noexcept { return size_; }

 private:
  struct slot {
    uint64_t low = 0, high = 0;
    int64_t offset = -1;  // -1: free
  };
  static constexpr size_t slots_min = 1024;
  size_t place_of(uint64_t low, uint64_t high) const noexcept;
  void grow();

  std::vector<slot> slots_;
  size_t slots_max_;
  size_t size_ = 0;
  uint64_t seed_;
};

}  // namespace weir
