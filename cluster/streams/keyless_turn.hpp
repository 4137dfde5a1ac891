// Which partition the next record without a key goes to: a stretch of them to one partition, so
// that batches are worth their request, then the next one, as Kafka's uniform sticky partitioner
// (KIP-794) does it. Pure; where it begins is its owner's choice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::streams {

/// So many bytes of records stay together; the batch.size of Kafka's clients.
inline constexpr size_t keyless_stretch_bytes = 16 * 1024;

class keyless_turn {
 public:
  /// `first` is taken modulo the partitions, of which there is at least one.
  keyless_turn(int32_t partitions, uint32_t first, size_t stretch_bytes = keyless_stretch_bytes)
      : partitions_(partitions),
        current_(static_cast<int32_t>(first % static_cast<uint32_t>(partitions))),
        stretch_bytes_(stretch_bytes) {}

  int32_t partition() const noexcept { return current_; }
  /// A record without a key was added to partition().
  void added(size_t bytes) noexcept {
    in_stretch_ += bytes;
    if (in_stretch_ >= stretch_bytes_) next();
  }
  /// The batch of partition() is on its way: what comes now would begin another one anyway.
  void next() noexcept {
    current_ = (current_ + 1) % partitions_;
    in_stretch_ = 0;
  }

 private:
  int32_t partitions_;
  int32_t current_;
  size_t stretch_bytes_;
  size_t in_stretch_ = 0;
};

}  // namespace weir::streams
