// Outer joins whose rows without a partner nothing lets through are inner ones: their rows are
// final as they come, and filters go to both sides.
#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;
/// Conditions that all rows of a node meet which anything comes of. Columns from `elsewhere` on are
/// those of other nodes.
using conditions = std::vector<expr::node_ptr>;
constexpr uint32_t elsewhere = 1U << 30;

template <class F>
expr::node_ptr with_columns(const expr::node_ptr& n, F place) {
  if (n->kind == expr::node_kind::column) return place(n);
  if (n->args.empty()) return n;
  auto copy = std::make_shared<expr::node>(*n);
  for (auto& a : copy->args) a = with_columns(a, place);
  return copy;
}

expr::node_ptr moved_to(const expr::node_ptr& column, uint32_t to) {
  auto copy = std::make_shared<expr::node>(*column);
  copy->column = to;
  return copy;
}

/// Whether the condition is true of no row whose columns [begin, end) are all NULL.
bool rejects_nulls(const expr::node_ptr& condition, uint32_t begin, uint32_t end) {
  const auto all_null = expr::fold(with_columns(condition, [&](const expr::node_ptr& c) {
    if (c->column < begin || c->column >= end) return c;
    auto null = std::make_shared<expr::node>();
    null->kind = expr::node_kind::literal;
    null->type = c->type;
    null->literal = scalar::of_null(c->type);
    return expr::node_ptr(std::move(null));
  }));
  return all_null->kind == expr::node_kind::literal &&
         (all_null->literal.null || all_null->literal.i == 0);
}

class simplifier {
 public:
  explicit simplifier(std::vector<logical_node>& nodes)
      : nodes_(nodes), consumers_(count_consumers(nodes)), outer_(nodes.size()) {
    for (uint32_t i = 0; i < nodes.size(); ++i) {  // inputs stand before their readers
      const auto& n = nodes[i];
      const auto k = n.join;
      outer_[i] = (n.what == kind::join &&
                   (k == join_kind::left || k == join_kind::right || k == join_kind::full)) ||
                  std::any_of(n.inputs.begin(), n.inputs.end(),
                              [this](relation r) { return outer_[r.node]; });
    }
  }

  void run() {
    for (uint32_t i = 0; i < nodes_.size(); ++i)
      if (consumers_[i] != 1 && outer_[i]) visit_inputs(i, {});
  }

 private:
  /// Conditions of the one reader, over the columns of `r`.
  void visit(relation r, const conditions& all) {
    // Other readers want all rows; that node is visited by itself.
    if (consumers_[r.node] == 1 && outer_[r.node])
      visit_inputs(r.node, r.port == 0 ? all : conditions{});
  }

  void visit_inputs(uint32_t i, const conditions& given) {
    auto& n = nodes_[i];
    conditions all = given;
    switch (n.what) {
      case kind::filter:
        split_and(n.predicate, all);
        [[fallthrough]];
      case kind::distinct:
      case kind::unite:
        for (auto r : n.inputs) visit(r, all);
        return;
      case kind::project:
        for (auto& c : all)
          c = with_columns(c, [&n](const expr::node_ptr& column) {
            return column->column < elsewhere ? n.columns[column->column].value : column;
          });
        visit(n.inputs[0], all);
        return;
      case kind::join:
        visit_join(n, all);
        return;
      default:
        for (auto r : n.inputs) visit(r, {});
    }
  }

  void visit_join(logical_node& n, const conditions& given) {
    const auto lefts = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    const auto rights = static_cast<uint32_t>(output_of(nodes_, n.inputs[1])->size());
    strengthen(n, given, lefts, lefts + rights);
    conditions on;
    if (n.predicate) split_and(n.predicate, on);
    const auto k = n.join;
    // Rows of a side that an outer join keeps meet what is asked above it; those of the other side,
    // where anything is to come of them, its condition.
    conditions left, right;
    auto add = [](conditions& to, const conditions& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    if (k != join_kind::right && k != join_kind::full) add(left, given);
    if (k == join_kind::inner || k == join_kind::right || k == join_kind::semi) add(left, on);
    if (k == join_kind::inner || k == join_kind::right) add(right, given);
    if (k != join_kind::right && k != join_kind::full && !is_as_of(k)) add(right, on);
    for (auto& c : left)
      c = with_columns(c, [lefts](const expr::node_ptr& column) {
        const bool mine = column->column < lefts || column->column >= elsewhere;
        return mine ? column : moved_to(column, elsewhere + column->column);
      });
    for (auto& c : right)
      c = with_columns(c, [lefts](const expr::node_ptr& column) {
        if (column->column >= elsewhere) return column;
        return moved_to(
            column, column->column < lefts ? elsewhere + column->column : column->column - lefts);
      });
    visit(n.inputs[0], left);
    visit(n.inputs[1], right);
  }

  static void strengthen(logical_node& n, const conditions& given, uint32_t lefts, uint32_t all) {
    const bool keeps_left = n.join == join_kind::left || n.join == join_kind::full;
    const bool keeps_right = n.join == join_kind::right || n.join == join_kind::full;
    if (!keeps_left && !keeps_right) return;
    auto rejected = [&given](uint32_t begin, uint32_t end) {
      return std::any_of(given.begin(), given.end(), [begin, end](const expr::node_ptr& c) {
        return rejects_nulls(c, begin, end);
      });
    };
    const bool left = keeps_left && !rejected(lefts, all);
    const bool right = keeps_right && !rejected(0, lefts);
    n.join = left && right ? join_kind::full
             : left        ? join_kind::left
             : right       ? join_kind::right
                           : join_kind::inner;
  }

  std::vector<logical_node>& nodes_;
  std::vector<uint32_t> consumers_;
  /// Whether a node is an outer join or stands above one. Where none is below, conditions, which
  /// grow with every projection that they go through, are for nobody.
  std::vector<bool> outer_;
};

}  // namespace

void simplify_outer_joins(std::vector<logical_node>& nodes) {
  simplifier(nodes).run();
  refresh_changes(nodes);
}

void refresh_changes(std::vector<logical_node>& nodes) {
  for (auto& n : nodes) {  // inputs stand before their readers
    const bool inputs = std::any_of(n.inputs.begin(), n.inputs.end(),
                                    [&nodes](relation r) { return nodes[r.node].emits_changes; });
    switch (n.what) {
      case kind::join:
        n.emits_changes = inputs || join_changes(nodes, n);
        break;
      case kind::filter:
      case kind::project:
      case kind::flat_map:
      case kind::unite:
      case kind::distinct:
      case kind::repeat:
      case kind::sink:
      case kind::custom:
        n.emits_changes = inputs;
        break;
      case kind::window:
        n.emits_changes = inputs && n.window.shape.kind != window_kind::session;
        break;
      case kind::scan:
      case kind::aggregate:
      case kind::settle:
      case kind::top_n:
      case kind::over:
        break;  // whatever comes
    }
  }
}

}  // namespace weir::planner
