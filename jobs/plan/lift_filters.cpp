// Filters in front of joins by a key. A row whose only partner a filter has taken out would wait
// for it for ever; so the filter is asked of pairs, and rows that fail it stay in the join, without
// the columns that nobody will read.
#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/key_ends.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

class lifter {
 public:
  explicit lifter(std::vector<logical_node>& nodes)
      : nodes_(nodes), consumers_(count_consumers(nodes)) {}

  void run() {
    const auto all = static_cast<uint32_t>(nodes_.size());
    for (uint32_t j = 0; j < all; ++j) {
      if (nodes_[j].what != kind::join || nodes_[j].join != join_kind::inner ||
          looks_up(nodes_, nodes_[j]))
        continue;
      for (size_t side : {1, 0})
        if (wants_whole(j, side)) {
          lift(j, side);
          break;
        }
    }
  }

 private:
  /// Whether rows of the other side would wait in vain, and be kept for ever: they have one partner
  /// at most, which may be one that the filter takes out. Several of them have the same one, so
  /// that they are taken to be more than the rows of this side.
  bool wants_whole(uint32_t j, size_t side) const {
    const auto& n = nodes_[j];
    const auto in = n.inputs[side];
    const auto& f = nodes_[in.node];
    if (f.what != kind::filter || in.port != 0 || consumers_[in.node] != 1) return false;
    const auto parts = analyze_join(nodes_, n);
    if (parts.left || parts.right || parts.windowed || parts.keys.empty()) return false;
    std::vector<uint32_t> keys;
    for (const auto& k : parts.keys) {
      const auto c = bare_column(side == 0 ? k.left : k.right);
      if (!c) return false;
      keys.push_back(*c);
    }
    // A condition on the key alone is for both sides.
    const auto read = expr::columns_of(*f.predicate);
    if (std::all_of(read.begin(), read.end(), [&keys](uint32_t c) {
          return std::find(keys.begin(), keys.end(), c) != keys.end();
        }))
      return false;
    auto unfiltered = n;
    unfiltered.inputs[side] = f.inputs[0];
    return has_one_partner(nodes_, unfiltered, side == 0) && !has_one_partner(nodes_, n, side == 1);
  }

  void lift(uint32_t j, size_t side) {
    const auto was = nodes_[j].output;
    const auto lefts = static_cast<uint32_t>(output_of(nodes_, nodes_[j].inputs[0])->size());
    auto& f = nodes_[nodes_[j].inputs[side].node];
    const auto rows = f.output;
    const auto flag = static_cast<uint32_t>(rows->size());
    const data_type boolean = type_id::boolean;

    // Two steps, so that what is asked is computed once.
    logical_node asked;
    asked.what = kind::project;
    asked.step.id = f.step.id + "/asked";
    asked.parallelism = f.parallelism;
    asked.inputs = f.inputs;
    auto type = std::make_shared<schema>(*rows);
    type->event_time.reset();
    for (uint32_t c = 0; c < flag; ++c)
      asked.columns.push_back({rows->fields[c].name, column_ref(*rows, c)});
    asked.columns.push_back({"where", f.predicate});
    type->fields.push_back({"where", boolean});
    asked.output = type;

    std::vector<uint32_t> keys;
    for (const auto& k : analyze_join(nodes_, nodes_[j]).keys)
      keys.push_back(*bare_column(side == 0 ? k.left : k.right));
    f.what = kind::project;
    f.predicate = nullptr;
    for (uint32_t c = 0; c <= flag; ++c) {
      auto value = column_ref(*type, c);
      if (c != flag && !is_nested(value->type.id) &&
          std::find(keys.begin(), keys.end(), c) == keys.end()) {
        const auto t = value->type;
        auto null = expr::make_literal(scalar::of_null(t));
        value = expr::make_call("case", t, {column_ref(*type, flag), value, std::move(null)});
      }
      f.columns.push_back({type->fields[c].name, value});
    }
    auto kept = std::make_shared<schema>(*type);
    for (auto& field : kept->fields) field.nullable = true;
    f.output = kept;
    f.inputs = {{static_cast<uint32_t>(nodes_.size()), 0}};
    nodes_.push_back(std::move(asked));

    // The join has one more column, and asks it.
    const auto at = side == 0 ? lefts : static_cast<uint32_t>(was->size());
    std::vector<uint32_t> place(was->size());
    for (uint32_t c = 0; c < place.size(); ++c) place[c] = c + (c >= at);
    auto& join = nodes_[j];
    auto wide = std::make_shared<schema>(*was);
    wide->fields.insert(wide->fields.begin() + at, {"where", boolean});
    join.output = wide;
    std::vector<expr::node_ptr> all;
    if (join.predicate) split_and(expr::remap_columns(join.predicate, place), all);
    all.push_back(column_ref(*wide, at));
    join.predicate = join_and(std::move(all));

    logical_node back;
    back.what = kind::project;
    back.step.id = join.step.id + "/columns";
    back.output = was;
    back.parallelism = join.parallelism;
    back.emits_changes = join.emits_changes;
    for (uint32_t c = 0; c < place.size(); ++c)
      back.columns.push_back({was->fields[c].name, column_ref(*wide, place[c])});
    const auto to = static_cast<uint32_t>(nodes_.size());
    redirect(nodes_, {j, 0}, {to, 0});
    back.inputs = {{j, 0}};
    nodes_.push_back(std::move(back));
  }

  std::vector<logical_node>& nodes_;
  std::vector<uint32_t> consumers_;
};

}  // namespace

void lift_filters(std::vector<logical_node>& nodes) {
  lifter(nodes).run();
}

}  // namespace weir::planner
