// Text to values as PostgreSQL reads them, with its messages: what casts and literals share. Pure
// functions.
#pragma once

#include <string_view>

#include "runtime/column/interval_fields.hpp"
#include "runtime/column/scalar.hpp"

namespace weir::expr {

/// Without leading and trailing blanks.
std::string_view trimmed(std::string_view s);
result<int64_t> text_to_integer(std::string_view s, type_id);
result<double> text_to_float(std::string_view s);
result<int128> text_to_decimal(std::string_view s, uint8_t scale);
result<bool> text_to_bool(std::string_view s);
result<int32_t> text_to_date(std::string_view s);
result<int64_t> text_to_timestamp(std::string_view s);
result<interval_value> text_to_interval(std::string_view s, int32_t fields = interval_all_fields);
/// The text of one value of a fixed-width type at p (fixed_chars_max); returns the end.
/// json: whether it parses.
status check_json(std::string_view s);

/// PostgreSQL's names, for messages: "integer", "double precision", "numeric" ...
std::string_view pg_name(type_id);
/// SQL name with its scale.
std::string pg_name(const data_type&);

}  // namespace weir::expr
