// Rows that come too late for their windows. An aggregate counts them, and gives them out through
// port 1 where the plan has a table for them.
#pragma once

#include "runtime/column/builder.hpp"
#include "runtime/column/runs.hpp"
#include "runtime/operators/group_progress.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

struct late_split {
  batch_ptr kept, late;  // late: none when there are none
};

/// The values of a timestamp column by physical row.
class time_values {
 public:
  explicit time_values(const column& c)
      : values_(c.dictionary ? c.dictionary->data<int64_t>() : c.data<int64_t>()),
        places_(c.dictionary ? c.data<uint32_t>() : nullptr) {}
  int64_t operator[](uint32_t r) const noexcept { return values_[places_ ? places_[r] : r]; }

 private:
  const int64_t* values_;
  const uint32_t* places_;
};

/// Splits a batch by a condition on physical rows that holds for n of its rows.
template <class Late>
late_split split_rows(const batch_ptr& b, memory_pool& memory, uint32_t n, Late is_late) {
  if (n == 0) return {b, nullptr};
  auto keep = buffer::allocate(memory, size_t{b->rows - n} * 4);
  auto give = buffer::allocate(memory, size_t{n} * 4);
  auto* k = keep.mutable_as<uint32_t>();
  auto* g = give.mutable_as<uint32_t>();
  for (uint32_t i = 0; i < b->rows; ++i) {
    const uint32_t r = b->row(i);
    *(is_late(r) ? g++ : k++) = r;
  }
  return {with_selection(*b, std::move(keep), b->rows - n), with_selection(*b, std::move(give), n)};
}

/// Splits a batch by what stands in a timestamp column. Rows for which late(value) holds are
/// `late`; those with NULL never are.
template <class Late>
late_split split_late(const batch_ptr& b, uint32_t column_index, memory_pool& memory, Late late) {
  const column& c = *b->columns[column_index];
  if (b->rows == 0) return {b, nullptr};
  const time_values values(c);
  // And most batches, too.
  if (!c.dictionary && !c.validity && all_within(c.data<int64_t>(), c.length, values[0], 1)) {
    if (!late(values[0])) return {b, nullptr};
    return {with_selection(*b, buffer::allocate(memory, 0), 0), b};
  }
  // Neighbours are mostly of one window.
  int64_t known = 0;
  bool known_late = late(known);
  auto is_late = [&](uint32_t r) {
    const int64_t v = values[r];
    if (v != known) known_late = late(known = v);
    return known_late && c.is_valid(r);
  };
  uint32_t n = 0;
  for (uint32_t i = 0; i < b->rows; ++i) n += is_late(b->row(i));
  return split_rows(b, memory, n, is_late);
}

/// The same with late(value, watermark of the row's group); `keys`: what the rows are split by.
template <class Late>
late_split split_late(const batch_ptr& b, uint32_t column_index, const group_progress& progress,
                      const std::vector<uint32_t>& keys, const operator_context& context,
                      Late late) {
  if (progress.newest() == watermark_none) return {b, nullptr};
  if (progress.even())
    return split_late(b, column_index, *context.memory,
                      [&](int64_t v) { return late(v, progress.newest()); });
  const row_groups groups(*b, keys, context);
  const column& c = *b->columns[column_index];
  const time_values values(c);
  std::vector<bool> is_late(b->physical_rows);
  uint32_t n = 0;
  for (uint32_t i = 0; i < b->rows; ++i) {
    const uint32_t r = b->row(i);
    const auto watermark = progress.at(groups, i);
    if (!c.is_valid(r) || watermark == watermark_none || !late(values[r], watermark)) continue;
    is_late[r] = true;
    ++n;
  }
  return split_rows(b, *context.memory, n, [&](uint32_t r) { return is_late[r]; });
}

/// The rows of which late(value, watermark) does not hold; counts the others.
template <class Late>
batch_ptr drop_late(const batch_ptr& b, uint32_t column_index, const group_progress& progress,
                    const std::vector<uint32_t>& keys, const operator_context& context, Late late) {
  auto split = split_late(b, column_index, progress, keys, context, late);
  if (split.late && context.metrics) context.metrics->late_rows += split.late->rows;
  return std::move(split.kept);
}
inline bool window_is_over(timestamp_us end, timestamp_us watermark) noexcept {
  return end <= watermark;
}
/// The rows whose window (its end in the column) is still open.
inline batch_ptr drop_late(const batch_ptr& b, uint32_t end_column, const group_progress& progress,
                           const std::vector<uint32_t>& keys, const operator_context& context) {
  return drop_late(b, end_column, progress, keys, context, window_is_over);
}

/// Owned by one aggregate.
class late_rows {
 public:
  explicit late_rows(const aggregate_spec& s) : columns_(s.late_columns), output_(s.late_output) {}

  /// Counts them and gives them out.
  void give(const batch_ptr& late, const operator_context& context, collector& out) const {
    if (!late || late->rows == 0) return;
    if (context.metrics) context.metrics->late_rows += late->rows;
    if (!output_) return;
    std::vector<column_ptr> columns;
    for (uint32_t i : columns_) columns.push_back(late->columns[i]);
    out.emit(with_columns(*late, output_, std::move(columns)), 1);
  }

 private:
  std::vector<uint32_t> columns_;
  schema_ptr output_;
};

}  // namespace weir
