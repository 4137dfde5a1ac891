// Conditions that a source can ask of whole files. Pure functions of the planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// What a filter over table `scan`, its only reader, says of the columns that the table takes from
/// its files' folders (option partition_by): over the table's columns; null when it is nothing. The
/// filter stays: a source may ask it of what it reads or not.
result<expr::node_ptr> split_filter_of(const std::vector<logical_node>&, uint32_t scan);

}  // namespace weir::planner
