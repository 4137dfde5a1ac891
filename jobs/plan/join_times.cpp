#include "jobs/plan/join_times.hpp"

#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/key_ends.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

/// Whether rows may be wrong by a condition, which is then asked of no others.
bool has_check(const expr::node& n) {
  return n.function == expr::check_function ||
         std::any_of(n.args.begin(), n.args.end(), [](const auto& a) { return has_check(*a); });
}

/// The inner join `r` with these conditions on it, and below it those that its left side's joins
/// decide. Nothing: that makes no event time or window.
std::optional<relation> with_conditions(std::vector<logical_node>& nodes, relation r,
                                        const std::vector<expr::node_ptr>& conditions,
                                        plan_builder& builder) {
  if (r.port != 0 || nodes[r.node].what != kind::join || nodes[r.node].join != join_kind::inner)
    return {};
  auto n = nodes[r.node];
  const auto lefts = static_cast<uint32_t>(nodes[n.inputs[0].node].output->size());
  std::vector<expr::node_ptr> all, below;
  if (n.predicate) split_and(n.predicate, all);
  for (const auto& c : conditions) {
    const auto read = expr::columns_of(*c);
    (!read.empty() && read.back() < lefts ? below : all).push_back(c);
  }
  if (const auto left = with_conditions(nodes, n.inputs[0], below, builder))
    n.inputs[0] = *left;
  else
    all.insert(all.end(), below.begin(), below.end());
  n.predicate = join_and(std::move(all));
  if (!timed_rows(nodes, n) && !analyze_join(nodes, n).windowed) return {};
  // Others may read the join without the conditions.
  const auto id = n.step.id + "/timed";
  n.step.id = id;
  auto is_taken = [&n](const logical_node& other) { return other.step.id == n.step.id; };
  for (uint32_t k = 2; std::any_of(nodes.begin(), nodes.end(), is_taken); ++k)
    n.step.id = id + '-' + std::to_string(k);
  auto made = builder.join(n.inputs[0], n.inputs[1], join_kind::inner, n.predicate, n.step);
  if (!made) return {};
  return *made;
}

/// The column of a step further up that a column is, through filters and projections.
std::pair<uint32_t, uint32_t> origin_of(const std::vector<logical_node>& nodes, relation r,
                                        uint32_t column) {
  while (r.port == 0) {
    const auto& n = nodes[r.node];
    if (n.what == kind::project) {
      const auto from = bare_column(n.columns[column].value);
      if (!from) break;
      column = *from;
    } else if (n.what != kind::filter) {
      break;
    }
    r = n.inputs[0];
  }
  return {r.node, column};
}

}  // namespace

std::optional<relation> timed_join(std::vector<logical_node>& nodes, relation r,
                                   const expr::node_ptr& condition, plan_builder& builder) {
  if (has_check(*condition)) return {};
  std::vector<expr::node_ptr> all;
  split_and(condition, all);
  return with_conditions(nodes, r, all, builder);
}

std::optional<uint32_t> coalesced_time(const std::vector<logical_node>& nodes, relation in,
                                       const std::vector<named_expr>& columns) {
  for (uint32_t c = 0; c < columns.size(); ++c) {
    const auto& e = *columns[c].value;
    if (e.kind != expr::node_kind::call || e.function != "coalesce" || e.args.size() != 2) continue;
    const auto a = bare_column(e.args[0]), b = bare_column(e.args[1]);
    if (!a || !b) continue;
    const auto first = origin_of(nodes, in, *a), second = origin_of(nodes, in, *b);
    const auto& n = nodes[first.first];
    if (first.first != second.first || n.what != kind::join || n.join != join_kind::full) continue;
    const auto times = times_of_sides(nodes, n);
    if (times && (*times == std::pair(first.second, second.second) ||
                  *times == std::pair(second.second, first.second)))
      return c;
  }
  return {};
}

}  // namespace weir::planner
