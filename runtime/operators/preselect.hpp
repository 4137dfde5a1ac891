// What planners ask before they put a preselection (top_n_spec::preselect) in front of a top_n.
// Pure functions.
#pragma once

#include <optional>

#include "runtime/plan/plan.hpp"

namespace weir {

/// The order that decides within a batch which rows cannot be among the first: the first term that
/// differs within a partition, else, where rows are numbered one by one, the first column that
/// does. Nothing: a preselection would let all rows pass. Not of last_arrived.
std::optional<order_term> preselect_order(const top_n_spec&, const schema& rows);

/// Whether a preselection in front of the exchange of `s` can leave rows out and may: its input
/// only grows, and of a full batch fewer rows than there are can be among the first.
bool can_preselect(const top_n_spec& s, const schema& rows);

}  // namespace weir
