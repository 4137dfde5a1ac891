// Text of one column of many records to values. One loop per type, chosen once per column.
#pragma once

#include <optional>

#include "runtime/column/scalar.hpp"
#include "runtime/connectors/text_window.hpp"

namespace weir {

struct field_texts {
  const text_window* window = nullptr;
  const uint32_t* begin = nullptr;  // per record
  const uint32_t* end = nullptr;
  uint32_t count = 0;
  std::string_view null_text;  // unquoted text that means NULL
};

/// Writes rows [first_row, first_row + count) of `out`; a text that is no value of its type is
/// reported in `bad` as a problem of column `name`.
using parse_fields_fn = void (*)(const field_texts&, column_filler& out, uint32_t first_row,
                                 std::string_view name, std::vector<bad_record>& bad);
parse_fields_fn parser_of(const data_type&);

/// What a cast of the text gives, which takes more than the readers' fast ways: blanks around the
/// value, a timestamp for a date, other forms of dates and booleans. For types of fixed width;
/// nothing where the cast fails.
std::optional<scalar> value_by_cast(std::string_view text, const data_type& type);

/// `text` is not a value of `type`, for messages: long texts are cut.
std::string not_a_value(std::string_view name, std::string_view text, const data_type& type);

/// A field that contains quotes, without them ("" within quotes is one quote).
void unquote(std::string_view field, std::string& out);

}  // namespace weir
