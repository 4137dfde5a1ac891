// Whether rows are unique by some of their columns, read off the steps that make them.
#include <algorithm>
#include <set>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/unique_keys.hpp"
#include "runtime/connectors/source.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;
using columns = std::set<uint32_t>;

/// The column whose every value gives another value of the expression, if there is one.
std::optional<uint32_t> one_to_one(const expr::node_ptr& e) {
  if (const auto c = bare_column(e)) return c;
  if (e->kind != expr::node_kind::call || e->function != "cast" || e->args.size() != 1) return {};
  const auto from = e->args[0]->type.id, to = e->type.id;
  const bool whole = from == type_id::int32 || from == type_id::int64;
  const bool wider = (from == type_id::int32 && to == type_id::int64) ||
                     (whole && to == type_id::decimal) ||
                     (from == type_id::date && to == type_id::timestamp);
  const bool text = to == type_id::string && (whole || from == type_id::boolean ||
                                              from == type_id::date || from == type_id::timestamp);
  return wider || text ? one_to_one(e->args[0]) : std::nullopt;
}

class asker {
 public:
  explicit asker(const std::vector<logical_node>& nodes) : nodes_(nodes) {}

  bool unique(relation r, const columns& by) {
    // Each join asks its sides several times; beyond this nobody's plan is worth the answer.
    if (++asked_ > asked_max || r.port != 0) return false;
    const auto& n = nodes_[r.node];
    switch (n.what) {
      case kind::scan:
        return of_scan(n, by);
      case kind::filter: {
        auto all = by;
        add_equal(n.predicate, all);
        return unique(n.inputs[0], all);
      }
      case kind::project:
        return unique(n.inputs[0], below_project(n, by));
      case kind::aggregate:
        // A window's end says which window it is.
        for (uint32_t k = 0; k < n.columns.size(); ++k)
          if (!by.count(k) && !(k == n.window_start && n.window_end && by.count(*n.window_end)))
            return false;
        return true;
      case kind::distinct:
        if (by.size() == n.output->size()) return true;
        return unique(n.inputs[0], by);
      case kind::top_n:
        return of_top_n(n, by);
      case kind::over:
        return of_over(n, by);
      case kind::window: {
        const auto k = n.window.shape.kind;
        const bool once = k == window_kind::tumble || k == window_kind::session;
        return (once || by.count(*n.window_end)) && unique(n.inputs[0], below_size(n, by));
      }
      case kind::settle:
        return unique(n.inputs[0], by);
      case kind::join:
        return of_join(n, by);
      case kind::flat_map:
      case kind::unite:
      case kind::custom:
      case kind::repeat:
      case kind::sink:
        return false;
    }
    return false;
  }

  /// Whether what becomes of rows with equal values comes from one task, and so in order.
  bool ordered(relation r, const columns& by) const {
    const auto& n = nodes_[r.node];
    if (!n.emits_changes || r.port != 0) return !n.emits_changes;
    switch (n.what) {
      case kind::scan:
        return true;
      case kind::filter: {
        auto all = by;
        add_equal(n.predicate, all);
        return ordered(n.inputs[0], all);
      }
      case kind::project:
        return ordered(n.inputs[0], below_project(n, by));
      case kind::flat_map:
      case kind::window:
        return ordered(n.inputs[0], below_size(n, by));
      case kind::aggregate:
        for (uint32_t k = 0; k < n.columns.size(); ++k)
          if (!by.count(k)) return false;
        return true;
      case kind::distinct:
        return by.size() == n.output->size();
      case kind::top_n:
        return covers(by, n.top.keys);
      case kind::over:
        return covers(by, n.over.keys);
      case kind::join:
        return join_keys_in(n, by);
      case kind::settle:
      case kind::unite:
      case kind::custom:
      case kind::repeat:
      case kind::sink:
        return false;
    }
    return false;
  }

 private:
  static constexpr size_t asked_max = 10'000;

  /// Those that are columns of the input, which come first.
  columns below_size(const logical_node& n, const columns& by) const {
    const auto size = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    return {by.begin(), by.lower_bound(size)};
  }
  static columns below_project(const logical_node& n, const columns& by) {
    columns below;
    for (auto c : by)
      if (const auto from = one_to_one(n.columns[c].value)) below.insert(*from);
    return below;
  }
  /// Whether the columns say to which task a join's row belongs. What an outer join fills with NULL
  /// says nothing.
  bool join_keys_in(const logical_node& n, const columns& by) const {
    const auto k = n.join;
    const auto lefts = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    for (const auto& key : analyze_join(nodes_, n).keys) {
      const auto l = bare_column(key.left), r = bare_column(key.right);
      const bool left = l && by.count(*l), right = r && !one_sided(k) && by.count(lefts + *r);
      const bool said = k == join_kind::inner   ? left || right
                        : k == join_kind::right ? right
                        : k == join_kind::full  ? left && right
                                                : left;
      if (!said) return false;
    }
    return true;
  }
  static bool covers(const columns& by, const std::vector<uint32_t>& keys) {
    return std::all_of(keys.begin(), keys.end(), [&by](uint32_t k) { return by.count(k) != 0; });
  }

  static bool of_scan(const logical_node& n, const columns& by) {
    if (n.table.options.at("connector") == "sequence") return by.count(0) != 0;
    if (n.table.primary_key.empty()) return false;  // else it is a promise
    return std::all_of(n.table.primary_key.begin(), n.table.primary_key.end(),
                       [&](const std::string& k) {
                         const auto c = n.output->find(k);
                         return c && by.count(*c);
                       });
  }

