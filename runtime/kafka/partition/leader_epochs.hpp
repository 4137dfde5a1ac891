// Which leader epoch wrote which offsets: start offsets of epochs, oldest first. Answers
// OffsetForLeaderEpoch, by which consumers and followers find where their log departs from the
// leader's. Owned by a kafka::partition; one thread. Follows what batches carry, so that a scan of
// the log rebuilds it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir::kafka {

/// Epochs kept; a log whose leader changed more often forgets the oldest, as retention would.
inline constexpr size_t leader_epochs_max = 10'000;

struct epoch_end {
  int32_t epoch = -1;       // the largest known epoch <= the asked one; -1: unknown
  int64_t end_offset = -1;  // where it ends (exclusive)
  bool operator==(const epoch_end&) const = default;
};

class leader_epochs {
 public:
  struct entry {
    int32_t epoch = 0;
    int64_t start_offset = 0;
    bool operator==(const entry&) const = default;
  };
  /// A batch of `epoch` begins at `offset`. Epochs that are not new change nothing.
  void assign(int32_t epoch, int64_t offset);
  /// Kafka's rule: the latest epoch ends at `log_end`, an older one where the next begins; an epoch
  /// before the first known one ends where that begins; a future one is unknown.
  epoch_end end_of(int32_t epoch, int64_t log_end) const;
  /// The epoch that wrote `offset`, or -1.
  int32_t epoch_at(int64_t offset) const;
  int32_t latest() const noexcept { return entries_.empty() ? -1 : entries_.back().epoch; }
  void truncate(int64_t end_offset);
  void log_start(int64_t start_offset);
  std::span<const entry> entries() const noexcept { return entries_; }

  /// Those below `end_offset`, as bytes; and back.
  std::string encode(int64_t end_offset) const;
  static result<leader_epochs> decode(std::span<const std::byte>);

 private:
  std::vector<entry> entries_;
};

}  // namespace weir::kafka
