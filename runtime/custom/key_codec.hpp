// A row's key columns as bytes (the key of keyed state) and back to cells. Per column one byte
// (1 = null) and, unless null, the value: integers and dates big-endian with the sign flipped, so
// that timers of equal time fire in the order of such keys; texts with a uint32 length in front.
// The bytes are part of snapshots.
#pragma once

#include <string>
#include <vector>

#include <weir/abi.hpp>

#include "runtime/column/types.hpp"

namespace weir::custom {

/// Appends column `c`'s value in physical row `row`.
void append_key(std::string& out, const abi::column& c, uint32_t row);
/// The cells that `key` was made of; they refer to it. False when the bytes do not fit the types.
bool decode_key(std::string_view key, const std::vector<data_type>& types,
                std::vector<abi::cell>& cells);

}  // namespace weir::custom
