// Aggregate calls inside SQL text: `sum(a) / count(*) FILTER (WHERE b)`. Finds each call by its
// tokens, so that the arguments can be bound by runtime/expr, which knows scalars only, and leaves
// an expression over the calls' results. Positions of the text are kept throughout. Pure functions.
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
  /// Over the keys and the calls: text for expr::bind, with columns "@i". Empty when the text is
  /// nothing but one call.
  std::string rest;
};
/// `input`: what arguments are bound to. `first_call` numbers the calls over several texts.
std::optional<text_error> bind_aggregates(std::string_view text, const schema& input,
                                          uint32_t first_call, bound_aggregate& out);

/// Byte offset of an error of expr::bind in the text that was bound, and what is left of its
/// message when position and caret are taken off; nothing when it names no position.
std::optional<std::pair<size_t, std::string>> position_of(const error&, std::string_view text);

/// Names of the aggregate functions, for hints.
std::vector<std::string> aggregate_names();

}  // namespace weir::planner
