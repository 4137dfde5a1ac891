// How a state row is laid out in 8-byte words, and how it is written as a snapshot record. Values
// of every fixed-width type take one word (decimal and interval two), strings two (var_ref).
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/column/types.hpp"

namespace weir {

struct row_layout {
  uint32_t key_words = 0;
  std::vector<uint32_t> key_strings;  // word of the key at which a var_ref begins, ascending
  uint32_t value_words = 0;
  std::vector<uint32_t> value_strings;  // likewise within the value
  /// Words of the value that mean nothing in a snapshot, where they are 0. No string comes before.
  std::vector<uint32_t> transient;
  bool stamped = false;  // the value's last word says when the row was touched last
  /// The rows have no key of their own: theirs is a number that the table gives
  /// (row_table::append), and nothing looks them up.
  bool numbered = false;
  static constexpr uint32_t no_word = UINT32_MAX;
  /// Word of the value that refers to a packed row (packed_row.hpp). Values have no strings then.
  uint32_t packed_word = no_word;

  bool packed() const noexcept { return packed_word != no_word; }
  bool fixed() const noexcept { return key_strings.empty() && value_strings.empty() && !packed(); }
  uint32_t row_bytes() const noexcept { return 8 * (1 + key_words + value_words); }
  /// Bytes of a record of a fixed layout: the null mask and the key; the value.
  uint32_t record_key_bytes() const noexcept { return 4 + 8 * key_words; }
  uint32_t record_value_bytes() const noexcept { return 8 * value_words; }

  /// Adds one key column; returns its first word.
  uint32_t add_key(type_id t) { return add(t, key_words, key_strings); }
  uint32_t add_value(type_id t) { return add(t, value_words, value_strings); }

  void add_packed() { packed_word = add_value(type_id::int64); }
  void make_numbered() {
    add_key(type_id::int64);
    numbered = true;
  }
  /// After all values.
  void add_stamp() {
    add_value(type_id::int64);
    stamped = true;
  }

  static uint32_t words_of(type_id t) noexcept {
    return is_varlen(t) || fixed_width(t) == 16 ? 2 : 1;
  }

 private:
  static uint32_t add(type_id t, uint32_t& words, std::vector<uint32_t>& strings) {
    uint32_t at = words;
    if (is_varlen(t)) strings.push_back(at);
    words += words_of(t);
    return at;
  }
};

/// Mixes two words; the folded product of wyhash.
inline uint64_t mix_words(uint64_t a, uint64_t b) noexcept {
  unsigned __int128 p = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(p) ^ static_cast<uint64_t>(p >> 64);
}

}  // namespace weir
