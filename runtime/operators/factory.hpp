// Instances of the operators that a plan names (all but sources and sinks, which
// runtime/connectors builds).
#pragma once

#include <memory>

#include "runtime/operators/operator.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

/// `inputs`: the schemas of its inputs in port order.
result<std::unique_ptr<stream_operator>> make_operator(const operator_node&,
                                                       const std::vector<schema_ptr>& inputs);

}  // namespace weir
