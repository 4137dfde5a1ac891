// What sums, averages and deviations of float64 keep where values come and go: exact sums
// (float_parts.hpp) of what is finite, and beside them how many values are not, so that any of them
// can leave without a trace and parts of a group add up. Words of state rows; stateless.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::float_totals {

/// Of a sum: values, the sum's parts, then how many are NaN, +infinity and -infinity, and whether
/// the sum has lost digits; 32 bits each.
inline constexpr size_t sum_words = 6;
/// Of deviations: values, parts of their sum and of the sum of their squares, then how many are NaN
/// or infinite, how many have a square beyond the range of float64, which no sum has, and whether
/// digits were lost; 32 bits each, and 32 of nothing.
inline constexpr size_t moment_words = 10;

/// `in_parts`: of a part of a group's rows, whose values may be owed when it has none. Otherwise no
/// values leave nothing behind.
void add_to_sum(uint64_t* words, double v, int64_t weight, bool in_parts) noexcept;
void join_sums(uint64_t* words, const uint64_t* more) noexcept;
/// The sum, NaN and infinities included.
double sum_of(const uint64_t* words) noexcept;

void add_to_moments(uint64_t* words, double v, int64_t weight, bool in_parts) noexcept;
void join_moments(uint64_t* words, const uint64_t* more) noexcept;
/// The sum of squared deviations from the mean: of values whose squares are out of range Infinity.
double deviations(const uint64_t* words) noexcept;

}  // namespace weir::float_totals
