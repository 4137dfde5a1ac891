// Appends selected values of a column to a builder: the gather of exchanges and of whatever
// collects rows of several batches into one.
#pragma once

#include <span>

#include "runtime/column/builder.hpp"

namespace weir {

/// Values of `c` at `indices` (physical rows) to a builder of the same type.
void append_rows(column_builder& to, const column& c, std::span<const uint32_t> indices);
/// The places in its dictionary of the same values, NULLs kept: `to` is of type int32.
void append_places(column_builder& to, const column& c, std::span<const uint32_t> indices);

}  // namespace weir
