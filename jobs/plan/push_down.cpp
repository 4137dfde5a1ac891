// Filters towards the sources.
#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;
using conditions = std::vector<expr::node_ptr>;

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
      // Windows that are made of slices are not there below.
      if (n.window.shape.kind != window_kind::tumble)
        for (auto c : columns)
          if (c == n.window_start || c == n.window_end) return false;
      out = substitute(condition, n.columns);
      return true;
    case kind::flat_map:
      return below(n.output->size() - 1);
    case kind::window: {
      if (!below(n.output->size() - 2)) return false;
      if (n.window.shape.kind != window_kind::session) return true;
      // Rows that are gone before would let sessions end sooner: whole keys go or stay.
      const auto& keys = n.window.keys;
      return keys && std::all_of(columns.begin(), columns.end(), [&keys](uint32_t c) {
               return std::find(keys->begin(), keys->end(), c) != keys->end();
             });
    }
    case kind::unite:
    case kind::distinct:
    case kind::settle:
      return true;
    case kind::top_n:
    case kind::over: {
      // Whole partitions go or stay.
      const auto& keys = n.what == kind::over ? n.over.keys : n.top.keys;
      return !keys.empty() && std::all_of(columns.begin(), columns.end(), [&keys](uint32_t c) {
        return std::find(keys.begin(), keys.end(), c) != keys.end();
      });
    }
    case kind::repeat: {
      std::vector<uint32_t> map(n.output->size());
      for (uint32_t c = 0; c < map.size(); ++c) map[c] = c + (c >= n.count_column);
      out = expr::remap_columns(condition, map);
      return true;
    }
    case kind::join:  // see pusher::move_into_join
    case kind::scan:
    case kind::filter:
    case kind::custom:
    case kind::sink:
      return false;
  }
  return false;
}

/// Whether rows may be wrong by the condition: it is asked where it stands, and of no other rows.
bool checks(const expr::node& n) {
  return n.function == expr::check_function ||
         std::any_of(n.args.begin(), n.args.end(),
                     [](const expr::node_ptr& a) { return checks(*a); });
}

class pusher {
 public:
  explicit pusher(std::vector<logical_node>& nodes) : nodes_(nodes) {}

  void run() {
    // Every step moves a filter by one node towards the sources or removes one: an end is sure.
    for (uint32_t f = 0; f < nodes_.size(); ++f) {
      if (nodes_[f].what == kind::join) sift(f);
      push(f);
    }
  }

 private:
  void push(uint32_t f) {
    while (nodes_[f].what == kind::filter && !nodes_[f].inputs.empty()) {
      const auto in = nodes_[f].inputs[0];
      const auto consumers = count_consumers(nodes_);
      // A step with a parallelism of its own stays where it was put. Others that read the same
      // rows need all of them.
      if (nodes_[f].step.parallelism || consumers[f] == 0 || consumers[in.node] != 1 ||
          in.port != 0 || checks(*nodes_[f].predicate))
        return;
      if (nodes_[in.node].what == kind::filter) {
        merge(f, in.node);
        continue;
      }
      if (nodes_[in.node].what == kind::join ? !move_into_join(f, in.node) : !move(f, in.node))
        return;
    }
  }

  /// Moves what can be moved of filter f, behind join j, into the join's condition or below it.
  bool move_into_join(uint32_t f, uint32_t j) {
    const auto lefts = output_of(nodes_, nodes_[j].inputs[0])->size();
    const auto k = nodes_[j].join;
    conditions all, into, staying, left, right;
    split_and(nodes_[f].predicate, all);
    for (const auto& c : all) {
      const auto columns = expr::columns_of(*c);
      const bool reads_left = !columns.empty() && columns.front() < lefts;
      const bool reads_right = !columns.empty() && columns.back() >= lefts;
      if (k == join_kind::inner)
        into.push_back(c);
      else if (!reads_right && k != join_kind::right && k != join_kind::full)
        left.push_back(c);
      else if (!reads_left && k == join_kind::right)
        right.push_back(of_right(c, lefts));
      else
        staying.push_back(c);
    }
    if (staying.size() == all.size()) return false;
    if (!into.empty()) {
      conditions joined;
      if (nodes_[j].predicate) split_and(nodes_[j].predicate, joined);
      joined.insert(joined.end(), into.begin(), into.end());
      nodes_[j].predicate = join_and(std::move(joined));
      sift(j);
    }
    const auto id = nodes_[f].step.id + (staying.empty() ? "" : "/pushed");
    if (!left.empty()) insert_filter(j, 0, id, join_and(std::move(left)));
    if (!right.empty()) insert_filter(j, 1, id, join_and(std::move(right)));
    if (staying.empty()) {
      redirect(nodes_, {f, 0}, {j, 0});
      nodes_[f].inputs.clear();
      return true;
    }
    nodes_[f].predicate = join_and(std::move(staying));
    return false;
  }

