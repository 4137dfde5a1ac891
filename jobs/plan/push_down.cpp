// Filters towards the sources.
#include <algorithm>

#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;
using conditions = std::vector<expr::node_ptr>;

void split(const expr::node_ptr& p, conditions& out) {
  if (p->kind == expr::node_kind::call && p->function == "and")
    for (const auto& a : p->args) split(a, out);
  else
    out.push_back(p);
}

expr::node_ptr all_of(conditions c) {
  if (c.size() == 1) return c[0];
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::call;
  n->type = type_id::boolean;
  n->function = "and";
  n->args = std::move(c);
  return n;
}

/// Whether a condition over a node's output can be asked of its inputs' rows instead; `out`: as
/// they must ask it.
bool moves_through(const logical_node& n, const expr::node_ptr& condition, expr::node_ptr& out) {
  const auto columns = expr::columns_of(*condition);
  auto below = [&columns](size_t limit) {
    return std::all_of(columns.begin(), columns.end(), [limit](uint32_t c) { return c < limit; });
  };
  out = condition;
  switch (n.what) {
    case kind::project:
      // What is computed would be computed twice.
      for (auto c : columns)
        if (n.columns[c].value->kind == expr::node_kind::call) return false;
      out = substitute(condition, n.columns);
      return true;
    case kind::aggregate:
      // Whole groups go or stay. A group without keys is there even without rows.
      if (n.columns.empty() || !below(n.columns.size())) return false;
      out = substitute(condition, n.columns);
      return true;
    case kind::flat_map:
      return below(n.output->size() - 1);
    case kind::tumble:
      return below(n.output->size() - 2);
    case kind::unite:
    case kind::distinct:
      return true;
    case kind::scan:
    case kind::filter:
    case kind::custom:
    case kind::sink:
      return false;
  }
  return false;
}

class pusher {
 public:
  explicit pusher(std::vector<logical_node>& nodes) : nodes_(nodes) {}

  void run() {
    // Every step moves a filter by one node towards the sources or removes one: an end is sure.
    for (uint32_t f = 0; f < nodes_.size(); ++f) push(f);
  }

 private:
  void push(uint32_t f) {
    while (nodes_[f].what == kind::filter && !nodes_[f].inputs.empty()) {
      const auto in = nodes_[f].inputs[0];
      const auto consumers = count_consumers(nodes_);
      // A step with a parallelism of its own stays where it was put. Others that read the same
      // rows need all of them.
      if (nodes_[f].step.parallelism || consumers[f] == 0 || consumers[in.node] != 1 ||
          in.port != 0)
        return;
      if (nodes_[in.node].what == kind::filter) {
        merge(f, in.node);
        continue;
      }
      if (!move(f, in.node)) return;
    }
  }

  void merge(uint32_t outer, uint32_t inner) {
    conditions all;
    split(nodes_[inner].predicate, all);  // first: it may guard the other
    split(nodes_[outer].predicate, all);
    nodes_[outer].predicate = all_of(std::move(all));
    nodes_[outer].inputs = nodes_[inner].inputs;
    nodes_[inner].inputs.clear();  // without readers: tidy() takes it away
  }

  /// Moves what can be moved of filter f below node n, its input. False: nothing.
  bool move(uint32_t f, uint32_t n) {
    conditions all, moving, staying;
    split(nodes_[f].predicate, all);
    for (const auto& c : all) {
      expr::node_ptr below;
      if (moves_through(nodes_[n], c, below))
        moving.push_back(std::move(below));
      else
        staying.push_back(c);
    }
    if (moving.empty()) return false;
    const auto condition = all_of(std::move(moving));
    const auto inputs = nodes_[n].inputs.size();
    for (size_t k = 0; k < inputs; ++k) {
      logical_node g;
      const auto from = nodes_[n].inputs[k];
      const auto& x = nodes_[from.node];
      g.what = kind::filter;
      g.step.id = nodes_[f].step.id;
      if (!staying.empty()) g.step.id += "/pushed";
      if (inputs > 1) g.step.id += '/' + std::to_string(k + 1);
      g.inputs = {from};
      g.output = from.port == 0 ? x.output : x.info.side_outputs[from.port - 1U].second;
      g.emits_changes = x.emits_changes;
      g.window_start = x.window_start;
      g.window_end = x.window_end;
      g.parallelism = x.parallelism;
      g.predicate = condition;
      nodes_.push_back(std::move(g));
      nodes_[n].inputs[k] = {static_cast<uint32_t>(nodes_.size() - 1), 0};
    }
    if (staying.empty()) {
      redirect(nodes_, {f, 0}, {n, 0});
      nodes_[f].inputs.clear();
      return true;
    }
    nodes_[f].predicate = all_of(std::move(staying));
    return false;
  }

  std::vector<logical_node>& nodes_;
};

}  // namespace

void push_down_filters(std::vector<logical_node>& nodes) {
  pusher(nodes).run();
}

}  // namespace weir::planner
