// JSON strings, as sinks, dead letters and the command line write them. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace weir {

/// Appends `s` (UTF-8) quoted and escaped after RFC 8259.
void append_json_string(std::string& out, std::string_view s);
/// The same, alone.
std::string json_string(std::string_view s);
/// RFC 4648 with padding.
void append_base64(std::string& out, std::string_view bytes);

}  // namespace weir
