// Values of lists and structs out of JSON: arrays and objects, whose parts are read like columns.
#pragma once

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "runtime/column/scalar.hpp"

namespace weir {

/// The value, or false: then `cause` says what does not fit, with the way to it ("[2].name").
bool read_json_value(simdjson::ondemand::value&, const data_type&, scalar& out, std::string& cause);

/// The text of a value as it stands in the record. Not checked further than to its end.
simdjson::error_code raw_json(simdjson::ondemand::value&, simdjson::ondemand::json_type,
                              std::string_view& out);

/// "an array", "a number" ...
const char* json_type_name(simdjson::ondemand::json_type) noexcept;

}  // namespace weir
