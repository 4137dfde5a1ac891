// First rows are chosen twice: in front of the exchange of each batch, and behind it of all.
#include "runtime/operators/preselect.hpp"

#include "jobs/plan/tree.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::planner {
namespace {

/// The edge to a top_n that moves rows between tasks, if a preselection in front of it is of use.
plan_edge* edge_to_choose_at(physical_plan& plan, uint32_t i) {
  const auto* s = std::get_if<top_n_spec>(&plan.operators[i].spec);
  if (!s) return nullptr;
  plan_edge* edge = nullptr;
  for (auto& e : plan.edges)
    if (e.to.value == i) edge = &e;
  if (!edge || edge->exchange == exchange_kind::forward || edge->from_port != 0) return nullptr;
  // One chain with what is before it; rows that others read too would need a task of their own.
  for (const auto& e : plan.edges)
    if (&e != edge && e.from == edge->from) return nullptr;
  const auto& from = plan.operators[edge->from.value];
  return can_preselect(*s, *from.output) ? edge : nullptr;
}

/// Makes place in front of operator i.
void renumber(physical_plan& plan, uint32_t i) {
  auto move = [i](operator_index& o) {
    if (o.value >= i) o = operator_index(o.value + 1);
  };
  for (auto& e : plan.edges) {
    move(e.from);
    move(e.to);
  }
}

}  // namespace

void add_preselections(physical_plan& plan) {
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    auto* edge = edge_to_choose_at(plan, i);
    if (!edge) continue;
    const auto& behind = plan.operators[i];
    const auto& from = plan.operators[edge->from.value];
    operator_node n;
    n.id = behind.id + "/preselect";
    n.name = behind.name + "/preselect";
    auto spec = std::get<top_n_spec>(behind.spec);
    spec.preselect = true;
    spec.with_number = false;
    n.spec = std::move(spec);
    n.output = from.output;
    n.parallelism = from.parallelism;
    n.on_error = behind.on_error;
    renumber(plan, i);
    plan_edge to;
    to.from = edge->from;
    to.to = operator_index(i);
    to.exchange = exchange_kind::forward;
    edge->from = operator_index(i);
    plan.edges.push_back(std::move(to));
    plan.operators.insert(plan.operators.begin() + i, std::move(n));
    ++i;
  }
}

}  // namespace weir::planner
