// Peers and frames of window functions: for each row of a sorted partition the places at which its
// frame begins and ends. Pure; one partition at a time.
#pragma once

#include <span>
#include <vector>

#include "runtime/operators/row_order.hpp"

namespace weir {

/// A partition in its order; encoded rows (key_codec over all columns).
using sorted_rows = std::span<const uint64_t* const>;

struct peer_groups {
  std::vector<uint32_t> of;      // group of each row
  std::vector<uint32_t> begins;  // first row of each group, and the end of the last

  void find(sorted_rows, const row_order&);
  uint32_t begin(uint32_t row) const noexcept { return begins[of[row]]; }
  uint32_t end(uint32_t row) const noexcept { return begins[of[row] + 1]; }
};

/// A column of encoded rows.
struct row_column {
  uint32_t word = 0;
  null_bit null;
  type_id type = type_id::int64;

  static row_column of(uint32_t column, const schema&, const key_codec&);
  bool is_null(const uint64_t* row) const noexcept { return null.is_set(row); }
  const uint64_t* value(const uint64_t* row) const noexcept { return row + word; }
};

/// [begin, end) of each row's frame; begin > end where it is empty. `order`: the terms, with their
/// columns.
void find_frames(const over_frame&, sorted_rows, const peer_groups&, const row_column& order,
                 const order_term&, std::vector<uint32_t>& begin, std::vector<uint32_t>& end);

}  // namespace weir
