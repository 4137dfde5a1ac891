// One text with aggregate calls, as an aggregate step has them: `sum(a) / count(*) FILTER (WHERE
// b)`. Calls are bound to the step's input; what is computed around them, to its keys and the
// calls' results. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/plan/builder.hpp"

namespace weir::planner {

/// What is wrong with a piece of SQL text, and where (byte offset).
struct text_error {
  size_t offset = 0;
  error cause;
};

/// One `name: text` of an aggregate step, bound.
struct bound_aggregate {
  std::vector<aggregate_call> calls;  // named "@0", "@1" ... from `first_call`
  /// Column i below keys.size() is a key, keys.size() + k is call k of the step. None when the text
  /// is nothing but one call.
  expr::node_ptr rest;
};
/// `input`: what arguments are bound to; `keys`: what may stand outside of aggregates.
/// `first_call` numbers the calls over several texts.
std::optional<text_error> bind_aggregates(std::string_view text, const schema& input,
                                          const schema& keys, uint32_t first_call,
                                          bound_aggregate& out);

}  // namespace weir::planner
