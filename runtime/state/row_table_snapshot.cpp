// Snapshots of row_table: freezing, encoding in slices, copy on write, abort and completion.
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

// When the rows that replace older ones are more than this share of those, all are written: the
// store folds a group of chunks at the same share, which reads and writes it all once more.
constexpr double whole_share = 0.5;

}  // namespace

bool row_table::worth_writing_whole() const {
  const size_t changed = changes_.pending();
  // Rows that no epoch has are all among the changed ones, and replace nothing.
  const size_t fresh = rows_ - durable_;
  const size_t replaced = changed > fresh ? changed - fresh : 0;
  return durable_ > 0 &&
         static_cast<double>(replaced) >= whole_share * static_cast<double>(durable_);
}

void row_table::snapshot_begin(snapshot_writer& out) {
  if (changes_.begin(out.number())) log_.abandon();
  const bool whole = worth_writing_whole();
  // Tombstones of rows that are gone are repeated, so that every group that had any is replaced.
  if (whole) changes_.all_pending(rows_used_);
  log_.begin(out.memory(), whole);
}

void row_table::encode(uint32_t id) {
  uint64_t* r = row(id);
  if (*r & flag_free) return;  // it came and went within the epoch
  if (*r & flag_zombie) {
    log_.erase(group(r), r);
    changes_.under_way().erased.push_back(id);
  } else {
    log_.upsert(group(r), r, layout_.packed() ? packed(r) : std::string_view(),
                !(*r & flag_durable));
    if (!(*r & flag_durable)) ++durable_;
  }
  *r |= flag_durable;
}

bool row_table::snapshot_continue(snapshot_writer& out, std::string_view state, size_t budget) {
  if (!changes_.writing()) return true;
  const bool done = changes_.advance(budget / row_bytes_ + 1, [this](uint32_t id) { encode(id); });
  log_.put(out, state, done);
  return done;
}

void row_table::on_epoch_complete(epoch n) {
  for (auto& done : changes_.complete(n)) {
    if (!changes_.open().empty()) {
      // A later epoch is under way: until it is settled, its tombstones may have to be repeated.
      auto& later = changes_.open().front().erased;
      later.insert(later.end(), done.erased.begin(), done.erased.end());
      continue;
    }
    for (uint32_t id : done.erased)
      if ((*row(id) & flag_zombie) && !changes_.changed(id)) remove(id);
  }
}

void row_table::on_epoch_aborted(epoch n) {
  const bool was_writing = changes_.writing();
  const auto given_up = changes_.abort(n);
  if (!given_up) return;
  if (was_writing && !changes_.writing()) log_.abandon();
  // Those that are dirty again will be repeated; the rest came from an epoch that is complete.
  for (uint32_t id : given_up->erased) {
    if (!(*row(id) & flag_zombie) || changes_.changed(id)) continue;
    if (changes_.open().empty()) {
      remove(id);
    } else {
      changes_.open().back().erased.push_back(id);
    }
  }
}

}  // namespace weir
