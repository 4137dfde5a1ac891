// Aggregates that are computed over all values of a group: an aggregate that joins bytes gathers
// them as items (runtime/expr/kernels_array_agg.cpp), and made_of_items() makes the value. For
// bind_aggregate().
#pragma once

#include <string_view>
#include <vector>

#include "runtime/expr/binder.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::planner {

/// Functions that are computed over the array of their distinct values.
bool takes_distinct(aggregate_function);
/// json_object_agg and jsonb_object_agg.
bool is_json_object(std::string_view name);
bool is_number(const data_type&);
/// Whether a call gathers items.
bool is_item(const aggregate_call&);
/// ORDER BY among the arguments of a call that has no use for it: computed, not sorted by.
status ignore_order(const expr::syntax&, expr::binder&, aggregate_call&);
/// "function f(integer, text) does not exist".
error no_such(const expr::syntax&, const expr::binder&, const std::vector<expr::bound>& args);

/// Makes items of the call's argument, each with the sort keys of its ORDER BY.
status gather_items(const expr::syntax&, expr::binder&, aggregate_call&);
/// percentile_cont, percentile_disc and mode: args are the value of WITHIN GROUP, then the
/// fraction.
result<aggregate_call> bind_ordered_set(const expr::syntax&, expr::binder&, aggregate_call);
/// json_object_agg: names and values in rows.
result<aggregate_call> bind_json_object(const expr::syntax&, expr::binder&, aggregate_call);

}  // namespace weir::planner
