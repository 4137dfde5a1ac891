// Sums over pairs of numbers, of regr_*, corr and covar_*. They are kept in twice the digits of a
// float64 (Knuth's and Dekker's error-free sums and products), as plain sums of values, squares and
// products: so they add up over parts in any order, and pairs can be taken back. Beside each sum is
// how large its rounding error may be, so that what such an error leaves is not taken for a
// variance. Words of state rows; stateless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/plan/plan.hpp"

namespace weir::pair_sums {

/// Pairs; sums of x, y, x * x, y * y and x * y of finite values, three float64 each; then how many
/// x are NaN, +infinity and -infinity, and how many y.
inline constexpr size_t words = 22;

/// A pair as its column has it ("@pair" of runtime/expr). False: out of range.
bool add(uint64_t* w, std::string_view pair, int64_t weight) noexcept;
/// `times` the words of others.
bool add_words(uint64_t* w, const uint64_t* more, int64_t times) noexcept;
/// The result; nothing is NULL. Not for regr_count, which is the first word.
std::optional<double> result_of(aggregate_function, const uint64_t* w) noexcept;

}  // namespace weir::pair_sums
