// What an aggregate keeps per group and call: a few words of the group's state row, and the kernels
// that add rows to them, merge pre-aggregated ones and turn them into results. Each kernel runs
// over a run of rows at a time, NULLs and filtered rows already taken out. Stateless.
#pragma once

#include <span>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

enum class accumulator_kind : uint8_t {
  count,      // int64
  sum_small,  // int64 sum of int32, int64 values
  sum_wide,   // int128 sum of int64 or decimal, int64 values
  sum_float,  // int64 values, float64 sum; under changes float_totals.hpp
  // int64 values, float64 sum, float64 sum of squared deviations (Youngs and Cramer); exact():
  // besides these the sum of values and that of their squares, modulo 2^128; totals():
  // float_totals.hpp
  moments,
  pick,      // int64 seen, value: min, max, first, last
  distinct,  // int64 distinct values
  text,      // int64 values, string: string_agg
  bools,     // int64 true, int64 false
  // int64 values, int64 of their bits; of bit_and and bit_or under changes: int64 values, then for
  // each bit how many have it
  bits,
  interval,  // int64 values, int64 months, days and microseconds: sum and avg
  pairs,     // regr_*, corr, covar_*: pair_sums.hpp; under changes pair_totals.hpp
};

struct accumulator {
  accumulator_kind kind = accumulator_kind::count;
  aggregate_function function = aggregate_function::count_star;
  data_type argument;
  data_type type;  // of the result
  std::string separator;
  bool multiset = false;  // needs every value (multiset.hpp); the words hold the current result
  bool weighted = false;  // changes may arrive
  bool in_parts = false;  // of a part of a group's rows: none may be left, and yet a sum of changes
  uint32_t at = 0;        // first word within the value part of a row
  uint32_t words = 0;

  /// Plans one call and takes its words from `layout`. `keep_all`: rows may be retracted;
  /// `in_parts`: as the member.
  static result<accumulator> make(const aggregate_call&, bool keep_all, row_layout& layout,
                                  bool in_parts = false);
  /// Of floats that come and go, and of a part whose rows do (there may be values when their number
  /// is 0 or less, and deviations from the mean say nothing), values and squares are summed.
  bool totals() const noexcept { return kind == accumulator_kind::moments && weighted && !exact(); }
  /// Of integers and decimals that come and go deviations are exact: rounding errors of values that
  /// are gone would stay.
  bool exact() const noexcept {
    return kind == accumulator_kind::moments && weighted && !in_parts &&
           argument.id != type_id::float64;
  }
  /// Of bits that come and go it is known how many values have each.
  bool counts_bits() const noexcept {
    return kind == accumulator_kind::bits && weighted && function != aggregate_function::bit_xor;
  }
  /// Types of its columns between a partial and a merge stage.
  std::vector<data_type> partial_types() const;
  /// Whether those are the argument itself rather than a sum of rows.
  bool partial_is_raw() const noexcept {
    return kind == accumulator_kind::pick || kind == accumulator_kind::distinct ||
           kind == accumulator_kind::text;
  }
};

/// A run of rows for one accumulator. `rows[i]` is the state row of physical row `at[i]`.
struct accumulator_input {
  uint64_t* const* rows = nullptr;
  const uint32_t* at = nullptr;
  size_t n = 0;
  const int32_t* weights = nullptr;  // by physical row; absent = all +1
  uint32_t value_word = 0;           // first word of the value part of state rows
};

/// Adds values of `argument` (none of them NULL here; absent for count(*)). Not for multisets.
status accumulate(const accumulator&, row_table&, const accumulator_input&, const column* argument);
/// Adds the columns that a partial stage made.
status merge_partial(const accumulator&, row_table&, const accumulator_input&,
                     std::span<const column_ptr> columns);
/// Results of n groups from the value words of their rows.
result<column_ptr> finish(const accumulator&, const uint64_t* const* values, size_t n,
                          memory_pool&);
/// The result of one group from the accumulator's own words; false = NULL.
result<bool> finish_value(const accumulator&, const uint64_t* words, uint64_t* out);
/// The partial columns of n groups, likewise.
void finish_partial(const accumulator&, const uint64_t* const* values, size_t n, memory_pool&,
                    std::vector<column_ptr>& out);

/// The partial columns of n rows that are a group each, straight from the argument and a column of
/// ones; false where that takes an accumulator per row.
bool partial_of_rows(const accumulator&, const column_ptr& argument, const column_ptr& ones,
                     memory_pool&, std::vector<column_ptr>& out);

/// Whether no values are left in an accumulator that takes changes; not for multisets. Of
/// deviations() that are rounded their number says so.
bool holds_nothing(const accumulator&, const uint64_t* values);
/// The sum of a sum_float from its words, NaN and infinities included.
double float_sum(const accumulator&, const uint64_t* words);
/// What is said where a sum, or the sums of pairs, are too large.
error overflow_of(const accumulator&);
/// Months, days and microseconds of `values` values, `weight` times, into those of an `interval`.
/// False: out of range.
bool add_interval(uint64_t* words, const int64_t (&parts)[3], int64_t values,
                  int64_t weight) noexcept;
/// Bits of a value, or of several, into those of a `bits` that does not count them.
void join_bits(const accumulator&, uint64_t* words, uint64_t bits) noexcept;
/// One value, given by its words, added to a moments, bits, interval or pairs. False: out of range.
bool add_one(const accumulator&, uint64_t* words, const uint64_t* value, int64_t weight) noexcept;
/// The words of one `moments` added to those of another.
void add_moments(const accumulator&, uint64_t* words, const uint64_t* more);
/// The sum of squared deviations of a `moments` from its words, of at least one value.
double deviations(const accumulator&, const uint64_t* words);
/// The word or words of a value of a fixed-width column.
void accumulator_value(const column&, uint32_t row, uint64_t* out) noexcept;
/// Orders two values of a type as SQL does: words of state rows.
int compare_words(type_id, const uint64_t* a, const uint64_t* b) noexcept;

}  // namespace weir
