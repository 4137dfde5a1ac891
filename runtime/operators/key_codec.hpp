// Between key columns and the words of state rows (row_table): null mask, one or two words per key,
// and beyond 32 keys words with the NULLs of the others. Floats are normalised (-0.0 as 0.0, one
// NaN), so that equal keys are equal words. Intervals are equal when their three parts are.
#pragma once

#include <span>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/state/row_layout.hpp"

namespace weir {

/// Where an encoded row says that one of its columns is NULL.
struct null_bit {
  uint32_t word = 0;  // of the row, header counted
  uint64_t mask = 0;

  bool is_set(const uint64_t* row) const noexcept { return row[word] & mask; }
  void set(uint64_t* row) const noexcept { row[word] |= mask; }
  void clear(uint64_t* row) const noexcept { row[word] &= ~mask; }
};

class key_codec {
 public:
  /// Adds the key words of any number of types to `layout`, which has none yet. No list or struct.
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
  null_bit null_of(size_t k) const noexcept {
    if (k < header_nulls) return {0, uint64_t{1} << (32 + k)};
    k -= header_nulls;
    return {1 + nulls_at_ + static_cast<uint32_t>(k / 64), uint64_t{1} << k % 64};
  }
  /// The header of a key without NULLs and without key group, and what is behind the columns.
  void clear_nulls(uint64_t* key) const noexcept { fill_nulls(key, 0); }
  /// The same of a key in which all are NULL.
  void set_nulls(uint64_t* key) const noexcept { fill_nulls(key, ~uint64_t{0}); }
  size_t size() const noexcept { return types_.size(); }
  const data_type& type(size_t k) const noexcept { return types_[k]; }

 private:
  static constexpr size_t header_nulls = 32;  // whose NULLs are in the header
  void fill_nulls(uint64_t* key, uint64_t word) const noexcept {
    key[0] = word << 32;
    for (uint32_t w = nulls_at_; w < words_; ++w) key[1 + w] = word;
  }

  std::vector<data_type> types_;
  std::vector<uint32_t> at_;  // first word of each key
  uint32_t nulls_at_ = 0;     // first word of the other keys' NULLs
  uint32_t words_ = 0;
};

/// Takes some columns of encoded rows as encoded keys of their own.
class key_projection {
 public:
  key_projection() = default;
  /// `columns`: of `rows`, those that `keys` is made of. `null_safe`, by key: whether NULL is a
  /// value of it as any other; where that says nothing, as `otherwise`.
  key_projection(const key_codec& rows, std::span<const uint32_t> columns, const key_codec& keys,
                 const std::vector<bool>& null_safe, bool otherwise);
  /// Strings are the row's. False: a NULL that is no value; the key is not whole then.
  bool operator()(const uint64_t* row, uint64_t* key) const noexcept;

 private:
  struct part {
    uint32_t from, to;  // words, headers counted
    bool wide, null_safe;
    null_bit from_null, to_null;
  };
  key_codec keys_;
  std::vector<part> parts_;
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
