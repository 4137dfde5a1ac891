// Whole rows as few bytes, for state that keeps many: what key_codec encodes as words becomes
//   varint  null mask
//   nibbles one per word, two a byte: bytes of the value, 0 to 8; 8 + n: of its complement, n bytes
//   words   that many bytes each
//   texts   varint (size << 2 | form), and
//             plain   the bytes
//             narrow  u8 (the bits that all characters have in common | how many others: 4 to 7),
//                     then those others of each character, packed
//           or (number << 2 | shared) of text_dictionary, or (its near code << 2 | near)
// The form is part of the snapshot format. One thread's.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/batch.hpp"
#include "runtime/state/row_layout.hpp"
#include "runtime/state/text_dictionary.hpp"

namespace weir {

/// Memory for rows that are unpacked, until clear().
class row_scratch {
 public:
  /// Eight bytes behind it may be written.
  char* take(size_t bytes) {
    bytes = (bytes + 15) / 8 * 8;
    if (bytes > left_) [[unlikely]]
      grow(bytes);
    char* p = at_;
    at_ += bytes;
    left_ -= bytes;
    return p;
  }
  uint64_t* words(size_t n) { return reinterpret_cast<uint64_t*>(take(8 * n)); }
  void clear() noexcept;

 private:
  static constexpr size_t block_bytes = 256 * 1024;
  void grow(size_t bytes);

  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0;  // blocks
  std::vector<std::unique_ptr<char[]>> large_;
  char* at_ = nullptr;
  size_t left_ = 0;
};

class row_packer {
 public:
  row_packer() = default;
  /// `columns`: the key part of this layout; `first_words`: by column, its first word of it.
  row_packer(const row_layout& columns, std::vector<uint32_t> first_words);

  /// The rows that are packed from now on are of these columns, which are held until the next call:
  /// texts of dictionaries are known by their indices then.
  void begin_batch(std::span<const column_ptr> columns);
  /// The bytes of a row (header and words) that stands at `at` in the columns; valid until the next
  /// call.
  std::string_view pack(const uint64_t* row, uint32_t at, text_dictionary&);
  /// Its header and words. Texts refer to `bytes`, of which eight more may be read, to the
  /// dictionary and to `scratch`.
  void unpack(std::string_view bytes, const text_dictionary&, row_scratch& scratch,
              uint64_t* row) const noexcept;
  /// Bytes from outside: nothing but rows that pass may be unpacked.
  status check(std::string_view bytes, const text_dictionary&) const;

  uint32_t words() const noexcept { return words_; }

 private:
  // A text column shares its texts while at least one in this many of those that could be is
  // there already, once that many have been added.
  static constexpr uint32_t trial_texts = 1024;
  static constexpr uint32_t useless_factor = 4;
  // What stands for a text in packed rows, form included.
  using text_tag = uint32_t;
  static constexpr text_tag no_tag = 0;
  // Tags of short texts, by their bytes.
  static constexpr uint32_t known_bits = 14;
  struct known_text {
    uint64_t words[2] = {};
    text_tag tag = no_tag;
  };
  // And of a dictionary's texts, by their indices. Inputs from several tasks have dictionaries in
  // turns.
  static constexpr uint32_t dictionaries_held = 4;
  static constexpr uint32_t indexed_max = 64 * 1024;
  struct indexed_texts {
    column_ptr dictionary;
    std::vector<text_tag> tags;
  };
  struct text_column {
    uint32_t word;
    uint32_t column = 0;
    bool shared = true;
    uint32_t added = 0, found = 0;
    std::vector<known_text> known;
    indexed_texts held[dictionaries_held];
    uint32_t next_held = 0;
    // Of the batch at hand, where it has a dictionary.
    column_ptr batch;
    text_tag* tags = nullptr;
  };
  text_tag share(text_column&, const var_ref&, uint32_t at, text_dictionary&);
  static text_tag* tags_of(text_column&, const column_ptr& dictionary);

  uint32_t words_ = 0;
  std::vector<uint32_t> plain_;  // words that are no texts
  std::vector<text_column> texts_;
  std::vector<char> out_;
};

}  // namespace weir
