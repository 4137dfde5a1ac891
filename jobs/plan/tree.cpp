#include "jobs/plan/tree.hpp"

#include <set>

#include "runtime/expr/expr.hpp"

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

std::vector<uint32_t> count_consumers(const std::vector<logical_node>& nodes) {
  std::vector<uint32_t> consumers(nodes.size());
  for (const auto& n : nodes)
    for (auto r : n.inputs) ++consumers[r.node];
  return consumers;
}

void redirect(std::vector<logical_node>& nodes, relation from, relation to) {
  for (auto& n : nodes)
    for (auto& r : n.inputs)
      if (r == from) r = to;
}

void tidy(std::vector<logical_node>& nodes) {
  std::vector<bool> live(nodes.size());
  std::vector<uint32_t> open;
  for (uint32_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].what == logical_node::kind::sink) open.push_back(i);
  while (!open.empty()) {
    const auto i = open.back();
    open.pop_back();
    if (live[i]) continue;
    live[i] = true;
    for (auto r : nodes[i].inputs) open.push_back(r.node);
  }
  std::vector<std::vector<uint32_t>> readers(nodes.size());
  std::vector<size_t> waiting(nodes.size());
  std::set<uint32_t> ready;  // the first comes first, so that what is in order stays so
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (!live[i]) continue;
    for (auto r : nodes[i].inputs) readers[r.node].push_back(i);
    waiting[i] = nodes[i].inputs.size();
    if (waiting[i] == 0) ready.insert(i);
  }
  std::vector<logical_node> ordered;
  std::vector<uint32_t> moved(nodes.size());
  while (!ready.empty()) {
    const auto i = *ready.begin();
    ready.erase(ready.begin());
    moved[i] = static_cast<uint32_t>(ordered.size());
    for (auto k : readers[i])
      if (--waiting[k] == 0) ready.insert(k);
    ordered.push_back(std::move(nodes[i]));
  }
  for (auto& n : ordered)
    for (auto& r : n.inputs) r.node = moved[r.node];
  nodes = std::move(ordered);
}

void rewrite(std::vector<logical_node>& nodes) {
  // Joins with highest values are looked for before filters go to one side of them only, and again
  // where those of WHERE have become theirs. A condition that went through a projection may read
  // constants now: folded once more.
  for (auto* rule :
       {fold_constants, share_equal_nodes, simplify_outer_joins, max_joins_to_ranks,
        push_down_filters, order_joins, max_joins_to_ranks, refresh_changes, lift_filters,
        ranks_to_top_n, fold_constants, merge_projections, slice_windows, compare_canonical_keys}) {
    tidy(nodes);
    rule(nodes);
  }
  tidy(nodes);
}

void fold_constants(std::vector<logical_node>& nodes) {
  auto fold = [](expr::node_ptr& e) {
    if (e) e = expr::fold(e);
  };
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    auto& n = nodes[i];
    for (auto& c : n.columns) fold(c.value);
    for (auto& c : n.calls) {
      fold(c.argument);
      fold(c.filter);
    }
    fold(n.flat.argument);
    fold(n.predicate);
    const auto& p = n.predicate;
    if (!p || p->kind != expr::node_kind::literal || p->literal.null || p->literal.i == 0) continue;
    if (n.what == logical_node::kind::filter) redirect(nodes, {i, 0}, n.inputs[0]);
    if (n.what == logical_node::kind::join) n.predicate = nullptr;
  }
}

void merge_projections(std::vector<logical_node>& nodes) {
  using kind = logical_node::kind;
  auto consumers = count_consumers(nodes);
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
