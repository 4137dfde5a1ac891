// Logical graph -> physical plan: what keeps whole rows: window functions, first rows, DISTINCT and
// the like.
#include <algorithm>

#include "jobs/plan/expander.hpp"
#include "jobs/plan/key_ends.hpp"
#include "jobs/plan/lookups.hpp"

namespace weir::planner {

using kind = logical_node::kind;

status expander::emit_whole_rows(uint32_t i) {
  const auto& n = nodes_[i];
  auto in = exact(n, 0);
  const auto spec = n.what == kind::settle ? operator_spec(settle_spec{}) : distinct_spec{};
  auto op = add(n.step.id, name_of(n), spec, in.type, n.emits_changes, n.parallelism);
  connect(in, op, identity(in.type->size()));
  out_[i] = {op, 0, in.type, identity(in.type->size())};
  return {};
}

emitted expander::reduced(const logical_node& n, const std::vector<bool>& wanted) {
  const auto in = input(n);
  std::vector<uint32_t> want, map(in.map.size(), dropped);
  for (uint32_t c = 0; c < in.map.size(); ++c) {
    if (!wanted[c]) continue;
    map[c] = static_cast<uint32_t>(want.size());
    want.push_back(in.map[c]);
  }
  auto e = chosen(n, in, want, "/columns");
  e.map = std::move(map);
  return e;
}

std::vector<order_term> expander::remap(std::vector<order_term> order,
                                        const std::vector<uint32_t>& map) {
  for (auto& t : order) t.column = map[t.column];
  return order;
}

status expander::pass_over(uint32_t i, std::vector<bool> wanted) {
  const auto& n = nodes_[i];
  if (!n.final_only || !nodes_[n.inputs[0].node].emits_changes) {
    out_[i] = input(n);
    out_[i].map.resize(n.output->size(), dropped);
    return {};
  }
  if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) {
    const auto there = input(n).map;
    const auto first =
        std::find_if(there.begin(), there.end(), [](uint32_t c) { return c != dropped; });
    wanted[static_cast<size_t>(first - there.begin())] = true;
  }
  auto in = reduced(n, wanted);
  auto op = add(n.step.id, name_of(n), settle_spec{}, in.type, false, n.parallelism);
  connect(in, op, identity(in.type->size()));
  in.map.resize(n.output->size(), dropped);
  out_[i] = {op, 0, in.type, std::move(in.map)};
  return {};
}

status expander::emit_over(uint32_t i) {
  const auto& n = nodes_[i];
  const auto columns = logical_type(n.inputs[0])->size();
  auto wanted = needs_[i];
  std::vector<over_call> calls;
  std::vector<uint32_t> places;
  for (uint32_t c = 0; c < n.over.calls.size(); ++c)
    if (wanted[columns + c]) {
      calls.push_back(n.over.calls[c]);
      places.push_back(static_cast<uint32_t>(columns) + c);
    }
  wanted.resize(columns);
  if (calls.empty()) return pass_over(i, std::move(wanted));
  for (auto k : n.over.keys) wanted[k] = true;
  for (const auto& t : n.over.order) wanted[t.column] = true;
  for (const auto& c : calls)
    for (auto column : {c.argument, c.otherwise, c.filter})
      if (column) wanted[*column] = true;
  auto in = reduced(n, wanted);
  over_spec s;
  for (auto k : n.over.keys) s.keys.push_back(in.map[k]);
  s.order = remap(n.over.order, in.map);
  s.input_has_changes = nodes_[n.inputs[0].node].emits_changes;
  if (n.final_only) s.emit = emit_mode::final_only;
  if (n.over.by_time) s.time_column = s.order[0].column;
  auto type = std::make_shared<schema>(*in.type);
  if (!n.output->event_time) type->event_time.reset();
  if (n.over.by_window) {
    s.window_end_key = place_of(n.over.keys, *n.window_end);
    type->event_time = in.map[*n.window_end];
  }
  auto map = in.map;
  map.resize(n.output->size(), dropped);
  for (size_t c = 0; c < calls.size(); ++c) {
    map[places[c]] = static_cast<uint32_t>(type->size());
    type->fields.push_back(n.output->fields[places[c]]);
    for (auto* column : {&calls[c].argument, &calls[c].otherwise, &calls[c].filter})
      if (*column) *column = in.map[**column];
  }
  s.calls = std::move(calls);
  auto hash = s.keys;
  auto op = add(n.step.id, name_of(n), std::move(s), type, n.emits_changes, n.parallelism);
  connect(in, op, std::move(hash));
  out_[i] = {op, 0, type, std::move(map)};
  return {};
}

status expander::emit_top_n(uint32_t i) {
  const auto& n = nodes_[i];
  const auto columns = logical_type(n.inputs[0])->size();
  auto wanted = needs_[i];
  wanted.resize(columns);
  for (auto k : n.top.keys) wanted[k] = true;
  for (const auto& t : n.top.order) wanted[t.column] = true;
  const auto end = end_of_partitions(nodes_, n);
  if (end) wanted[end->column] = true;
  auto in = reduced(n, wanted);
  top_n_spec s;
  for (auto k : n.top.keys) s.keys.push_back(in.map[k]);
  s.order = remap(n.top.order, in.map);
  s.function = n.top.function;
  s.offset = n.top.offset;
  s.limit = n.top.limit;
  s.with_ties = n.top.with_ties;
  s.upserts = n.top.upserts;
  s.last_arrived = n.top.last_arrived;
  // Without its column a row that only moves is no change.
  s.with_number = !n.top.number_name.empty() && needs_[i][columns];
  s.input_has_changes = nodes_[n.inputs[0].node].emits_changes;
  if (n.final_only) s.emit = emit_mode::final_only;
  if (end) {
    s.time_column = in.map[end->column];
    s.retain_us = end->retain_us;
  }
  auto type = std::make_shared<schema>(*in.type);
  if (!n.top.upserts) type->event_time.reset();
  if (n.top.by_window) {
    s.window_end_key = place_of(n.top.keys, *n.window_end);
    type->event_time = in.map[*n.window_end];
  }
  auto map = in.map;
  if (!n.top.number_name.empty()) map.push_back(dropped);
  if (s.with_number) {
    map.back() = static_cast<uint32_t>(type->size());
    type->fields.push_back(n.output->fields.back());
  }
  auto hash = s.keys;
  auto op = add(n.step.id, name_of(n), std::move(s), type, n.emits_changes, n.parallelism);
  connect(in, op, std::move(hash));
  out_[i] = {op, 0, type, std::move(map)};
  return {};
}

}  // namespace weir::planner