  /// Columns that are equal to constants, or to those that are there.
  static void add_equal(const expr::node_ptr& predicate, columns& by) {
    std::vector<expr::node_ptr> all;
    split_and(predicate, all);
    for (bool more = true; more;) {
      more = false;
      for (const auto& e : all) {
        if (e->kind != expr::node_kind::call || e->function != "=" || e->args.size() != 2) continue;
        for (size_t side : {0, 1}) {
          const auto c = bare_column(e->args[side]), other = bare_column(e->args[1 - side]);
          const bool known = e->args[1 - side]->kind == expr::node_kind::literal ||
                             (other && by.count(*other) != 0);
          if (c && known) more |= by.insert(*c).second;
        }
      }
    }
  }

  bool of_top_n(const logical_node& n, const columns& by) {
    const auto& t = n.top;
    const bool numbers = t.function == rank_function::row_number && !t.with_ties;
    const auto number = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    if (numbers && covers(by, t.keys) &&
        (t.limit == 1 || (!t.number_name.empty() && by.count(number))))
      return true;
    return unique(n.inputs[0], below_size(n, by));
  }

  bool of_over(const logical_node& n, const columns& by) {
    const auto inputs = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    for (uint32_t c = 0; c < n.over.calls.size(); ++c)
      if (n.over.calls[c].function == over_function::row_number && by.count(inputs + c) &&
          covers(by, n.over.keys))
        return true;
    return unique(n.inputs[0], below_size(n, by));
  }

  bool of_join(const logical_node& n, const columns& by) {
    const auto k = n.join;
    const auto lefts = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    columns of_left, of_right;
    for (auto c : by) c < lefts ? of_left.insert(c) : of_right.insert(c - lefts);
    if (one_sided(k) || is_as_of(k)) return unique(n.inputs[0], of_left);
    columns left_keys, right_keys;
    for (const auto& key : analyze_join(nodes_, n).keys) {
      const auto l = bare_column(key.left), r = bare_column(key.right);
      if (l) left_keys.insert(*l);
      if (r) right_keys.insert(*r);
      if (k != join_kind::inner || !l || !r) continue;
      // Whatever tells rows by one of them tells them by the other.
      if (of_left.count(*l)) of_right.insert(*r);
      if (of_right.count(*r)) of_left.insert(*l);
    }
    auto with = [](columns a, const columns& b) {
      a.insert(b.begin(), b.end());
      return a;
    };
    const bool left = unique(n.inputs[0], of_left), right = unique(n.inputs[1], of_right);
    // Of a full join a row of the left side without a partner may look like one of the right side,
    // all NULL, unless one of them cannot have NULL there.
    if (left && right)
      return k != join_kind::full || has_value(n.inputs[0], of_left) ||
             has_value(n.inputs[1], of_right);
    // A row of one side is told, and its partners by what they have in common with it besides.
    if (left && (k == join_kind::inner || k == join_kind::left))
      return unique(n.inputs[1], with(of_right, right_keys));
    if (right && (k == join_kind::inner || k == join_kind::right))
      return unique(n.inputs[0], with(of_left, left_keys));
    return false;
  }

  /// Whether one of the columns is never NULL.
  bool has_value(relation r, const columns& by) const {
    const auto& n = nodes_[r.node];
    if (r.port != 0) return false;
    switch (n.what) {
      case kind::scan:
        return std::any_of(n.table.primary_key.begin(), n.table.primary_key.end(),
                           [&](const std::string& k) {
                             const auto c = n.output->find(k);
                             return c && by.count(*c);
                           });
      case kind::filter:
      case kind::settle:
      case kind::distinct:
        return has_value(n.inputs[0], by);
      case kind::project:
        return has_value(n.inputs[0], below_project(n, by));
      case kind::aggregate: {
        columns below;
        for (auto c : by)
          if (c < n.columns.size())
            if (const auto from = one_to_one(n.columns[c].value)) below.insert(*from);
        return has_value(n.inputs[0], below);
      }
      default:
        return false;
    }
  }

  const std::vector<logical_node>& nodes_;
  size_t asked_ = 0;
};

}  // namespace

bool unique_by(const std::vector<logical_node>& nodes, relation r,
               const std::vector<uint32_t>& by) {
  return asker(nodes).unique(r, columns(by.begin(), by.end()));
}

bool plan_builder::unique_by(relation r, const std::vector<uint32_t>& columns) const {
  return planner::unique_by(nodes_, r, columns);
}

bool in_order_by(const std::vector<logical_node>& nodes, relation r,
                 const std::vector<uint32_t>& by) {
  return asker(nodes).ordered(r, columns(by.begin(), by.end()));
}

bool leaves_at_once(const std::vector<logical_node>& nodes, relation r) {
  const auto& n = nodes[r.node];
  switch (n.what) {
    case kind::settle:
      return true;
    case kind::aggregate:
    case kind::top_n:
    case kind::over:
      return n.final_only && !n.window_end && !n.over.by_time;
    case kind::filter:
    case kind::project:
    case kind::flat_map:
    case kind::unite:
    case kind::repeat:
    case kind::distinct:
      return std::any_of(n.inputs.begin(), n.inputs.end(),
                         [&nodes](relation in) { return leaves_at_once(nodes, in); });
    default:
      return false;
  }
}

}  // namespace weir::planner
