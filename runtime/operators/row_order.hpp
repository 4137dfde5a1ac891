// The order of encoded rows (key_codec over all their columns): order terms first, then every
// column, so that no two different rows are equal and every restart sorts alike. The first term
// also gives a 64-bit sort word: most comparisons end with it. Immutable; any thread.
#pragma once

#include <vector>

#include "runtime/operators/key_codec.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

class row_order {
 public:
  row_order() = default;
  /// `codec` encodes the rows' columns in their order.
  row_order(const std::vector<order_term>& terms, const schema& rows, const key_codec& codec);

  /// By the terms alone: 0 = peers. Rows begin with their header word (null mask).
  int compare_terms(const uint64_t* a, const uint64_t* b) const noexcept {
    return compare(a, b, 0, given_);
  }
  /// The total order.
  int compare(const uint64_t* a, const uint64_t* b) const noexcept {
    const int c = compare(a, b, 0, terms_.size());
    return c != 0 ? c : compare_raw(a, b);
  }
  /// Sort word of a row: a before b only if word(a) <= word(b).
  uint64_t word(const uint64_t* row) const noexcept;
  /// The same for physical rows of a batch with the rows' columns.
  void words(std::span<const column_ptr> columns, const uint32_t* at, size_t n,
             uint64_t* out) const noexcept;
  /// Of a value of an integer, date or timestamp column that is the first term's.
  uint64_t first_word(int64_t v) const noexcept {
    const uint64_t w = static_cast<uint64_t>(v) ^ uint64_t { 1 } << 63;
    return terms_[0].descending ? ~w : w;
  }
  /// What the sort word is made of.
  uint32_t first_column() const noexcept { return terms_[0].column; }
  bool first_descending() const noexcept { return terms_[0].descending; }

 private:
  struct term {
    uint32_t column;
    uint32_t word;  // of the row, header counted
    null_bit null;
    type_id type;
    bool descending, nulls_first;
  };
  int compare(const uint64_t* a, const uint64_t* b, size_t begin, size_t end) const noexcept;
  int compare_raw(const uint64_t* a, const uint64_t* b) const noexcept;

  std::vector<term> terms_;
  size_t given_ = 0;
};

}  // namespace weir
