// MD5 (RFC 1321), for SQL's md5(). Pure function.
#pragma once

#include <string_view>

namespace weir::expr {

/// 32 lower-case hexadecimal digits at `out`.
void md5_hex(std::string_view data, char* out);

}  // namespace weir::expr
