// WHERE over a row's number in its partition: the first rows are kept, instead of numbering all.
#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

/// Whole numbers above `above` and up to `most`.
struct range {
  int64_t above = 0;
  int64_t most = INT64_MAX;
};

std::optional<rank_function> rank_of(over_function f) {
  switch (f) {
    case over_function::row_number:
      return rank_function::row_number;
    case over_function::rank:
      return rank_function::rank;
    case over_function::dense_rank:
      return rank_function::dense_rank;
    default:
      return {};
  }
}

/// Whether a condition is a comparison of column `number` with a constant; narrows the range to it.
bool narrows(const expr::node& c, uint32_t number, range& r) {
  if (c.kind != expr::node_kind::call || c.args.size() != 2) return false;
  auto f = c.function;
  const expr::node *left = c.args[0].get(), *right = c.args[1].get();
  if (left->kind == expr::node_kind::literal) {
    std::swap(left, right);
    if (f == "<" || f == "<=")
      f[0] = '>';
    else if (f == ">" || f == ">=")
      f[0] = '<';
  }
  if (left->kind != expr::node_kind::column || left->column != number ||
      right->kind != expr::node_kind::literal || right->literal.null ||
      (right->type.id != type_id::int64 && right->type.id != type_id::int32))
    return false;
  const int64_t v = right->literal.i;
  if (f == "<=" || f == "=") r.most = std::min(r.most, v);
  if (f == "<") r.most = std::min(r.most, v == INT64_MIN ? v : v - 1);
  if (f == ">" || f == "=")
    r.above = std::max(r.above, f == "=" ? (v == INT64_MIN ? v : v - 1) : v);
  if (f == ">=") r.above = std::max(r.above, v == INT64_MIN ? v : v - 1);
  return f == "<=" || f == "<" || f == "=" || f == ">" || f == ">=";
}

}  // namespace

void ranks_to_top_n(std::vector<logical_node>& nodes) {
  const auto consumers = count_consumers(nodes);
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    auto& filter = nodes[i];
    if (filter.what != kind::filter) continue;
    auto& n = nodes[filter.inputs[0].node];
    // Rows that leave once, in order of time, go on doing so.
    if (n.what != kind::over || n.over.calls.size() != 1 || n.over.by_time ||
        consumers[filter.inputs[0].node] != 1)
      continue;
    const auto function = rank_of(n.over.calls[0].function);
    const auto number = static_cast<uint32_t>(n.output->size() - 1);
    if (!function) continue;
    std::vector<expr::node_ptr> all, others;
    split_and(filter.predicate, all);
    range r;
    for (auto& c : all)
      if (!narrows(*c, number, r)) others.push_back(std::move(c));
    if (r.most == INT64_MAX) continue;
    top_n_def top;
    top.keys = std::move(n.over.keys);
    top.order = std::move(n.over.order);
    top.function = *function;
    top.offset = static_cast<uint64_t>(std::max<int64_t>(r.above, 0));
    top.limit = r.most <= r.above ? 0 : static_cast<uint64_t>(r.most) - top.offset;
    top.final_only = n.over.final_only;
    top.by_window = n.over.by_window;
    top.number_name = n.over.calls[0].name;
    n.what = kind::top_n;
    n.over = {};
    n.top = std::move(top);
    if (others.empty())
      redirect(nodes, {i, 0}, filter.inputs[0]);
    else
      filter.predicate = join_and(std::move(others));
  }
}

}  // namespace weir::planner
