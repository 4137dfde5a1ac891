// Which windows are made of slices: those that only aggregates see, which group by their bounds and
// do not compute with them.
#include <algorithm>

#include "jobs/plan/tree.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

/// Where a window's bounds are among a node's columns, and of sessions more.
struct bounds {
  uint32_t start = 0, end = 0;
  bool session = false;
  std::optional<std::vector<uint32_t>> keys;  // of sessions, where they are named
  std::vector<uint32_t> filtered;             // columns that decided which rows are still there
};

bool reads(const expr::node_ptr& e, const bounds& b) {
  if (!e) return false;
  const auto columns = expr::columns_of(*e);
  return std::any_of(columns.begin(), columns.end(),
                     [&b](uint32_t c) { return c == b.start || c == b.end; });
}

/// Where column c of a projection's input is in its output, as it is.
std::optional<uint32_t> place_of(const logical_node& project, uint32_t c) {
  for (uint32_t i = 0; i < project.columns.size(); ++i)
    if (bare_column(project.columns[i].value) == c) return i;
  return {};
}

bool all_placed(const logical_node& project, std::vector<uint32_t>& columns) {
  for (auto& c : columns) {
    const auto place = place_of(project, c);
    if (!place) return false;
    c = *place;
  }
  return true;
}

class slicing {
 public:
  explicit slicing(std::vector<logical_node>& nodes) : nodes_(nodes) {
    readers_.resize(nodes.size());
    for (uint32_t i = 0; i < nodes.size(); ++i)
      for (auto r : nodes[i].inputs) readers_[r.node].push_back(i);
  }

  void run() {
    const auto n = static_cast<uint32_t>(nodes_.size());
    for (uint32_t w = 0; w < n; ++w)
      if (nodes_[w].what == kind::window && nodes_[w].window.shape.kind != window_kind::tumble)
        slice(w);
  }

 private:
  void slice(uint32_t w) {
    const auto& window = nodes_[w];
    bounds b;
    b.start = *window.window_start;
    b.end = *window.window_end;
    b.session = window.window.shape.kind == window_kind::session;
    b.keys = window.window.keys;
    // Sessions of rows that are taken back may fall apart: that needs the rows.
    if (b.session && nodes_[window.inputs[0].node].emits_changes) return;
    std::vector<uint32_t> good, aggregates;
    for (auto reader : readers_[w]) {
      std::vector<uint32_t> found;
      if (!follow(reader, b, found)) continue;
      good.push_back(reader);
      aggregates.insert(aggregates.end(), found.begin(), found.end());
    }
    if (good.empty()) return;
    for (auto a : aggregates) {
      nodes_[a].sliced = true;
      nodes_[a].window = nodes_[w].window;
    }
    if (good.size() == readers_[w].size()) {
      nodes_[w].sliced = true;
      return;
    }
    auto copy = nodes_[w];
    copy.step.id += "/slices";
    copy.sliced = true;
    nodes_.push_back(std::move(copy));
    const auto c = static_cast<uint32_t>(nodes_.size() - 1);
    for (auto reader : good)
      for (auto& r : nodes_[reader].inputs)
        if (r.node == w) r.node = c;
  }

  /// Whether everything behind node i ends in aggregates over the windows; those are added.
  bool follow(uint32_t i, bounds b, std::vector<uint32_t>& aggregates) const {
    const auto& n = nodes_[i];
    switch (n.what) {
      case kind::filter:
        if (reads(n.predicate, b)) return false;
        if (b.session)
          for (auto c : expr::columns_of(*n.predicate)) b.filtered.push_back(c);
        return all_of(i, b, aggregates);
      case kind::flat_map:
        return !b.session && !reads(n.flat.argument, b) && all_of(i, b, aggregates);
      case kind::project: {
        uint32_t starts = 0, ends = 0;
        for (const auto& c : n.columns) {
          const auto bare = bare_column(c.value);
          starts += bare == b.start;
          ends += bare == b.end;
          if (!bare && reads(c.value, b)) return false;
        }
        if (starts != 1 || ends != 1) return false;
        b.start = *place_of(n, b.start);
        b.end = *place_of(n, b.end);
        if (!all_placed(n, b.filtered) || (b.keys && !all_placed(n, *b.keys))) return false;
        return all_of(i, b, aggregates);
      }
      case kind::aggregate:
        if (!over_windows(n, b)) return false;
        aggregates.push_back(i);
        return true;
      default:
        return false;
    }
  }
  bool all_of(uint32_t i, const bounds& b, std::vector<uint32_t>& aggregates) const {
    return std::all_of(readers_[i].begin(), readers_[i].end(),
                       [&](uint32_t reader) { return follow(reader, b, aggregates); });
  }

  static bool over_windows(const logical_node& n, const bounds& b) {
    if (!n.window_start || !n.window_end) return false;
    std::vector<uint32_t> keys;  // those that are columns
    bool bare = true;
    for (uint32_t k = 0; k < n.columns.size(); ++k) {
      if (k == n.window_start || k == n.window_end) continue;
      if (reads(n.columns[k].value, b)) return false;
      if (auto c = bare_column(n.columns[k].value))
        keys.push_back(*c);
      else
        bare = false;
    }
    for (const auto& c : n.calls)
      if (reads(c.argument, b) || reads(c.filter, b)) return false;
    auto is_key = [&keys](uint32_t c) {
      return std::find(keys.begin(), keys.end(), c) != keys.end();
    };
    // Whole sessions may be left out before they are made, rows of them may not.
    if (!std::all_of(b.filtered.begin(), b.filtered.end(), is_key)) return false;
    if (!b.keys) return true;
    return bare && std::all_of(b.keys->begin(), b.keys->end(), is_key) &&
           std::all_of(keys.begin(), keys.end(), [&b](uint32_t c) {
             return std::find(b.keys->begin(), b.keys->end(), c) != b.keys->end();
           });
  }

  std::vector<logical_node>& nodes_;
  std::vector<std::vector<uint32_t>> readers_;
};

}  // namespace

void slice_windows(std::vector<logical_node>& nodes) {
  slicing(nodes).run();
}

}  // namespace weir::planner
