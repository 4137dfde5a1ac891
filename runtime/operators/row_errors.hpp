// Rows that an operator's expressions cannot compute: handed to the policy, and left out of the
// batch. Plain functions over the instance's context.
#pragma once

#include <vector>

#include "runtime/expr/expr.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

/// Does with the rows what the policy says. An error = the task fails.
status reject_rows(const operator_context&, const batch& in, const std::vector<expr::row_error>&);
/// As reject_rows, and the rows of `in` without them; `in` itself when there are none.
result<batch_ptr> without_rejected(const operator_context&, const batch_ptr& in,
                                   const std::vector<expr::row_error>&);

}  // namespace weir
