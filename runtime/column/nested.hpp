// Lists and structs value by value: their order, their form as bytes (how state holds them, and
// what a key's hash is of) and their JSON. Pure functions over valid columns; any thread.
//
// Stored form of a value: bytes that compare (as unsigned bytes) like the values do, equal for
// equal values, and that say themselves where they end. Part of the snapshot format: never changes.
//   part         01 and the value, or 02 for NULL, which is larger than any value
//   boolean      a byte;  int32, date: 4 bytes big-endian, sign inverted;  int64, timestamp: 8
//   likewise float64      bits big-endian; sign inverted, of negative ones all; one NaN, no -0.0
//   decimal      16 bytes big-endian, sign inverted
//   interval     its length in microseconds (as for hash.hpp) like decimal, then months, days,
//   micros string, bytes, json   the bytes, a zero byte as 00 FF; then 00 00 list         a part
//   per item; then 00 struct       a part per field
#pragma once

#include <string>
#include <string_view>

#include "runtime/column/batch.hpp"
#include "runtime/column/builder.hpp"

namespace weir {

constexpr bool is_nested(type_id t) noexcept {
  return t == type_id::list || t == type_id::struct_;
}
bool has_nested(const schema&) noexcept;
/// Whether values can be compared: not where json is in them.
bool is_comparable(const data_type&) noexcept;
/// Whether a list's items are lists: PostgreSQL's arrays of several dimensions, which SQL has not.
bool has_list_of_lists(const data_type&) noexcept;

/// PostgreSQL's order of two values of one type: below, above or equal to 0. NULL is larger than
/// any value and equal to NULL, as inside arrays; a list that another begins with is the smaller
/// one.
int compare_values(const column& a, uint32_t i, const column& b, uint32_t j) noexcept;

/// The stored form of a value that is not NULL.
void append_stored(std::string& out, const column& c, uint32_t row);
void append_stored(std::string& out, const scalar& v);
/// The same with the byte in front that says whether it is NULL.
void append_stored_part(std::string& out, const column& c, uint32_t row);
/// Takes a value (or part) off the front of `in`; false: those bytes are none.
bool read_stored(std::string_view& in, column_builder& out);
bool read_stored_part(std::string_view& in, column_builder& out);
/// A whole column as bytes and back. What does not read is a bug or memory's: asserted.
column_ptr to_stored(const column& c, memory_pool& pool);
column_ptr from_stored(const column& c, const data_type& type, memory_pool& pool);

/// A value as JSON, NULL as null: lists are arrays, structs objects; numbers and booleans as they
/// are, Infinity and NaN and all else as texts.
void append_json(std::string& out, const column& c, uint32_t row);

/// What stands between the braces or parentheses of a list's or struct's text (PostgreSQL's
/// '{1,NULL,"a b"}' and '(1,"a b")'): for each part its text, or nothing for NULL.
result<std::vector<std::optional<std::string>>> split_list_text(std::string_view text);
result<std::vector<std::optional<std::string>>> split_struct_text(std::string_view text);

}  // namespace weir
