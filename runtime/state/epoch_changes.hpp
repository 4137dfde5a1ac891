// Which rows of a table changed since the last barrier, and which of those from before it are still
// to be written. Two sets of bits that change places at a barrier, so that it costs nothing however
// many there are; rows are written in slices, or just before they change again (copy on write).
// What an epoch wrote is remembered until it is complete, and is changed again when it is given up.
// Owned by one table.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/base/ids.hpp"

namespace weir {

class epoch_changes {
 public:
  /// An epoch that is not complete yet.
  struct in_flight {
    epoch number;
    std::vector<std::pair<uint32_t, uint64_t>> written;  // block of 64 rows, which of them
    std::vector<uint32_t> erased;  // rows that were written as gone; the table's own use
  };

  /// Rows are numbered from 0; each is to be added before it changes.
  void add(uint32_t row) {
    if ((row >> 6) < dirty_.size()) return;
    dirty_.push_back(0);
    pending_.push_back(0);
  }
  /// Forgets all rows. None may be pending.
  void clear();
  bool changed(uint32_t row) const noexcept { return dirty_[row >> 6] >> (row & 63) & 1; }
  /// The row is another one now: no part of the epoch under way.
  void replace(uint32_t row) noexcept {
    if (writing_) pending_[row >> 6] &= ~bit_of(row);
  }
  /// The rows are about to change. `write(row)` is called for those that the epoch under way has
  /// yet to write.
  template <class Write>
  void mark(const uint32_t* rows, size_t n, Write write);

  /// A barrier. True: the epoch before was neither written to its end nor given up, and what is
  /// left of it belongs to this one.
  bool begin(epoch);
  /// Rows that the epoch under way has yet to write.
  size_t pending() const noexcept;
  /// All rows below `rows` are to be written.
  void all_pending(uint32_t rows);
  /// Writes at least `rows` of them, if there are as many. True: all are written, and the epoch is
  /// no longer under way.
  template <class Write>
  bool advance(size_t rows, Write write);
  /// Whether an epoch's rows are being written.
  bool writing() const noexcept { return writing_; }
  in_flight& under_way() noexcept { return in_flight_.back(); }

  /// Epochs up to `n` are complete; what they were, oldest first.
  std::vector<in_flight> complete(epoch n);
  /// Epoch `n` is given up: what it wrote is changed again, and nothing of it is pending. Absent:
  /// no such epoch.
  std::optional<in_flight> abort(epoch n);
  /// Epochs that are not complete, oldest first.
  std::vector<in_flight>& open() noexcept { return in_flight_; }

  size_t memory_bytes() const noexcept {
    return (dirty_.capacity() + pending_.capacity()) * 8 +
           (dirty_blocks_.capacity() + pending_blocks_.capacity()) * 4;
  }

 private:
  static uint64_t bit_of(uint32_t row) noexcept { return uint64_t{1} << (row & 63); }
  void again(uint32_t block, uint64_t rows) {
    if (dirty_[block] == 0 && rows != 0) dirty_blocks_.push_back(block);
    dirty_[block] |= rows;
  }
  void give_back();

  std::vector<uint64_t> dirty_, pending_;                // one word per block of 64 rows
  std::vector<uint32_t> dirty_blocks_, pending_blocks_;  // those that are not 0
  size_t pending_at_ = 0;                                // how far pending_blocks_ is written
  bool writing_ = false;
  std::vector<in_flight> in_flight_;  // oldest first
};

template <class Write>
void epoch_changes::mark(const uint32_t* rows, size_t n, Write write) {
  if (writing_)
    for (size_t i = 0; i < n; ++i) {
      uint64_t& word = pending_[rows[i] >> 6];
      const uint64_t bit = bit_of(rows[i]);
      if (!(word & bit)) continue;
      word &= ~bit;
      in_flight_.back().written.emplace_back(rows[i] >> 6, bit);
      write(rows[i]);
    }
  const size_t known = dirty_blocks_.size();
  if (dirty_blocks_.capacity() < known + n) dirty_blocks_.reserve(std::max(known * 2, known + n));
  dirty_blocks_.resize(known + n);
  uint32_t* out = dirty_blocks_.data() + known;
  for (size_t i = 0; i < n; ++i) {
    uint64_t& word = dirty_[rows[i] >> 6];
    const uint64_t before = word, bit = bit_of(rows[i]);
    if (before & bit) continue;  // mostly: between barriers keys come again
    word = before | bit;
    *out = rows[i] >> 6;
    out += before == 0;
  }
  dirty_blocks_.resize(static_cast<size_t>(out - dirty_blocks_.data()));
}

template <class Write>
bool epoch_changes::advance(size_t rows, Write write) {
  if (!writing_) return true;
  while (pending_at_ < pending_blocks_.size()) {
    const uint32_t block = pending_blocks_[pending_at_++];
    uint64_t word = pending_[block];
    if (word == 0) continue;
    pending_[block] = 0;
    in_flight_.back().written.emplace_back(block, word);
    const auto count = static_cast<size_t>(std::popcount(word));
    for (; word != 0; word &= word - 1)
      write(block * 64 + static_cast<uint32_t>(std::countr_zero(word)));
    if (count >= rows) return false;
    rows -= count;
  }
  writing_ = false;
  pending_blocks_.clear();
  return true;
}

}  // namespace weir
