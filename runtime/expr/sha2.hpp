#pragma once

#include <string_view>

namespace weir::expr {

/// SHA-2 (FIPS 180-4). Writes `bits` / 8 bytes at `out`; bits: 224, 256, 384 or 512.
void sha2(int bits, std::string_view s, char* out);

}  // namespace weir::expr
