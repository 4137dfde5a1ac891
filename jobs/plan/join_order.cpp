// The order of inner joins: where one has no equal columns although its tables are connected by
// those of others (FROM a, b, c WHERE a.x = c.x AND b.y = c.y), the tables are joined in an order
// in which neighbours have keys, and what nothing connects comes last. Other orders stay as they
// were written.
#include <algorithm>
#include <set>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

/// Inner joins below each other, as one: tables in order, their columns side by side.
struct join_tree {
  struct leaf {
    relation from;
    uint32_t begin = 0, size = 0;  // of its columns
  };
  std::vector<leaf> leaves;
  std::vector<expr::node_ptr> conditions;  // over all columns
  std::vector<uint32_t> joins;             // nodes, those below first
};

class orderer {
 public:
  explicit orderer(std::vector<logical_node>& nodes)
      : nodes_(nodes), consumers_(count_consumers(nodes)) {}

  void run() {
    const auto n = nodes_.size();
    std::vector<bool> inside(n);
    for (uint32_t i = 0; i < n; ++i)
      if (is_inner(i))
        for (auto r : nodes_[i].inputs)
          if (joins_into(r)) inside[r.node] = true;
    for (uint32_t i = 0; i < n; ++i) {
      if (!is_inner(i) || inside[i]) continue;
      join_tree t;
      collect({i, 0}, 0, t);
      if (t.leaves.size() > 2) reorder(i, t);
    }
  }

 private:
  bool is_inner(uint32_t i) const {
    const auto& n = nodes_[i];
    // Windows' bounds and event times name columns of the join that has them.
    return n.what == kind::join && n.join == join_kind::inner && !n.window_end &&
           !n.output->event_time && !looks_up(nodes_, n);
  }
  bool joins_into(relation r) const {
    return is_inner(r.node) && consumers_[r.node] == 1 && !nodes_[r.node].step.parallelism;
  }

  void collect(relation r, uint32_t begin, join_tree& t) {
    auto& n = nodes_[r.node];
    uint32_t at = begin;
    for (auto in : n.inputs) {
      const auto size = static_cast<uint32_t>(output_of(nodes_, in)->size());
      if (joins_into(in))
        collect(in, at, t);
      else
        t.leaves.push_back({in, at, size});
      at += size;
    }
    if (n.predicate) {
      std::vector<expr::node_ptr> all;
      split_and(n.predicate, all);
      for (const auto& c : all) t.conditions.push_back(shifted(c, begin));
    }
    t.joins.push_back(r.node);
  }

  static expr::node_ptr shifted(const expr::node_ptr& e, uint32_t by) {
    const auto read = expr::columns_of(*e);
    if (read.empty()) return e;
    std::vector<uint32_t> map(read.back() + 1);
    for (uint32_t c = 0; c < map.size(); ++c) map[c] = c + by;
    return expr::remap_columns(e, map);
  }

  /// By join, those below first: whether it has no keys.
  std::vector<bool> without_keys(const join_tree& t) const {
    std::vector<bool> out;
    for (auto j : t.joins) out.push_back(analyze_join(nodes_, nodes_[j]).keys.empty());
    return out;
  }
  /// Fewer joins without keys, or later ones.
  static bool better(const std::vector<bool>& a, const std::vector<bool>& b) {
    const auto m = std::count(a.begin(), a.end(), true), n = std::count(b.begin(), b.end(), true);
    return m != n ? m < n : a < b;
  }

  /// Whether the condition is an equality between columns of joined tables and those of one more.
  static bool connects(const expr::node_ptr& e, const std::set<uint32_t>& joined,
                       const join_tree::leaf& next) {
    auto equal = e;
    if (equal->function == "not" && equal->args.size() == 1 &&
        equal->args[0]->function == "is distinct")
      equal = equal->args[0];
    else if (equal->function != "=")
      return false;
    if (equal->kind != expr::node_kind::call || equal->args.size() != 2 ||
        !(equal->args[0]->type == equal->args[1]->type) || equal->args[0]->type.id == type_id::json)
      return false;
    auto in_next = [&next](uint32_t c) { return c >= next.begin && c < next.begin + next.size; };
    for (size_t side : {0, 1}) {
      const auto a = expr::columns_of(*equal->args[side]);
      const auto b = expr::columns_of(*equal->args[1 - side]);
      if (!a.empty() && !b.empty() && std::all_of(b.begin(), b.end(), in_next) &&
          std::all_of(a.begin(), a.end(), [&joined](uint32_t c) { return joined.count(c); }))
        return true;
    }
    return false;
  }

