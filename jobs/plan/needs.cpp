#include "jobs/plan/needs.hpp"

#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/key_ends.hpp"
#include "jobs/plan/lookups.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

/// Rows that cannot be read are left out. Which ones these are must not depend on what the queries
/// of the job happen to read: then all columns are. What is generated is never wrong.
bool leaves_rows_out(const table_def& t) {
  const auto policy = t.options.find("on_error");
  if (policy == t.options.end() || (policy->second != "skip" && policy->second != "dead_letter"))
    return false;
  const auto& connector = t.options.at("connector");
  return connector != "sequence" && connector != "nexmark" && connector != "memory";
}

class finder {
 public:
  explicit finder(const std::vector<logical_node>& nodes) : nodes_(nodes) {}

  needed_columns run() {
    live_.resize(nodes_.size());
    time_.resize(nodes_.size());
    for (const auto& n : nodes_) needs_.emplace_back(n.output->size());
    for (uint32_t i = static_cast<uint32_t>(nodes_.size()); i-- > 0;) {
      const auto& n = nodes_[i];
      if (n.what == kind::sink) live_[i] = true;
      if (!live_[i]) continue;
      bool wants_time = n.what == kind::window || (n.what == kind::over && n.over.by_time) ||
                        n.what == kind::custom;
      if (n.what == kind::join) {
        const auto parts = analyze_join(nodes_, n);
        wants_time = parts.left || parts.right;
      }
      for (auto r : n.inputs) {
        live_[r.node] = true;
        if (time_[i] || wants_time) time_[r.node] = true;
      }
      needs_of_inputs(i);
    }
    return {std::move(live_), std::move(time_), std::move(needs_)};
  }

 private:
  void need(relation r, uint32_t column) {
    if (r.port == 0) needs_[r.node][column] = true;
  }
  void need(relation r, const expr::node_ptr& e) {
    if (e)
      for (auto c : expr::columns_of(*e)) need(r, c);
  }
  void need_all(relation r) {
    if (r.port == 0) needs_[r.node].assign(needs_[r.node].size(), true);
  }

  void needs_of_inputs(uint32_t i) {
    const auto& n = nodes_[i];
    auto& mine = needs_[i];
    switch (n.what) {
      case kind::scan:
        if (leaves_rows_out(n.table)) mine.assign(mine.size(), true);
        // Watermarks come from the event-time column; without a consumer of time it is not parsed.
        if (time_[i] && n.output->event_time) mine[*n.output->event_time] = true;
        if (std::find(mine.begin(), mine.end(), true) == mine.end()) mine[0] = true;
        break;
      case kind::project:
        if (std::find(mine.begin(), mine.end(), true) == mine.end()) mine[0] = true;
        for (uint32_t c = 0; c < mine.size(); ++c)
          if (mine[c]) need(n.inputs[0], n.columns[c].value);
        break;
      case kind::filter:
        for (uint32_t c = 0; c < mine.size(); ++c)
          if (mine[c]) need(n.inputs[0], c);
        need(n.inputs[0], n.predicate);
        break;
      case kind::flat_map:
        for (uint32_t c = 0; c + 1 < mine.size(); ++c)
          if (mine[c]) need(n.inputs[0], c);
        need(n.inputs[0], n.flat.argument);
        break;
      case kind::window:
        for (uint32_t c = 0; c + 2 < mine.size(); ++c)
          if (mine[c]) need(n.inputs[0], c);
        if (n.window.keys)
          for (auto c : *n.window.keys) need(n.inputs[0], c);
        need(n.inputs[0], *output_of(nodes_, n.inputs[0])->event_time);
        break;
      case kind::aggregate:
        for (const auto& k : n.columns) need(n.inputs[0], k.value);
        for (const auto& c : n.calls) {
          need(n.inputs[0], c.argument);
          need(n.inputs[0], c.filter);
        }
        for (auto c : n.late) need(n.inputs[0], c);
        break;
      case kind::unite:
        // Inputs must agree in what they carry, also those that keep more for other consumers.
        if (std::find(mine.begin(), mine.end(), true) == mine.end()) mine[0] = true;
        for (auto r : n.inputs)
          for (uint32_t c = 0; c < mine.size(); ++c)
            if (mine[c]) need(r, c);
        break;
      case kind::repeat:
        for (uint32_t c = 0; c < mine.size(); ++c)
          if (mine[c]) need(n.inputs[0], c + (c >= n.count_column));
        need(n.inputs[0], n.count_column);
        break;
      case kind::join:
        needs_of_join(n, mine);
        break;
      case kind::over:
        needs_of_over(n, mine);
        break;
      case kind::top_n:
        if (std::find(mine.begin(), mine.end(), true) == mine.end()) mine[0] = true;
        for (uint32_t c = 0; c < output_of(nodes_, n.inputs[0])->size(); ++c)
          if (mine[c]) need(n.inputs[0], c);
        for (auto k : n.top.keys) need(n.inputs[0], k);
        for (const auto& t : n.top.order) need(n.inputs[0], t.column);
        if (const auto end = end_of_partitions(nodes_, n)) need(n.inputs[0], end->column);
        break;
      case kind::distinct:
      case kind::settle:
      case kind::custom:
      case kind::sink:
        for (auto r : n.inputs) need_all(r);
        break;
    }
  }

