// Calls of aggregate functions as SQL writes them, bound: which functions there are, what their
// arguments may be. For scopes of front ends (expr::scope::call). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/expr/binder.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::planner {

/// The function of a name; nothing when it is no aggregate.
std::optional<aggregate_function> find_aggregate(std::string_view name);
/// Binds a call of a function that find_aggregate() knows; `b` binds its arguments and condition,
/// and its scope refuses aggregates inside them. The call has no name yet.
result<aggregate_call> bind_aggregate(const expr::syntax&, expr::binder& b);
/// The value of a bound call, out of the column `made` that it has: as it stands, or what its items
/// make (array_agg, ordered-set aggregates, string_agg with ORDER BY or DISTINCT). `b` binds what
/// is asked of them, a fraction, outside of the call.
result<expr::node_ptr> made_of_items(const expr::syntax&, const aggregate_call&,
                                     expr::node_ptr made, expr::binder& b);
/// "sum(x) FILTER (WHERE y)": of a call bound to `input`.
std::string to_sql(const aggregate_call&, const schema& input);
/// Whether both compute the same.
bool same_call(const aggregate_call&, const aggregate_call&);
/// Names of the aggregate functions, for hints.
std::vector<std::string> aggregate_names();

}  // namespace weir::planner