  /// The leaves in an order in which each has keys with those before it, as far as there is one; by
  /// join, whether it has none.
  static std::pair<std::vector<size_t>, std::vector<bool>> order_of(const join_tree& t) {
    std::vector<size_t> order{0};
    std::vector<bool> taken(t.leaves.size());
    std::set<uint32_t> joined;
    auto take = [&](size_t i) {
      taken[i] = true;
      for (uint32_t c = 0; c < t.leaves[i].size; ++c) joined.insert(t.leaves[i].begin + c);
    };
    take(0);
    std::vector<bool> crossed;
    while (order.size() < t.leaves.size()) {
      size_t next = t.leaves.size(), first = next;
      for (size_t i = t.leaves.size(); i-- > 0;) {
        if (taken[i]) continue;
        first = i;
        if (std::any_of(t.conditions.begin(), t.conditions.end(),
                        [&](const expr::node_ptr& c) { return connects(c, joined, t.leaves[i]); }))
          next = i;
      }
      crossed.push_back(next == t.leaves.size());
      order.push_back(next == t.leaves.size() ? first : next);
      take(order.back());
    }
    return {order, crossed};
  }

  /// Joins one table after the other in the new order. The joins keep their places in the list and
  /// their ids; behind the last one stands a projection to the columns as they were.
  void reorder(uint32_t top, const join_tree& t) {
    const auto [order, crossed] = order_of(t);
    if (!better(crossed, without_keys(t))) return;
    const auto was = nodes_[top].output;
    std::vector<uint32_t> place(was->size());  // of each column in the new order
    auto conditions = t.conditions;
    auto type = std::make_shared<schema>();
    auto append = [&](const join_tree::leaf& l) {
      for (uint32_t c = 0; c < l.size; ++c) {
        place[l.begin + c] = static_cast<uint32_t>(type->size());
        type->fields.push_back(was->fields[l.begin + c]);
      }
    };
    std::set<uint32_t> there;
    auto reach = [&there](const join_tree::leaf& l) {
      for (uint32_t c = 0; c < l.size; ++c) there.insert(l.begin + c);
    };
    append(t.leaves[order[0]]);
    reach(t.leaves[order[0]]);
    relation left = t.leaves[order[0]].from;
    for (size_t k = 1; k < order.size(); ++k) {
      const auto& next = t.leaves[order[k]];
      append(next);
      reach(next);
      auto& n = nodes_[t.joins[k - 1]];
      n.inputs = {left, next.from};
      n.output = std::make_shared<schema>(*type);
      std::vector<expr::node_ptr> mine;
      std::erase_if(conditions, [&](const expr::node_ptr& c) {
        const auto read = expr::columns_of(*c);
        const bool here =
            std::all_of(read.begin(), read.end(), [&there](uint32_t r) { return there.count(r); });
        if (here) mine.push_back(expr::remap_columns(c, place));
        return here;
      });
      n.predicate = join_and(std::move(mine));
      left = {t.joins[k - 1], 0};
    }
    put_back(top, was, place);
  }

  void put_back(uint32_t top, const schema_ptr& was, const std::vector<uint32_t>& place) {
    logical_node p;
    p.what = kind::project;
    p.step.id = nodes_[top].step.id + "/order";
    p.output = was;
    p.parallelism = nodes_[top].parallelism;
    for (uint32_t c = 0; c < was->size(); ++c)
      p.columns.push_back({was->fields[c].name, column_ref(*nodes_[top].output, place[c])});
    const auto at = static_cast<uint32_t>(nodes_.size());
    redirect(nodes_, {top, 0}, {at, 0});
    p.inputs = {{top, 0}};
    nodes_.push_back(std::move(p));
    consumers_.push_back(0);
  }

  std::vector<logical_node>& nodes_;
  std::vector<uint32_t> consumers_;
};

}  // namespace

void order_joins(std::vector<logical_node>& nodes) {
  orderer(nodes).run();
}

}  // namespace weir::planner
