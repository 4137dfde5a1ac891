#include "runtime/state/epoch_changes.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"

namespace weir {

void epoch_changes::clear() {
  weir_assert(in_flight_.empty() && !writing_, "a table with snapshots under way is cleared");
  std::fill(dirty_.begin(), dirty_.end(), 0);
  dirty_blocks_.clear();
}

/// What is pending is changed again.
void epoch_changes::give_back() {
  for (; pending_at_ < pending_blocks_.size(); ++pending_at_) {
    const uint32_t block = pending_blocks_[pending_at_];
    again(block, pending_[block]);
    pending_[block] = 0;
  }
  pending_blocks_.clear();
  writing_ = false;
}

bool epoch_changes::begin(epoch e) {
  const bool unfinished = writing_;
  if (unfinished) give_back();
  // All words of pending_ are zero here, so the two sets change places at no cost.
  dirty_.swap(pending_);
  dirty_blocks_.swap(pending_blocks_);
  dirty_blocks_.clear();
  pending_at_ = 0;
  writing_ = true;
  in_flight_.push_back({e, {}, {}});
  return unfinished;
}

size_t epoch_changes::pending() const noexcept {
  size_t n = 0;
  for (uint32_t block : pending_blocks_) n += static_cast<size_t>(std::popcount(pending_[block]));
  return n;
}

void epoch_changes::all_pending(uint32_t rows) {
  pending_blocks_.clear();
  for (uint32_t block = 0; block * 64 < rows; ++block) {
    pending_[block] = ~uint64_t{0} >> (64 - std::min(rows - block * 64, 64u));
    pending_blocks_.push_back(block);
  }
}

std::vector<epoch_changes::in_flight> epoch_changes::complete(epoch n) {
  auto end = std::find_if(in_flight_.begin(), in_flight_.end(),
                          [n](const in_flight& e) { return e.number > n; });
  weir_assert(end == in_flight_.begin() || !writing_ || end != in_flight_.end(),
              "an epoch completed before its state");
  std::vector<in_flight> done(std::make_move_iterator(in_flight_.begin()),
                              std::make_move_iterator(end));
  in_flight_.erase(in_flight_.begin(), end);
  return done;
}

std::optional<epoch_changes::in_flight> epoch_changes::abort(epoch n) {
  auto it = std::find_if(in_flight_.begin(), in_flight_.end(),
                         [n](const in_flight& e) { return e.number == n; });
  if (it == in_flight_.end()) return {};
  for (auto [block, rows] : it->written) again(block, rows);
  if (writing_ && it + 1 == in_flight_.end()) give_back();
  in_flight out = std::move(*it);
  in_flight_.erase(it);
  return out;
}

}  // namespace weir
