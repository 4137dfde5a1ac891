// bytea as text: the forms of encode() and decode(). Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace weir::expr {

/// bytea's other text form, without "\x" in front: "\\" is a backslash, "\ooo" a byte.
status append_unescaped(std::string& out, std::string_view s);
/// encode() and decode() of a format: hex, base64 or escape.
status append_encoded(std::string& out, std::string_view bytes, std::string_view format);
status append_decoded(std::string& out, std::string_view s, std::string_view format);

}  // namespace weir::expr