  /// Parts of a join's condition that read one side only go to that side, where rows that fail them
  /// have no other part in the result.
  void sift(uint32_t j) {
    const auto k = nodes_[j].join;
    if (!nodes_[j].predicate || nodes_[j].inputs.empty()) return;
    const auto lefts = output_of(nodes_, nodes_[j].inputs[0])->size();
    conditions all, staying, left, right;
    split_and(nodes_[j].predicate, all);
    for (const auto& c : all) {
      const auto columns = expr::columns_of(*c);
      const bool reads_left = !columns.empty() && columns.front() < lefts;
      const bool reads_right = !columns.empty() && columns.back() >= lefts;
      const bool from_left = k == join_kind::inner || k == join_kind::right || k == join_kind::semi;
      const bool from_right = k != join_kind::right && k != join_kind::full && !is_as_of(k);
      if (reads_left && !reads_right && from_left)
        left.push_back(c);
      else if (reads_right && !reads_left && from_right)
        right.push_back(of_right(c, lefts));
      else
        staying.push_back(c);
    }
    if (staying.size() == all.size()) return;
    nodes_[j].predicate = join_and(std::move(staying));
    if (!left.empty())
      insert_filter(j, 0, fresh_id(nodes_[j].step.id + "/left-where"), join_and(std::move(left)));
    if (!right.empty())
      insert_filter(j, 1, fresh_id(nodes_[j].step.id + "/right-where"), join_and(std::move(right)));
  }

  std::string fresh_id(const std::string& wanted) const {
    auto id = wanted;
    for (int i = 2; std::any_of(nodes_.begin(), nodes_.end(),
                                [&id](const logical_node& n) { return n.step.id == id; });
         ++i)
      id = wanted + '-' + std::to_string(i);
    return id;
  }

  /// A filter on input `port` of node n.
  void insert_filter(uint32_t n, size_t port, std::string id, expr::node_ptr condition) {
    logical_node g;
    const auto from = nodes_[n].inputs[port];
    const auto& x = nodes_[from.node];
    g.what = kind::filter;
    g.step.id = std::move(id);
    g.inputs = {from};
    g.output = output_of(nodes_, from);
    g.emits_changes = x.emits_changes;
    g.window_start = x.window_start;
    g.window_end = x.window_end;
    g.parallelism = x.parallelism;
    g.predicate = std::move(condition);
    nodes_.push_back(std::move(g));
    nodes_[n].inputs[port] = {static_cast<uint32_t>(nodes_.size() - 1), 0};
  }

  void merge(uint32_t outer, uint32_t inner) {
    conditions all;
    split_and(nodes_[inner].predicate, all);  // first: it may guard the other
    split_and(nodes_[outer].predicate, all);
    nodes_[outer].predicate = join_and(std::move(all));
    nodes_[outer].inputs = nodes_[inner].inputs;
    nodes_[inner].inputs.clear();  // without readers: tidy() takes it away
  }

  /// Moves what can be moved of filter f below node n, its input. False: nothing.
  bool move(uint32_t f, uint32_t n) {
    conditions all, moving, staying;
    split_and(nodes_[f].predicate, all);
    for (const auto& c : all) {
      expr::node_ptr below;
      if (moves_through(nodes_[n], c, below))
        moving.push_back(std::move(below));
      else
        staying.push_back(c);
    }
    if (moving.empty()) return false;
    const auto condition = join_and(std::move(moving));
    const auto inputs = nodes_[n].inputs.size();
    for (size_t k = 0; k < inputs; ++k) {
      auto id = nodes_[f].step.id;
      if (!staying.empty()) id += "/pushed";
      if (inputs > 1) id += '/' + std::to_string(k + 1);
      insert_filter(n, k, std::move(id), condition);
    }
    if (staying.empty()) {
      redirect(nodes_, {f, 0}, {n, 0});
      nodes_[f].inputs.clear();
      return true;
    }
    nodes_[f].predicate = join_and(std::move(staying));
    return false;
  }

  std::vector<logical_node>& nodes_;
};

}  // namespace

void push_down_filters(std::vector<logical_node>& nodes) {
  pusher(nodes).run();
}

}  // namespace weir::planner
