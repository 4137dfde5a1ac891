// State that grows as long as input comes, with the clause that would bound it: for `weir lint` and
// `weir plan`. Pure functions over plans.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace weir::planner {

/// Whether more input may always come: a file that is followed, a sequence without end, a topic,
/// standard input, of which nothing says when its sender ends it.
bool endless(const source_spec&);

/// Gives operators the state_ttl of their steps (by operator; 0 = none), where they take one. Of a
/// join that endless input reaches, the rows of a side that ends stay.
void apply_state_ttls(physical_plan&, const std::vector<int64_t>& ttls_us);

struct growing_state {
  operator_index op;
  std::string what;      // "the aggregate keeps an entry for each key (k) for ever"
  std::string bound_by;  // what to write so that it does not
};
/// Of operators that endless input reaches; in the plan's order. Of a join only the side that
/// grows.
std::vector<growing_state> growing_states(const physical_plan&);

}  // namespace weir::planner
