// Generates Nexmark's columns, whole batches at a time and only those that are asked for. Every
// value is a function of the seed and its event's number; nothing is carried from row to row. Owned
// by a reader; not thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "runtime/connectors/nexmark_draw.hpp"
#include "runtime/connectors/nexmark_model.hpp"
#include "runtime/connectors/nexmark_words.hpp"

namespace weir::nexmark {

// Lengths of an auction's texts: 3 letters and fewer than this many more.
inline constexpr uint32_t item_shortest = 3, item_range = 17;
inline constexpr uint32_t description_shortest = 3, description_range = 97;

class column_maker {
 public:
  column_maker(const settings&, memory_pool&);

  /// Rows from `first` on that one call may make: draws repeat only after 2^26 groups of events,
  /// and the next such epoch has other keys.
  uint64_t run(uint64_t first) const;
  /// One column of rows [first, first + rows), rows <= run(first). Texts out of dictionaries
  /// come as dictionary columns.
  column_ptr make(field, uint64_t first, uint32_t rows);
  /// Bytes that a row of this column takes, on average.
  size_t bytes_per_row(field) const;

 private:
  enum class draw : uint8_t {  // one stream of random numbers each; the numbers never change
    auction = 0,
    bidder = 1,
    price = 2,
    channel = 3,
    reserve = 4,
    expires = 5,
    seller = 6,
    category = 7,
    name = 8,
    city = 9,
    state = 10,
    card_left = 11,
    card_right = 12,
    email_length = 13,
    email_text = 14,
    extra_length = 15,
    extra_text = 16,
    item_length = 17,
    item_text = 18,
    description_length = 19,
    description_text = 20,
  };
  draw_key key_of(draw) const;
  void place(uint64_t first, uint32_t rows);
  void times(int64_t* out, uint64_t later) const;
  void expiries(int64_t* out) const;
  void bid_auctions(int64_t* out) const;
  void people(int64_t* out, draw, int64_t hot_place) const;
  void prices(int64_t* out, draw) const;
  column_ptr numbers(field);
  column_ptr from_dictionary(const column_ptr&, draw) const;
  column_ptr channels(const column_ptr& values) const;
  /// lengths[i] = shortest + a number below `range`.
  void draw_lengths(draw, uint32_t shortest, uint32_t range);
  /// The column of `lengths_`, whose texts `fill` writes: fill(row, to), with 64 bytes of room
  /// behind the text.
  template <class F>
  column_ptr texts(F fill) const;
  column_ptr cut(const buffer_ref& from, draw, bool trimmed) const;
  column_ptr emails();
  column_ptr credit_cards();
  column_ptr extras();
  void extra_lengths();

  settings settings_;
  memory_pool* pool_;
  std::shared_ptr<const words> words_;
  // The rows that are being made: event numbers within their epoch of draws, and groups since the
  // first row's.
  uint64_t first_ = 0, group_ = 0;
  uint32_t rows_ = 0;
  std::vector<uint32_t> event_, since_, lengths_;
};

}  // namespace weir::nexmark
