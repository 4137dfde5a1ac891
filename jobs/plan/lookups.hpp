// Tables that are looked up (option lookup): a join with one reads it whole in each task, and again
// when it is older than its `cache`, instead of keeping rows of both sides. Pure functions of the
// planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// A table that is looked up, perhaps through filters and projections.
struct lookup_table {
  uint32_t scan = 0;                    // its node
  std::vector<expr::node_ptr> filters;  // over the scan's columns
  std::vector<named_expr> columns;      // of the relation, over the scan's columns
};
/// The table that a relation is rows of, if it has the option; else nothing.
std::optional<lookup_table> lookup_of(const std::vector<logical_node>&, relation);
/// Whether a table's records say what a key's row is from now on, or that there is none.
bool is_upserted(const table_def&);
/// Whether the option says so of records that say more: changes count by their key alone.
bool is_keyed(const table_def&);
/// Either of a table that is read as a stream, not looked up.
bool gives_upserts(const table_def&);
/// Columns of such a table's scan by which newer rows replace older ones: the PRIMARY KEY of one in
/// a topic, and of upserts. None of other files, which are read whole again.
std::vector<uint32_t> latest_by(const logical_node& scan);
/// Whether a join looks up its right side.
bool looks_up(const std::vector<logical_node>&, const logical_node& join);
/// By node: whether only lookups read it, so that it needs no source of its own.
std::vector<bool> only_looked_up(const std::vector<logical_node>&);

}  // namespace weir::planner
