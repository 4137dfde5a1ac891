// Between key columns and the words of state rows (row_table): null mask and one or two words per
// key. Floats are normalised (-0.0 as 0.0, one NaN), so that equal keys are equal words. Intervals
// are equal when their three parts are.
#pragma once

#include <span>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/state/row_layout.hpp"

namespace weir {

class key_codec {
 public:
  /// Null bits of a row's key live in one 32-bit mask.
  static constexpr size_t keys_max = 32;

  /// Adds one key word run per type to `layout`. At most keys_max, no list or struct.
  static result<key_codec> make(std::vector<data_type> types, row_layout& layout);

  /// Encodes values `rows[i]` (physical, strictly ascending) of the columns as keys of 1 + words()
  /// words each. Strings are borrowed: the columns must outlive the keys.
  void encode(std::span<const column_ptr> columns, const uint32_t* rows, size_t n,
              uint64_t* out) const;
  /// Column `k` of the keys of n rows (header word included).
  column_ptr decode(size_t k, const uint64_t* const* rows, size_t n, memory_pool&) const;

  uint32_t words() const noexcept { return words_; }
  /// First word of key k, counted behind the header.
  uint32_t word_of(size_t k) const noexcept { return at_[k]; }
  const std::vector<uint32_t>& first_words() const noexcept { return at_; }
  size_t size() const noexcept { return types_.size(); }

 private:
  std::vector<data_type> types_;
  std::vector<uint32_t> at_;  // first word of each key
  uint32_t words_ = 0;
};

/// Copies words of n rows at `word` into a column of a type; null where `present(i)` says no.
/// The building block of decoding keys and results.
class word_column {
 public:
  word_column(data_type type, size_t n, memory_pool&);
  void set_null(size_t i);
  /// Value i from its word or words.
  void set(size_t i, const uint64_t* words) noexcept;
  /// All n values, from the words at rows[i] + word, null or not.
  void set_all(const uint64_t* const* rows, size_t word);
  bool is_string() const noexcept { return is_varlen(type_.id); }
  column_ptr finish();

 private:
  data_type type_;
  size_t n_;
  memory_pool& memory_;
  buffer_ref values_, offsets_, validity_;
  std::vector<const uint64_t*> strings_;  // reference of value i; none = empty
};

/// The words of one value of a column, as a state row holds it; strings are borrowed.
void value_words(const column& c, uint32_t row, uint64_t* out) noexcept;

}  // namespace weir
