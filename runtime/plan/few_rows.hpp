// Which form of state the first rows of partitions have: it decides what their snapshots hold.
#pragma once

#include "runtime/plan/plan.hpp"

namespace weir {

/// Up to this many rows of a partition stand packed in one entry, which is written anew when one
/// of them changes.
inline constexpr uint64_t few_rows_max = 64;

/// Whether a top_n keeps its rows so: of appended rows, numbered one by one, that leave as changes.
/// Where no column is left but the partition's they are kept as others.
inline bool keeps_few_rows(const top_n_spec& s) noexcept {
  return !s.input_has_changes && s.function == rank_function::row_number && !s.with_ties &&
         !s.preselect && !s.last_arrived && s.emit == emit_mode::changes && s.limit > 0 &&
         s.limit <= few_rows_max && s.offset <= few_rows_max - s.limit;
}

}  // namespace weir