  void needs_of_join(const logical_node& n, std::vector<bool>& mine) {
    const auto lefts = static_cast<uint32_t>(output_of(nodes_, n.inputs[0])->size());
    if (std::find(mine.begin(), mine.end(), true) == mine.end()) mine[0] = true;
    auto column = [&](uint32_t c) {
      c < lefts ? need(n.inputs[0], c) : need(n.inputs[1], c - lefts);
    };
    for (uint32_t c = 0; c < mine.size(); ++c)
      if (mine[c]) column(c);
    if (n.predicate)
      for (auto c : expr::columns_of(*n.predicate)) column(c);
    const auto parts = analyze_join(nodes_, n);
    for (size_t s : {0, 1}) {
      const auto& life = s == 0 ? parts.left : parts.right;
      if (!life) continue;
      need(n.inputs[s], life->column);
      if (life->late) need(n.inputs[s], *life->late);
    }
    if (looks_up(nodes_, n)) {
      const auto scan = lookup_of(nodes_, n.inputs[1])->scan;
      for (auto c : latest_by(nodes_[scan])) needs_[scan][c] = true;
    }
    for (auto r : n.inputs) {
      auto& theirs = needs_[r.node];
      if (r.port == 0 && std::find(theirs.begin(), theirs.end(), true) == theirs.end())
        theirs[0] = true;
    }
  }

  void needs_of_over(const logical_node& n, std::vector<bool>& mine) {
    if (std::find(mine.begin(), mine.end(), true) == mine.end()) mine[0] = true;
    const auto columns = output_of(nodes_, n.inputs[0])->size();
    bool any = false, reads = false;
    for (uint32_t c = 0; c < mine.size(); ++c) {
      if (!mine[c]) continue;
      if (c < columns) {
        reads = true;
        need(n.inputs[0], c);
        continue;
      }
      any = true;
      const auto& call = n.over.calls[c - columns];
      for (auto column : {call.argument, call.otherwise, call.filter}) {
        if (!column) continue;
        reads = true;
        need(n.inputs[0], *column);
      }
    }
    if (!any) return;
    // Rows are kept in an order, of which there is none without columns.
    if (!reads && n.over.keys.empty() && n.over.order.empty()) {
      mine[0] = true;
      need(n.inputs[0], 0);
    }
    for (auto k : n.over.keys) need(n.inputs[0], k);
    for (const auto& t : n.over.order) need(n.inputs[0], t.column);
  }

  const std::vector<logical_node>& nodes_;
  std::vector<bool> live_;
  std::vector<bool> time_;
  std::vector<std::vector<bool>> needs_;
};

}  // namespace

schema_ptr output_of(const std::vector<logical_node>& nodes, relation r) {
  const auto& n = nodes[r.node];
  return r.port == 0 ? n.output : n.info.side_outputs[r.port - 1U].second;
}

needed_columns find_needs(const std::vector<logical_node>& nodes) {
  return finder(nodes).run();
}

}  // namespace weir::planner
