// Makers of the built-in operators, one per file of this folder; factory.cpp chooses.
#pragma once

#include <memory>
#include <vector>

#include "runtime/operators/operator.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

using operator_ptr = std::unique_ptr<stream_operator>;

// ttl_us: operator_node::state_ttl_us.
result<operator_ptr> make_filter(const filter_spec&, const schema_ptr& input);
result<operator_ptr> make_project(const project_spec&, const schema_ptr& input, schema_ptr output);
result<operator_ptr> make_flat_map(const flat_map_spec&, const schema_ptr& input,
                                   schema_ptr output);
result<operator_ptr> make_union(const std::vector<schema_ptr>& inputs, schema_ptr output);
result<operator_ptr> make_distinct(const schema_ptr& input, schema_ptr output, int64_t ttl_us);
result<operator_ptr> make_as_of_join(const join_spec&, const schema_ptr& left,
                                     const schema_ptr& right, schema_ptr output, int64_t ttl_us);
result<operator_ptr> make_settle(const schema_ptr& input, schema_ptr output);
result<operator_ptr> make_join(const join_spec&, const schema_ptr& left, const schema_ptr& right,
                               schema_ptr output, int64_t ttl_us);
result<operator_ptr> make_repeat(const repeat_spec&, const schema_ptr& input, schema_ptr output);
result<operator_ptr> make_over(const over_spec&, const schema_ptr& input, schema_ptr output,
                               int64_t ttl_us);
result<operator_ptr> make_top_n(const top_n_spec&, const schema_ptr& input, schema_ptr output,
                                int64_t ttl_us);
result<operator_ptr> make_window(const window_spec&, const schema_ptr& input, schema_ptr output);
result<operator_ptr> make_aggregate(const aggregate_spec&, const schema_ptr& input,
                                    schema_ptr output, int64_t ttl_us);

}  // namespace weir
