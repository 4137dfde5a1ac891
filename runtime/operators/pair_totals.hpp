// Sums over pairs of numbers, of regr_*, corr and covar_*, where pairs come and go: as exact as
// float_parts.hpp is, and what is not finite, or so large that its square is not, is counted apart.
// pair_sums.hpp has those of pairs that stay. Words of state rows; stateless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/plan/plan.hpp"

namespace weir::pair_totals {

/// Pairs; sums of x and y, x * x, y * y and x * y: parts of float64, and behind them how much is
/// lost; then how many x are NaN, +infinity, -infinity or huge, 32 bits each, and how many y.
inline constexpr size_t words = 28;

/// A pair as its column has it ("@pair" of runtime/expr).
void add(uint64_t* w, std::string_view pair, int64_t weight) noexcept;
/// `times` the words of others.
void add_words(uint64_t* w, const uint64_t* more, int64_t times) noexcept;
/// The result; nothing is NULL. Not for regr_count, which is the first word. Over values whose
/// squares are out of range it is Infinity or NaN.
std::optional<double> result_of(aggregate_function, const uint64_t* w) noexcept;

}  // namespace weir::pair_totals
