#include "jobs/plan/tree.hpp"

namespace weir::planner {
namespace {

void count_uses(const expr::node& n, std::vector<uint32_t>& uses) {
  if (n.kind == expr::node_kind::column) ++uses[n.column];
  for (const auto& a : n.args) count_uses(*a, uses);
}

}  // namespace

expr::node_ptr substitute(const expr::node_ptr& n, const std::vector<named_expr>& columns) {
  if (n->kind == expr::node_kind::column) return columns[n->column].value;
  if (n->args.empty()) return n;
  auto copy = std::make_shared<expr::node>(*n);
  for (auto& a : copy->args) a = substitute(a, columns);
  return copy;
}

void merge_projections(std::vector<logical_node>& nodes) {
  using kind = logical_node::kind;
  std::vector<uint32_t> consumers(nodes.size());
  for (const auto& n : nodes)
    for (auto r : n.inputs) ++consumers[r.node];
  for (auto& outer : nodes) {
    if (outer.what != kind::project) continue;
    for (;;) {
      const auto in = outer.inputs[0];
      const auto& inner = nodes[in.node];
      if (inner.what != kind::project || in.port != 0 || consumers[in.node] != 1 ||
          inner.parallelism != outer.parallelism)
        break;
      std::vector<uint32_t> uses(inner.columns.size());
      for (const auto& c : outer.columns) count_uses(*c.value, uses);
      bool cheap = true;
      for (size_t i = 0; i < uses.size(); ++i)
        cheap &= uses[i] <= 1 || inner.columns[i].value->kind != expr::node_kind::call;
      if (!cheap) break;
      for (auto& c : outer.columns) c.value = substitute(c.value, inner.columns);
      // The inner one is left without a consumer, and so out of the plan.
      consumers[in.node] = 0;
      outer.inputs = inner.inputs;
    }
  }
}

}  // namespace weir::planner
