// Values as bytes that order like them: who compares two keys compares what ORDER BY does. Pure
// functions.
#pragma once

#include <string>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

/// Appends the terms' columns of physical row `row`. Prefix-free: what follows does not disturb.
void append_sort_key(std::string& out, const batch&, uint32_t row, const std::vector<order_term>&);

}  // namespace weir
