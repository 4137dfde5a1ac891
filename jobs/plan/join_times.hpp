// Event times that joins have by what is said behind them.
#pragma once

#include <optional>
#include <vector>

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// Joins whose tables stand behind commas are told how far apart in time their rows are by WHERE:
/// the inner join `r` with this condition, which it asks of its rows. Nothing: that makes no event
/// time or window.
std::optional<relation> timed_join(std::vector<logical_node>&, relation r,
                                   const expr::node_ptr& condition, plan_builder&);

/// Of a FULL JOIN that is bounded in time: which of the columns, each of them over `in`, is the
/// event time of one of its sides or, where it has none, of the other.
std::optional<uint32_t> coalesced_time(const std::vector<logical_node>&, relation in,
                                       const std::vector<named_expr>& columns);

}  // namespace weir::planner
