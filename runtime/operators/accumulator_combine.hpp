// Accumulators of one group added to those of another: windows of slices, sessions that grow
// together. Words as state rows have them; stateless.
#pragma once

#include "runtime/operators/accumulator.hpp"

namespace weir {

/// Whether what was added can be taken away again without a trace: counts and sums of integers and
/// decimals.
bool can_subtract(const accumulator&) noexcept;

/// Adds the words of `newer` to `older`'s, whose rows came first (first and last tell them apart).
/// Strings are taken over by reference. Not for string_agg and multisets.
status combine(const accumulator&, uint64_t* older, const uint64_t* newer);
/// Takes them away, of those that can_subtract().
void subtract(const accumulator&, uint64_t* from, const uint64_t* what) noexcept;

/// Adds the words of `newer` (of a row of any table) to a state row, which keeps strings of its
/// own. Not for multisets.
status combine_into(const accumulator&, row_table&, uint64_t* row, uint32_t value_word,
                    const uint64_t* newer);

}  // namespace weir
