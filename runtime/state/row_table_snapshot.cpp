// Snapshots of row_table: freezing, encoding in slices, copy on write, abort and completion.
#include <algorithm>
#include <bit>

#include "runtime/base/assert.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

// When the rows that replace older ones are more than this share of those, all are written: the
// store folds a group of chunks at the same share, which reads and writes it all once more.
constexpr double whole_share = 0.5;

}  // namespace

bool row_table::worth_writing_whole() const {
  size_t changed = 0;
  for (uint32_t b : pending_blocks_) changed += static_cast<size_t>(std::popcount(pending_[b]));
  // Rows that no epoch has are all among the changed ones, and replace nothing.
  const size_t fresh = index_.size() - durable_;
  const size_t replaced = changed > fresh ? changed - fresh : 0;
  return durable_ > 0 &&
         static_cast<double>(replaced) >= whole_share * static_cast<double>(durable_);
}

void row_table::snapshot_begin(snapshot_writer& out) {
  if (snapshotting_) {
    // The epoch before was neither finished nor given up: its rest belongs to this one.
    for (size_t i = pending_at_; i < pending_blocks_.size(); ++i) {
      uint32_t b = pending_blocks_[i];
      if (pending_[b] != 0 && dirty_[b] == 0) dirty_blocks_.push_back(b);
      dirty_[b] |= pending_[b];
      pending_[b] = 0;
    }
    log_.abandon();
  }
  // All words of pending_ are zero here, so the two sets change places at no cost.
  dirty_.swap(pending_);
  dirty_blocks_.swap(pending_blocks_);
  dirty_blocks_.clear();
  pending_at_ = 0;
  snapshotting_ = true;
  in_flight_.push_back({out.number(), {}, {}});
  const bool whole = worth_writing_whole();
  if (whole) {
    // Tombstones of rows that are gone are repeated, so that every group that had any is replaced.
    pending_blocks_.clear();
    for (uint32_t b = 0; b < pending_.size(); ++b) {
      const uint32_t rows = std::min(rows_used_ - b * 64, 64u);
      pending_[b] = ~uint64_t{0} >> (64 - rows);
      pending_blocks_.push_back(b);
    }
  }
  log_.begin(out.memory(), whole);
}

void row_table::encode(uint32_t id, in_flight& epoch_log) {
  uint64_t* r = row(id);
  if (*r & flag_free) return;  // it came and went within the epoch
  if (*r & flag_zombie) {
    log_.erase(group(r), r);
    epoch_log.zombies.push_back(id);
  } else {
    log_.upsert(group(r), r, !(*r & flag_durable));
    if (!(*r & flag_durable)) ++durable_;
  }
  *r |= flag_durable;
}

void row_table::copy_on_write(uint32_t id) {
  in_flight& e = in_flight_.back();
  uint64_t bit = uint64_t{1} << (id & 63);
  pending_[id >> 6] &= ~bit;
  e.written.emplace_back(id >> 6, bit);
  encode(id, e);
}

bool row_table::snapshot_continue(snapshot_writer& out, std::string_view state, size_t budget) {
  if (!snapshotting_) return true;
  in_flight& e = in_flight_.back();
  size_t rows_left = budget / row_bytes_ + 1;
  while (pending_at_ < pending_blocks_.size()) {
    uint32_t b = pending_blocks_[pending_at_++];
    uint64_t word = pending_[b];
    if (word == 0) continue;
    pending_[b] = 0;
    e.written.emplace_back(b, word);
    auto count = static_cast<size_t>(std::popcount(word));
    for (; word != 0; word &= word - 1)
      encode(b * 64 + static_cast<uint32_t>(std::countr_zero(word)), e);
    if (count >= rows_left) {
      log_.put(out, state, false);
      return false;
    }
    rows_left -= count;
  }
  log_.put(out, state, true);
  snapshotting_ = false;
  pending_blocks_.clear();
  return true;
}

void row_table::on_epoch_complete(epoch n) {
  size_t done = 0;
  while (done < in_flight_.size() && in_flight_[done].number <= n) ++done;
  if (done == 0) return;
  weir_assert(!(snapshotting_ && done == in_flight_.size()), "an epoch completed before its state");
  for (size_t i = 0; i < done; ++i) {
    auto& zombies = in_flight_[i].zombies;
    if (done < in_flight_.size()) {
      // A later epoch is under way: until it is settled, its tombstones may have to be repeated.
      auto& later = in_flight_[done].zombies;
      later.insert(later.end(), zombies.begin(), zombies.end());
      continue;
    }
    for (uint32_t id : zombies)
      if ((*row(id) & flag_zombie) && !(dirty_[id >> 6] >> (id & 63) & 1)) remove(id);
  }
  in_flight_.erase(in_flight_.begin(), in_flight_.begin() + static_cast<ptrdiff_t>(done));
}

void row_table::on_epoch_aborted(epoch n) {
  for (size_t i = 0; i < in_flight_.size(); ++i) {
    if (in_flight_[i].number != n) continue;
    auto again = [this](uint32_t b, uint64_t rows) {
      if (dirty_[b] == 0 && rows != 0) dirty_blocks_.push_back(b);
      dirty_[b] |= rows;
    };
    for (auto [b, rows] : in_flight_[i].written) again(b, rows);
    if (snapshotting_ && i + 1 == in_flight_.size()) {
      for (size_t k = pending_at_; k < pending_blocks_.size(); ++k) {
        uint32_t b = pending_blocks_[k];
        again(b, pending_[b]);
        pending_[b] = 0;
      }
      pending_blocks_.clear();
      snapshotting_ = false;
      log_.abandon();
    }
    std::vector<uint32_t> zombies = std::move(in_flight_[i].zombies);
    in_flight_.erase(in_flight_.begin() + static_cast<ptrdiff_t>(i));
    // Those that are dirty again will be repeated; the rest came from an epoch that is complete.
    for (uint32_t id : zombies) {
      if (!(*row(id) & flag_zombie) || (dirty_[id >> 6] >> (id & 63) & 1)) continue;
      if (in_flight_.empty()) {
        remove(id);
      } else {
        in_flight_.back().zombies.push_back(id);
      }
    }
    return;
  }
}

}  // namespace weir
