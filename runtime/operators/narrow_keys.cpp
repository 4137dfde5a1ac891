#include "runtime/operators/narrow_keys.hpp"

#include <algorithm>

#include "runtime/column/kernels.hpp"
#include "runtime/column/runs.hpp"

namespace weir {
namespace {

// Below this the hash table costs less than looking at the columns.
constexpr uint32_t rows_min = 512;
// Places per row: four times as many as rows are 128 KiB for a full batch, half a second-level
// cache is still left.
constexpr uint64_t places_per_row_max = 4;
// With more keys than this share of the rows, few lookups are saved.
constexpr uint32_t rows_per_key_min = 3;
// Rows after which the share is looked at first.
constexpr uint32_t trial_rows = 1024;
// After this many batches in vain as many are left alone.
constexpr uint32_t vain_max = 8, skipped = 64;

bool is_whole(type_id t) {
  return t == type_id::int64 || t == type_id::timestamp || t == type_id::int32 ||
         t == type_id::date;
}

}  // namespace

bool narrow_keys::number(const batch& b, std::span<const column_ptr> keys, bool count) {
  if (b.rows < rows_min || keys.empty()) return false;
  if (skip_ > 0) {
    --skip_;
    return false;
  }
  auto found = [&]() -> bool {
    // The one column that is not the same everywhere.
    const column* one = nullptr;
    for (const auto& c : keys) {
      changes_.clear();
      if (!c->validity && find_changes(b, *c, 0, changes_)) continue;
      if (one || c->validity) return false;
      one = c.get();
    }
    if (!one) {
      first_rows_.assign(1, 0);
      first_at_.assign(1, b.row(0));
      if (count)
        counts_.assign(1, b.rows);
      else
        numbers_.assign(b.rows, 0);
      return true;
    }
    const uint64_t places = places_per_row_max * b.rows;
    if (one->dictionary) {
      if (one->dictionary->length > places) return false;
      return number_values(b, one->data<uint32_t>(), 0, one->dictionary->length, count);
    }
    if (!is_whole(one->type.id)) return false;
    batch alone;
    alone.rows = b.rows;
    alone.physical_rows = b.physical_rows;
    alone.selection = b.selection;
    alone.columns.emplace_back(std::shared_ptr<void>(), one);
    const auto range = range_of(alone, 0);
    const auto width = static_cast<uint64_t>(range->max) - static_cast<uint64_t>(range->min);
    if (width >= places) return false;
    return fixed_width(one->type.id) == 8
               ? number_values(b, one->data<int64_t>(), range->min, width + 1, count)
               : number_values(b, one->data<int32_t>(), range->min, width + 1, count);
  }();
  vain_ = found ? 0 : vain_ + 1;
  if (vain_ == vain_max) {
    vain_ = 0;
    skip_ = skipped;
  }
  return found;
}

/// False: there are too many keys, as far as the first rows say.
template <class Take>
bool narrow_keys::take_rows(const batch& b, Take take) {
  const uint32_t trial = std::min(b.rows, trial_rows);
  for (uint32_t i = 0; i < trial; ++i) take(i, b.row(i));
  if (first_at_.size() > trial / rows_per_key_min) return false;
  if (b.selection)
    for (uint32_t i = trial; i < b.rows; ++i) take(i, b.row(i));
  else
    for (uint32_t i = trial; i < b.rows; ++i) take(i, i);
  return true;
}

template <class T>
bool narrow_keys::number_values(const batch& b, const T* values, int64_t low, uint64_t places,
                                bool count) {
  places_.assign(places, 0);
  first_rows_.clear();
  first_at_.clear();
  auto place = [&](uint32_t r) -> uint32_t& {
    return places_[static_cast<uint64_t>(values[r]) - static_cast<uint64_t>(low)];
  };
  auto note = [&](uint32_t i, uint32_t r) {
    first_rows_.push_back(i);
    first_at_.push_back(r);
  };
  if (count) {
    const bool few = take_rows(b, [&](uint32_t i, uint32_t r) {
      if (place(r)++ == 0) [[unlikely]]
        note(i, r);
    });
    counts_.resize(first_at_.size());
    for (size_t k = 0; k < counts_.size(); ++k) counts_[k] = place(first_at_[k]);
    return few;
  }
  numbers_.resize(b.rows);
  return take_rows(b, [&](uint32_t i, uint32_t r) {
    uint32_t& number = place(r);
    if (number == 0) [[unlikely]] {
      note(i, r);
      number = static_cast<uint32_t>(first_at_.size());
    }
    numbers_[i] = number - 1;
  });
}

}  // namespace weir
