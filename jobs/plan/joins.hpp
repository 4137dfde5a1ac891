// What a join's condition says: which columns must be equal, how far apart in time its rows may be,
// and what is left to ask of each pair. Pure functions of the planner.
#pragma once

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// The parts of a condition that AND puts together.
void split_and(const expr::node_ptr&, std::vector<expr::node_ptr>& out);
/// One condition of several; null of none.
expr::node_ptr join_and(std::vector<expr::node_ptr>);

/// A tree over both sides' columns that reads the right ones alone, as one over the right side's.
expr::node_ptr of_right(const expr::node_ptr&, size_t left_columns);

struct join_parts {
  struct key {
    expr::node_ptr left, right;  // each over its own side's columns
    bool null_safe = false;
  };
  struct lifetime {
    uint32_t column = 0;  // of its side
    int64_t retain_us = 0;
    /// The column is not the side's event time but one up to which partners come; rows are late by
    /// `late` (join_side).
    bool by_column = false;
    std::optional<uint32_t> late = {};
  };
  std::vector<key> keys;
  expr::node_ptr condition;  // the rest, over both sides' columns; null: nothing
  std::optional<lifetime> left, right;
  /// Both sides' windows must be the same: rows leave with their window.
  bool windowed = false;
};
join_parts analyze_join(const std::vector<logical_node>&, const logical_node& join);
/// Whether rows of the join are taken back although its inputs only grow.
bool join_changes(const std::vector<logical_node>&, const logical_node& join);

/// The event time of rows that leave when they find each other, a column of the join's output: rows
/// of a side that is kept for a bounded time are no older than that when they do. The left side's
/// where there are two. Nothing: of rows that may be of any age or are taken back, and where rows
/// pass or wait for the watermark (lookups, as-of joins, joins of windows).
std::optional<uint32_t> timed_rows(const std::vector<logical_node>&, const logical_node& join);

inline bool one_sided(join_kind k) noexcept {
  return k == join_kind::semi || k == join_kind::anti;
}

}  // namespace weir::planner
