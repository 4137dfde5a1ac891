// What can be said of a whole column at once: rows in order of time, or grouped before, have long
// runs of one value, and most batches lie within one window. Kernels for operators that take such a
// batch, or run, as one. Thread-compatible.
#pragma once

#include <vector>

#include "runtime/column/batch.hpp"

namespace weir {

/// Appends the logical rows i > 0 of `b` whose value in column `c` is not that of row i - 1, in
/// order; false, with `at` as it was, when there are more than `limit`. Values that are equal
/// without having equal bits (-0.0 and 0.0) count as different; two NULLs are equal.
bool find_changes(const batch& b, const column& c, size_t limit, std::vector<uint32_t>& at);

/// Whether all n values lie in [begin, begin + width).
bool all_within(const int64_t* v, size_t n, int64_t begin, uint64_t width) noexcept;

/// Writes the places of values that equal `value` to `out`, in order; returns how many there are.
/// `out` has room for n.
uint32_t find_equal(const int64_t* v, uint32_t n, int64_t value, uint32_t* out) noexcept;
uint32_t find_equal(const int32_t* v, uint32_t n, int32_t value, uint32_t* out) noexcept;

/// A timestamp column of one value that many batches share. Owned by one operator.
class constant_times {
 public:
  /// n times `value`; with `validity` (of n bits) where some rows have none.
  column_ptr get(int64_t value, uint32_t n, buffer_ref validity, memory_pool&);

 private:
  buffer_ref values_;
  int64_t value_ = 0;
};

}  // namespace weir
