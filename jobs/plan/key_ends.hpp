// What the rows of a join say about the future: when no more come of a key, so that state by key
// can go, and that a row has met the only partner that it will ever have. Pure functions of the
// planner.
#pragma once

#include <optional>

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// A column that is the same in all rows of a key, of which none comes in time once the watermark
/// is beyond it and `retain_us`.
struct key_end {
  uint32_t column = 0;  // of the relation
  int64_t retain_us = 0;
};
/// Of rows that agree in `keys`: read off the nearest join above. Nothing where rows may be taken
/// back or where nothing says so.
std::optional<key_end> end_of_keys(const std::vector<logical_node>&, relation,
                                   const std::vector<uint32_t>& keys);
/// Of the partitions of a top_n.
std::optional<key_end> end_of_partitions(const std::vector<logical_node>&, const logical_node&);

/// Whether each row of one side of an inner join has at most one partner, for ever.
bool has_one_partner(const std::vector<logical_node>&, const logical_node& join, bool right);

/// The event times of both sides of a join, columns of its output, where rows of both are kept for
/// a bounded time and none is taken back: whichever a row has, it is no older than both bounds say.
std::optional<std::pair<uint32_t, uint32_t>> times_of_sides(const std::vector<logical_node>&,
                                                            const logical_node& join);

}  // namespace weir::planner
