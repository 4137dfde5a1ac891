// Numbers the rows of one batch by their keys where that takes no hash: all keys but one are the
// same in the whole batch, and the one is an integer (or date, time) within a range that is narrow
// against the number of rows, or a dictionary's entry. So each key is looked up once a batch and
// each row finds it by a subtraction and a load. Owned by one operator instance.
#pragma once

#include <span>
#include <vector>

#include "runtime/column/batch.hpp"

namespace weir {

class narrow_keys {
 public:
  /// Whether the batch is of that kind and has much fewer keys than rows. `keys`: columns of as
  /// many physical rows as `b` has. `count`: rows are counted instead of numbered.
  bool number(const batch& b, std::span<const column_ptr> keys, bool count = false);

  /// By key, in order of its first row: that row, logical and physical.
  const std::vector<uint32_t>& first_rows() const noexcept { return first_rows_; }
  const std::vector<uint32_t>& first_at() const noexcept { return first_at_; }
  /// By logical row the number of its key.
  const std::vector<uint32_t>& numbers() const noexcept { return numbers_; }
  /// By key, where rows are counted: how many it has.
  const std::vector<uint32_t>& counts() const noexcept { return counts_; }

 private:
  template <class T>
  bool number_values(const batch&, const T* values, int64_t low, uint64_t places, bool count);
  template <class Take>
  bool take_rows(const batch&, Take take);

  uint32_t skip_ = 0;  // batches that are not looked at, after some that were in vain
  uint32_t vain_ = 0;
  std::vector<uint32_t> places_;  // by value - low: 1 + its number, or its rows; 0 = not seen
  std::vector<uint32_t> first_rows_, first_at_, numbers_, counts_, changes_;
};

}  // namespace weir
