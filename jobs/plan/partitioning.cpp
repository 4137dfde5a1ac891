// Exchanges that would send every row where it already is.
#include <algorithm>
#include <optional>

#include "jobs/plan/tree.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::planner {
namespace {

using columns = std::vector<uint32_t>;

/// By which columns of its output an operator's rows lie on its subtasks, in the order of the hash;
/// empty: nothing is known.
columns partition_of(const operator_node& n, const std::vector<const plan_edge*>& in,
                     const std::vector<columns>& of) {
  auto moved = [](const columns& from, auto place) {
    columns out;
    for (auto c : from) {
      const std::optional<uint32_t> to = place(c);
      if (!to) return columns{};
      out.push_back(*to);
    }
    return out;
  };
  auto input = [&](size_t i) -> columns {
    if (in[i]->exchange == exchange_kind::hash) return in[i]->keys;
    if (in[i]->exchange != exchange_kind::forward || in[i]->from_port) return {};
    return of[in[i]->from.value];
  };
  if (in.size() != 1 && !std::holds_alternative<join_spec>(n.spec)) return {};
  auto at = [](const columns& list, uint32_t c) -> std::optional<uint32_t> {
    auto it = std::find(list.begin(), list.end(), c);
    if (it == list.end()) return {};
    return static_cast<uint32_t>(it - list.begin());
  };
  if (const auto* a = std::get_if<aggregate_spec>(&n.spec))
    return moved(input(0), [&](uint32_t c) {
      auto place = at(a->keys, c);
      // Windows of slices have their start among the keys.
      const bool start = a->windows && a->stage != aggregate_spec::phase::partial;
      if (place && start && *place >= a->window_start_at) ++*place;
      return place;
    });
  if (const auto* p = std::get_if<project_spec>(&n.spec))
    return moved(input(0), [&](uint32_t c) -> std::optional<uint32_t> {
      for (uint32_t i = 0; i < p->columns.size(); ++i)
        if (p->columns[i]->kind == expr::node_kind::column && p->columns[i]->column == c) return i;
      return {};
    });
  if (const auto* j = std::get_if<join_spec>(&n.spec)) {
    // Rows of an outer join that lack a partner have NULL keys on the other side, elsewhere.
    if (j->kind == join_kind::right || j->kind == join_kind::full) return {};
    return moved(input(0), [&](uint32_t c) { return at(j->output, c); });
  }
  if (std::holds_alternative<filter_spec>(n.spec) ||
      std::holds_alternative<distinct_spec>(n.spec) ||
      std::holds_alternative<window_spec>(n.spec) || std::holds_alternative<top_n_spec>(n.spec) ||
      std::holds_alternative<over_spec>(n.spec))
    return input(0);  // whose columns come first
  return {};
}

}  // namespace

void drop_exchanges(physical_plan& plan) {
  std::vector<std::vector<const plan_edge*>> in(plan.operators.size());
  std::vector<uint32_t> readers(plan.operators.size());
  for (const auto& e : plan.edges) {
    in[e.to.value].push_back(&e);
    ++readers[e.from.value];
  }
  std::vector<columns> of(plan.operators.size());
  // Operators stand in topological order.
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    if (in[i].empty()) continue;
    for (auto& e : plan.edges) {
      // Only where both become one chain: rows in flight on a forward edge of its own would not
      // find their keys' subtask after a restart at another parallelism.
      if (e.to.value != i || e.exchange != exchange_kind::hash || in[i].size() != 1 ||
          readers[e.from.value] != 1 || e.from_port ||
          plan.parallelism_of(e.from) != plan.parallelism_of(e.to) || of[e.from.value] != e.keys)
        continue;
      e.exchange = exchange_kind::forward;
      e.keys.clear();
    }
    of[i] = partition_of(plan.operators[i], in[i], of);
  }
}

}  // namespace weir::planner
