#include "runtime/operators/row_changes.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/column/builder.hpp"

namespace weir {

void row_changes::add(const uint64_t* row, int64_t number, int64_t weight, memory_pool& memory,
                      collector& out) {
  while (weight != 0) {
    const auto part = std::clamp<int64_t>(weight, INT32_MIN, INT32_MAX);
    rows_.push_back(row);
    if (numbered_) numbers_.push_back(number);
    weights_.push_back(static_cast<int32_t>(part));
    all_one_ &= part == 1;
    weight -= part;
    if (rows_.size() == batch_rows_target) flush(memory, out);
  }
}

void row_changes::flush(memory_pool& memory, collector& out) {
  if (rows_.empty()) return;
  const size_t n = rows_.size();
  std::vector<column_ptr> columns;
  for (size_t c = 0; c < codec_.size(); ++c)
    columns.push_back(codec_.decode(c, rows_.data(), n, memory));
  if (numbered_) {
    word_column numbers(type_id::int64, n, memory);
    for (size_t i = 0; i < n; ++i) numbers.set(i, reinterpret_cast<const uint64_t*>(&numbers_[i]));
    columns.push_back(numbers.finish());
  }
  buffer_ref weights;
  if (!all_one_) weights = buffer::copy(memory, std::as_bytes(std::span(weights_)));
  out.emit(make_batch(type_, std::move(columns), std::move(weights), static_cast<uint32_t>(n)));
  rows_.clear();
  numbers_.clear();
  weights_.clear();
  all_one_ = true;
}

}  // namespace weir
