// One operator in words, for explain_text and explain_json.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace weir::planner {

/// "filter (dep_delay > 15)", "merge count(*) AS n by carrier", ...
std::string describe(const physical_plan&, operator_index);
/// "price DESC, id NULLS FIRST"
std::string order_text(const std::vector<order_term>&, const schema_ptr&);
/// "carrier, origin"
std::string join_columns(const std::vector<uint32_t>&, const schema_ptr&);

}  // namespace weir::planner
