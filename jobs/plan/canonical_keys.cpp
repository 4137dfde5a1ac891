// Operators compare keys by their parts, so '1 day' and '24 hours' would be two. Where a key may
// have several forms, the canonical one is compared, and a value that was really there is shown:
// the first that came. Joins have this from analyze_join(), which gives them their keys.
#include "jobs/plan/canonical_keys.hpp"

#include <algorithm>

#include "jobs/plan/needs.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {

using kind = logical_node::kind;

bool has_equal_forms(const data_type& t) {
  if (t.id == type_id::interval) return true;
  return t.fields && std::any_of(t.fields->begin(), t.fields->end(),
                                 [](const field& f) { return has_equal_forms(f.type); });
}

expr::node_ptr canonical(const expr::node_ptr& n) {
  if (!has_equal_forms(n->type)) return n;
  return expr::make_call("@canonical", n->type, {n}, n->location);
}

namespace {

class rewriter {
 public:
  explicit rewriter(std::vector<logical_node>& nodes) : nodes_(nodes) {}

  bool run() {
    const auto n = static_cast<uint32_t>(nodes_.size());
    for (uint32_t i = 0; i < n; ++i) switch (nodes_[i].what) {
        case kind::distinct:
          as_groups(i);
          break;
        case kind::aggregate:
          group(i);
          break;
        case kind::top_n:
          // Upserts say themselves which row they take the place of.
          if (!nodes_[i].top.upserts) partition(i, &nodes_[i].top.keys);
          break;
        case kind::over:
          partition(i, &nodes_[i].over.keys);
          break;
        case kind::window:
          if (nodes_[i].window.keys && !nodes_[i].sliced) partition(i, &*nodes_[i].window.keys);
          break;
        default:
          break;
      }
    return changed_;
  }

 private:
  /// DISTINCT over rows some of whose columns have several forms: groups of them without more.
  void as_groups(uint32_t i) {
    auto& n = nodes_[i];
    const auto& fields = n.output->fields;
    if (std::none_of(fields.begin(), fields.end(),
                     [](const field& f) { return has_equal_forms(f.type); }))
      return;
    n.what = kind::aggregate;
    for (uint32_t c = 0; c < fields.size(); ++c)
      n.columns.push_back({fields[c].name, column_ref(*n.output, c)});
    // A group's first row never changes, and neither do groups of rows that only come.
    group(i);
  }

  void group(uint32_t i) {
    for (auto& c : nodes_[i].calls)
      if (c.function == aggregate_function::count_distinct) c.argument = canonical(c.argument);
    const auto shown = nodes_[i].output;
    const auto keys = static_cast<uint32_t>(nodes_[i].columns.size());
    auto& n = nodes_[i];
    auto out = std::make_shared<schema>(*shown);
    std::vector<uint32_t> places(shown->size());
    for (uint32_t c = 0; c < places.size(); ++c) places[c] = c;
    for (uint32_t k = 0; k < keys; ++k) {
      auto& key = n.columns[k];
      if (!has_equal_forms(key.value->type)) continue;
      aggregate_call first;
      first.function = aggregate_function::first;
      first.argument = key.value;
      first.type = key.value->type;
      first.name = "first " + key.name;
      key.value = canonical(key.value);
      key.name = out->fields[k].name = "canonical " + key.name;
      places[k] = static_cast<uint32_t>(out->size());
      out->fields.push_back({first.name, first.type});
      n.calls.push_back(std::move(first));
    }
    if (out->size() == shown->size()) return;
    n.output = std::move(out);
    show(i, shown, places, n.window_start, n.window_end);
  }

  /// What has columns of its input as keys, `keys` of node i, and puts others behind them.
  void partition(uint32_t i, std::vector<uint32_t>* keys) {
    const auto input = nodes_[i].inputs[0];
    const auto type = output_of(nodes_, input);
    auto wider = std::make_shared<schema>(*type);
    std::vector<named_expr> columns;
    for (uint32_t c = 0; c < type->size(); ++c)
      columns.push_back({type->fields[c].name, column_ref(*type, c)});
    for (auto& k : *keys) {
      if (!has_equal_forms(type->fields[k].type)) continue;
      columns.push_back({"canonical " + type->fields[k].name, canonical(column_ref(*type, k))});
      wider->fields.push_back({columns.back().name, columns.back().value->type});
      k = static_cast<uint32_t>(wider->size() - 1);
    }
    const auto more = static_cast<uint32_t>(wider->size() - type->size());
    if (more == 0) return;
    auto& n = nodes_[i];
    const auto shown = n.output;
    const auto first = static_cast<uint32_t>(type->size());
    auto moved = [&](std::optional<uint32_t>& c) {
      if (c && *c >= first) *c += more;
    };
    const auto start = n.window_start, end = n.window_end;
    auto out = std::make_shared<schema>(*shown);
    out->fields.insert(out->fields.begin() + first, wider->fields.begin() + first,
                       wider->fields.end());
    moved(out->event_time);
    moved(n.window_start);
    moved(n.window_end);
    n.output = std::move(out);
    std::vector<uint32_t> places;
    for (uint32_t c = 0; c < shown->size(); ++c) places.push_back(c < first ? c : c + more);
    logical_node below;
    below.what = kind::project;
    below.step.id = n.step.id + "/canonical";
    below.inputs = {input};
    below.output = std::move(wider);
    below.columns = std::move(columns);
    const auto& from = nodes_[input.node];
    below.emits_changes = from.emits_changes;
    below.parallelism = from.parallelism;
    if (input.port == 0) {
      below.window_start = from.window_start;
      below.window_end = from.window_end;
    }
    n.inputs[0] = {static_cast<uint32_t>(nodes_.size()), 0};
    nodes_.push_back(std::move(below));
    show(i, shown, places, start, end);
  }

  /// Readers of node i get these of its columns, as it was before.
  void show(uint32_t i, const schema_ptr& shown, const std::vector<uint32_t>& places,
            std::optional<uint32_t> start, std::optional<uint32_t> end) {
    changed_ = true;
    const auto& n = nodes_[i];
    logical_node above;
    above.what = kind::project;
    above.step.id = n.step.id + "/shown";
    above.output = shown;
    for (size_t c = 0; c < places.size(); ++c)
      above.columns.push_back({shown->fields[c].name, column_ref(*n.output, places[c])});
    above.emits_changes = n.emits_changes;
    above.window_start = start;
    above.window_end = end;
    above.parallelism = n.parallelism;
    redirect(nodes_, {i, 0}, {static_cast<uint32_t>(nodes_.size()), 0});
    above.inputs = {{i, 0}};
    nodes_.push_back(std::move(above));
  }

  std::vector<logical_node>& nodes_;
  bool changed_ = false;
};

}  // namespace

void compare_canonical_keys(std::vector<logical_node>& nodes) {
  if (!rewriter(nodes).run()) return;
  tidy(nodes);
  merge_projections(nodes);
}

}  // namespace weir::planner
