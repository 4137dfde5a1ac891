// Lists and structs in operators that keep rows or keys: the operator itself sees bytes (the stored
// form of runtime/column/nested.hpp, which is equal and ordered like the values), and this one
// turns what comes and goes. So state, snapshots and orders need to know only fixed-width values
// and bytes, and every operator takes every type.
#pragma once

#include "runtime/operators/builtin.hpp"

namespace weir {

/// What the inner operator is made for: the node and its inputs with bytes for lists and structs.
struct stored_node {
  operator_node node;
  std::vector<schema_ptr> inputs;
  /// Per input: which columns are turned; none = the input passes as it is.
  std::vector<std::vector<bool>> turned;
};

/// Nothing where the operator keeps neither lists nor structs.
std::optional<stored_node> with_stored_columns(const operator_node&,
                                               const std::vector<schema_ptr>& inputs);
/// The operator around `inner`, which was made for a stored_node. `outputs`: of the ports, as the
/// plan has them.
operator_ptr make_stored_operator(operator_ptr inner, stored_node, std::vector<schema_ptr> outputs);

}  // namespace weir
