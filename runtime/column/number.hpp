// Numbers of columns.
#pragma once

#include <cmath>

#include "runtime/column/batch.hpp"
#include "runtime/column/scalar.hpp"

namespace weir {

/// The value of row `r` of an integer, decimal or float64 column, which is not NULL there.
inline double to_double(const column& c, uint32_t r) noexcept {
  switch (c.type.id) {
    case type_id::int32:
      return c.data<int32_t>()[r];
    case type_id::int64:
      return static_cast<double>(c.data<int64_t>()[r]);
    case type_id::decimal:
      return static_cast<double>(c.data<int128>()[r]) / std::pow(10.0, c.type.scale);
    default:
      return c.data<double>()[r];
  }
}

}  // namespace weir
