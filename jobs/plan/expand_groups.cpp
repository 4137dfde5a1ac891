// Logical graph -> physical plan: windows and aggregates.
#include <set>

#include "jobs/plan/expander.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/plan/windows.hpp"

namespace weir::planner {

using kind = logical_node::kind;

status expander::emit_window(uint32_t i) {
  const auto& n = nodes_[i];
  auto in = input(n);
  window_spec s;
  s.time_column = in.map[*logical_type(n.inputs[0])->event_time];
  s.shape = n.window.shape;
  s.slices = n.sliced;
  if (const auto windows = windows_per_row(s.shape); !s.slices && windows > windows_per_row_max)
    return {errc::unsupported,
            "each row would be copied into " + std::to_string(windows) + " windows, but " +
                std::to_string(windows_per_row_max) +
                " is the limit; group by window_start and window_end, and compute with them behind "
                "that: then windows are made of slices"};
  auto type = std::make_shared<schema>(*in.type);
  emitted e;
  e.map = in.map;
  if (s.slices) {
    // Both bounds are the slice: nothing between here and the aggregates looks at them.
    const auto slice = static_cast<uint32_t>(type->size());
    // Of sessions the start stands for the rows' times, which become their bounds.
    e.map.push_back(n.window.shape.kind == window_kind::session ? s.time_column : slice);
    e.map.push_back(slice);
    type->fields.push_back({"slice", type_id::timestamp});
  } else
    for (size_t c = n.output->size() - 2; c < n.output->size(); ++c) {
      e.map.push_back(static_cast<uint32_t>(type->size()));
      type->fields.push_back(n.output->fields[c]);
    }
  e.type = type;
  auto parallelism = n.parallelism;
  std::vector<uint32_t> keys;
  if (s.shape.kind == window_kind::session) type->event_time.reset();
  if (holds_rows(s)) {
    type->event_time = e.map[*n.window_end];
    if (n.window.keys)
      for (auto c : *n.window.keys) keys.push_back(in.map[c]);
    if (keys.empty()) parallelism = 1;  // all rows make the same sessions
    s.keys = keys;
  }
  e.op = add(n.step.id, name_of(n), std::move(s), type, n.emits_changes, parallelism);
  connect(in, e.op, std::move(keys));
  out_[i] = std::move(e);
  return {};
}

void expander::add_bounds(const logical_node& n, const emitted& in,
                          std::vector<aggregate_call>& calls) {
  for (auto f : {aggregate_function::min, aggregate_function::max}) {
    aggregate_call c;
    c.function = f;
    c.argument = column_ref(*in.type, in.map[*bare_column(n.columns[*n.window_start].value)]);
    c.type = type_id::timestamp;
    c.name = f == aggregate_function::min ? "first row" : "last row";
    calls.push_back(std::move(c));
  }
}

emitted expander::narrow(const logical_node& n, const emitted& in, const char* suffix) {
  std::set<uint32_t> read;
  for (const auto& c : n.calls)
    for (const auto& e : {c.argument, c.filter})
      if (e)
        for (auto col : expr::columns_of(*e)) read.insert(col);
  read.insert(n.late.begin(), n.late.end());
  if (is_session(n)) read.insert(*bare_column(n.columns[*n.window_start].value));
  project_spec s;
  auto type = std::make_shared<schema>();
  emitted e;
  e.map.assign(in.map.size(), dropped);
  for (const auto& k : n.columns) {
    if (n.sliced && n.window_start && &k == &n.columns[*n.window_start]) continue;
    type->fields.push_back({"key " + k.name, k.value->type});
    s.columns.push_back(remap(k.value, in.map));
  }
  const auto logical = logical_type(n.inputs[0]);
  for (auto c : read) {
    e.map[c] = static_cast<uint32_t>(type->size());
    type->fields.push_back(logical->fields[c]);
    s.columns.push_back(column_ref(*in.type, in.map[c]));
  }
  e.type = type;
  const auto& from = at(in.op);
  e.op = add(n.step.id + suffix, name_of(n) + suffix, std::move(s), type, from.emits_changes,
             from.parallelism);
  connect(in, e.op);
  return e;
}

status expander::emit_aggregate(uint32_t i) {
  const auto& n = nodes_[i];
  if (n.window.shape.kind == window_kind::session && !n.sliced && !n.window.keys &&
      n.columns.size() > 2)
    return {errc::unsupported,
            "\"" + n.step.id +
                "\" groups rows of sessions in a way that does not say whose sessions they are: "
                "name their key, SESSION(t, column, gap, key), and leave out rows before it, in "
                "a view"};
  if (n.window.shape.kind == window_kind::session && !n.sliced && !n.late.empty())
    return {errc::unsupported,
            "late_table: sessions of rows (\"" + n.step.id +
                "\" groups them by something else than their key, or computes with their "
                "bounds) only count rows that come too late"};
  auto in = input(n);
  aggregate_spec s;
  s.emit = n.final_only ? emit_mode::final_only : emit_mode::changes;
  s.input_has_changes = nodes_[n.inputs[0].node].emits_changes;
  s.calls = n.calls;
  // The keys that state has: of windows of slices their starts follow from their ends.
  std::vector<uint32_t> keys = identity(n.columns.size());
  if (n.window_end) s.window_end_key = *n.window_end;
  if (n.sliced) {
    s.windows = n.window.shape;
    s.window_start_at = *n.window_start;
    keys.erase(keys.begin() + *n.window_start);
    if (*n.window_start < *n.window_end) --*s.window_end_key;
  }
  bool bare = true;
  for (const auto& k : n.columns) bare &= bare_column(k.value).has_value();
  s.keys = identity(keys.size());
  // Rows that may go to a late table are needed whole by the one who finds them late.
  const bool shrinks = n.late.empty() && partial_shrinks(s);
  // Rows that go through the exchange as they are had better carry nothing else.
  const size_t used = n.columns.size() + n.calls.size();
  if (!bare || (!shrinks && n.late.empty() && in.type->size() > used)) {
    in = narrow(n, in, bare ? "/columns" : "/keys");
  } else {
    for (size_t k = 0; k < keys.size(); ++k)
      s.keys[k] = in.map[*bare_column(n.columns[keys[k]].value)];
  }
  for (auto& c : s.calls) {
    c.argument = remap(c.argument, in.map);
    c.filter = remap(c.filter, in.map);
  }
  if (is_session(n)) add_bounds(n, in, s.calls);
  if (!n.late.empty()) {
    for (auto c : n.late) s.late_columns.push_back(in.map[c]);
    s.late_output = n.info.side_outputs[0].second;
  }
  if (shrinks) {
    s.stage = aggregate_spec::phase::partial;
    WEIR_ASSIGN(auto partial, partial_output_schema(s, *in.type));
    auto op = add(n.step.id + "/partial", name_of(n) + "/partial", s, partial, false,
                  at(in.op).parallelism);
    connect(in, op);
    s.stage = aggregate_spec::phase::merge;
    s.complete_input = in.type;
    s.keys = identity(keys.size());
    in = {op, 0, partial, {}};
  }
  auto hash = s.keys;
  // Slices of one key meet in one task.
  if (s.windows) hash.erase(hash.begin() + *s.window_end_key);
  auto op = add(n.step.id, name_of(n), std::move(s), n.output, n.emits_changes, n.parallelism);
  connect(in, op, std::move(hash));
  out_[i] = {op, 0, n.output, identity(n.output->size())};
  return {};
}

}  // namespace weir::planner
