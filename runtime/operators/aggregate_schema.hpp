// Which columns a partial aggregate emits and a merging one takes: one or more accumulator columns
// per call. For planners (which set operator_node::output) and the aggregate itself.
#pragma once

#include "runtime/column/types.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

/// Type of a call's result as PostgreSQL has it, except that avg, stddev and variance of integers
/// are float64: an error names the function and the argument's type where there is none.
result<data_type> aggregate_result_type(aggregate_function, const data_type* argument);

/// Whether pre-aggregation in front of the exchange can shrink the rows. False for calls that need
/// every value (count distinct, string_agg; min, max, first and last when rows may be retracted):
/// then a partial stage only passes rows through, and the planner had better leave it out.
bool partial_shrinks(const aggregate_spec&);

/// Output of stage `partial` over `input`: the keys, then the calls' accumulator columns. Its keys
/// are columns 0 ... keys.size() - 1. Rows of it are added up whatever their change weight, so a
/// `merge` stage behind it has input_has_changes as the complete one would have.
result<schema_ptr> partial_output_schema(const aggregate_spec&, const schema& input);

/// Output of stages `complete` and `merge`: the keys (window_start among them where the aggregate
/// makes windows of slices), then one column per call. For `merge`,
/// `input` is the partial stage's output.
result<schema_ptr> aggregate_output_schema(const aggregate_spec&, const schema& input);

}  // namespace weir
