// Equal parts of a logical graph become one.
#include <algorithm>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

bool same(const expr::node_ptr& a, const expr::node_ptr& b) {
  return a && b ? expr::same_tree(*a, *b) : !a && !b;
}

bool same_scalar(const scalar& a, const scalar& b) {
  return a.type == b.type && a.null == b.null && a.i == b.i && a.d == b.d && a.dec == b.dec;
}

bool same_over(const over_def& a, const over_def& b) {
  return a.keys == b.keys && a.order == b.order &&
         std::equal(a.calls.begin(), a.calls.end(), b.calls.begin(), b.calls.end(),
                    [](const over_call& x, const over_call& y) {
                      return x.function == y.function && x.aggregate == y.aggregate &&
                             x.argument == y.argument && x.otherwise == y.otherwise &&
                             x.filter == y.filter && x.count == y.count &&
                             x.frame.in == y.frame.in && x.frame.start == y.frame.start &&
                             x.frame.end == y.frame.end && x.frame.without == y.frame.without &&
                             x.separator == y.separator &&
                             same_scalar(x.frame.start_offset, y.frame.start_offset) &&
                             same_scalar(x.frame.end_offset, y.frame.end_offset) &&
                             x.type == y.type;
                    });
}

/// Whether both nodes give the same rows, their inputs being the same.
bool same_node(const logical_node& a, const logical_node& b) {
  // Custom operators may do anything; scans of one table are one node already.
  if (a.what != b.what || a.what == kind::custom || a.what == kind::sink || a.what == kind::scan ||
      !a.late.empty() || !b.late.empty() || a.inputs != b.inputs ||
      a.parallelism != b.parallelism || a.state_ttl_us != b.state_ttl_us ||
      a.final_only != b.final_only || !(a.window.shape == b.window.shape) ||
      a.window.keys != b.window.keys || a.join != b.join || a.count_column != b.count_column ||
      !(*a.output == *b.output) || !same(a.predicate, b.predicate) ||
      a.flat.function != b.flat.function || a.flat.delimiter != b.flat.delimiter ||
      !same(a.flat.argument, b.flat.argument))
    return false;
  if (a.what == kind::top_n && !(a.top == b.top)) return false;
  if (a.what == kind::over && !same_over(a.over, b.over)) return false;
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const named_expr& x, const named_expr& y) {
                      return x.name == y.name && same(x.value, y.value);
                    }) &&
         std::equal(a.calls.begin(), a.calls.end(), b.calls.begin(), b.calls.end(),
                    [](const aggregate_call& x, const aggregate_call& y) {
                      return x.name == y.name && same_call(x, y);
                    });
}

}  // namespace

void share_equal_nodes(std::vector<logical_node>& nodes) {
  // In the order of the graph, so that inputs are shared before their readers are compared.
  const auto consumers = count_consumers(nodes);
  for (uint32_t i = 0; i < nodes.size(); ++i)
    for (uint32_t k = 0; consumers[i] && k < i; ++k)
      if (consumers[k] && same_node(nodes[k], nodes[i])) {
        redirect(nodes, {i, 0}, {k, 0});
        break;
      }
}

}  // namespace weir::planner
