// Values of lists and structs out of JSON: arrays and objects, whose parts are read like columns.
#pragma once

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "runtime/column/scalar.hpp"
#include "runtime/connectors/text_window.hpp"

namespace weir {

/// The value, or false: then `cause` says what does not fit, with the way to it ("[2].name").
bool read_json_value(simdjson::ondemand::value&, const data_type&, const json_values&, scalar& out,
                     std::string& cause);

/// A double that JSON has no number for, of the text that Weir writes for it.
std::optional<double> special_double(std::string_view text) noexcept;

/// What a number says of a date (days) or a timestamp (microseconds), as json_values has it.
enum class time_number : uint8_t { fine, refused, out_of_range };
time_number time_of_number(simdjson::ondemand::value&, type_id, const json_values&, int64_t& out);
/// Behind the message of a number that is refused.
const char* refused_number_hint(type_id) noexcept;

/// The text of a value as it stands in the record. Not checked further than to its end.
simdjson::error_code raw_json(simdjson::ondemand::value&, simdjson::ondemand::json_type,
                              std::string_view& out);

/// "an array", "a number" ...
const char* json_type_name(simdjson::ondemand::json_type) noexcept;

}  // namespace weir
