// Logical graph -> physical plan: joins, and those that look their right side up.
#include <algorithm>

#include "jobs/plan/expander.hpp"
#include "jobs/plan/key_ends.hpp"
#include "jobs/plan/lookups.hpp"
#include "runtime/connectors/growing_source.hpp"

namespace weir::planner {

using kind = logical_node::kind;

emitted expander::join_input(uint32_t i, size_t port, const std::vector<bool>& wanted,
                             const join_parts& parts, join_side& side) {
  const auto& n = nodes_[i];
  auto in = input(n, port);
  const auto logical = logical_type(n.inputs[port]);
  project_spec s;
  auto type = std::make_shared<schema>();
  emitted e;
  e.map.assign(in.map.size(), dropped);
  bool plain = true;
  for (uint32_t c = 0; c < wanted.size(); ++c) {
    if (!wanted[c]) continue;
    plain &= in.map[c] == type->size();
    e.map[c] = static_cast<uint32_t>(type->size());
    if (in.type->event_time == in.map[c]) type->event_time = e.map[c];
    type->fields.push_back(logical->fields[c]);
    s.columns.push_back(column_ref(*in.type, in.map[c]));
  }
  for (const auto& k : parts.keys) {
    const auto& value = port == 0 ? k.left : k.right;
    side.null_safe.push_back(k.null_safe);
    if (const auto c = bare_column(value)) {
      side.keys.push_back(e.map[*c]);
      continue;
    }
    plain = false;
    side.keys.push_back(static_cast<uint32_t>(type->size()));
    type->fields.push_back({"key " + std::to_string(side.keys.size()), value->type});
    s.columns.push_back(remap(value, in.map));
  }
  const auto& life = port == 0 ? parts.left : parts.right;
  if (life) {
    side.time_column = e.map[life->column];
    side.retain_us = life->retain_us;
    side.ends_by_column = life->by_column;
    if (life->late) side.late_column = e.map[*life->late];
  }
  const auto changes = side.has_changes = at(in.op).emits_changes;
  if (plain && s.columns.size() == in.type->size()) {
    in.map = e.map;
    return in;
  }
  const auto* suffix = port == 0 ? "/left" : "/right";
  e.type = type;
  const auto parallelism = at(in.op).parallelism;
  e.op = add(n.step.id + suffix, name_of(n) + suffix, std::move(s), type, changes, parallelism);
  connect(in, e.op);
  return e;
}

std::array<std::vector<bool>, 2> expander::wanted_of_join(uint32_t i,
                                                          const join_parts& parts) const {
  const auto& n = nodes_[i];
  const auto lefts = static_cast<uint32_t>(logical_type(n.inputs[0])->size());
  std::array<std::vector<bool>, 2> wanted;
  for (size_t s : {0, 1}) wanted[s].resize(logical_type(n.inputs[s])->size());
  auto want = [&](uint32_t c) { c < lefts ? wanted[0][c] = true : wanted[1][c - lefts] = true; };
  for (uint32_t c = 0; c < n.output->size(); ++c)
    if (needs_[i][c]) want(c);
  if (parts.condition)
    for (auto c : expr::columns_of(*parts.condition)) want(c);
  for (const auto& k : parts.keys) {
    if (const auto c = bare_column(k.left)) wanted[0][*c] = true;
    if (const auto c = bare_column(k.right)) wanted[1][*c] = true;
  }
  for (size_t s : {0, 1}) {
    const auto& life = s == 0 ? parts.left : parts.right;
    if (!life) continue;
    wanted[s][life->column] = true;
    if (life->late) wanted[s][*life->late] = true;
  }
  return wanted;
}

status expander::emit_join(uint32_t i) {
  const auto& n = nodes_[i];
  if (looks_up(nodes_, n)) return emit_lookup(i);
  const auto parts = analyze_join(nodes_, n);
  const auto lefts = static_cast<uint32_t>(logical_type(n.inputs[0])->size());
  auto wanted = wanted_of_join(i, parts);
  for (size_t side : {0, 1}) {
    auto& w = wanted[side];
    if (std::find(w.begin(), w.end(), true) != w.end() || !parts.keys.empty()) continue;
    // Rows must have some column: one that is there, perhaps for another reader's sake.
    const auto there = input(n, side).map;
    const auto first =
        std::find_if(there.begin(), there.end(), [](uint32_t c) { return c != dropped; });
    w[static_cast<size_t>(first - there.begin())] = true;
  }
  join_spec s;
  s.kind = n.join;
  const auto left = join_input(i, 0, wanted[0], parts, s.left);
  const auto right = join_input(i, 1, wanted[1], parts, s.right);
  const auto left_columns = static_cast<uint32_t>(left.type->size());
  auto physical = [&](uint32_t c) {
    return c < lefts ? left.map[c] : left_columns + right.map[c - lefts];
  };
  read_condition(parts, s, physical);
  s.left.one_partner = has_one_partner(nodes_, n, false);
  s.right.one_partner = has_one_partner(nodes_, n, true);
  // Of the side whose time it is: a RIGHT JOIN may have become an inner one since it was bound.
  if (const auto time = n.output->event_time; time && time_[i] && timed_rows(nodes_, n)) {
    const auto& life = *time < lefts ? parts.left : parts.right;
    if (!life || life->by_column)
      return error{errc::internal, "the join " + n.step.id + " has lost its bound in time"};
    s.delay_us = life->retain_us;
  } else if (!time && time_[i] && times_of_sides(nodes_, n)) {
    // A projection's COALESCE of both may be read as the event time.
    s.delay_us = std::max(parts.left->retain_us, parts.right->retain_us);
  }
  auto e = join_result(i, s.output, physical);
  const auto left_keys = s.left.keys, right_keys = s.right.keys;
  const auto parallelism = left_keys.empty() ? 1 : n.parallelism;
  e.op = add(n.step.id, name_of(n), std::move(s), e.type, n.emits_changes, parallelism);
  connect(left, e.op, left_keys, 0);
  connect(right, e.op, right_keys, 1);
  out_[i] = std::move(e);
  return {};
}

status expander::emit_lookup(uint32_t i) {
  const auto& n = nodes_[i];
  const auto parts = analyze_join(nodes_, n);
  const auto table = *lookup_of(nodes_, n.inputs[1]);
  const auto lefts = static_cast<uint32_t>(logical_type(n.inputs[0])->size());
  auto wanted = wanted_of_join(i, parts);
  if (std::find(wanted[0].begin(), wanted[0].end(), true) == wanted[0].end() &&
      parts.keys.empty()) {
    const auto there = input(n, 0).map;
    const auto first =
        std::find_if(there.begin(), there.end(), [](uint32_t c) { return c != dropped; });
    wanted[0][static_cast<size_t>(first - there.begin())] = true;
  }
  lookup_spec s;
  s.kind = n.join;
  join_side side;
  const auto left = join_input(i, 0, wanted[0], parts, side);
  s.keys = side.keys;
  s.null_safe = side.null_safe;
  emitted from;
  WEIR_ASSIGN(s.table, source_of(table.scan, from));
  std::vector<expr::node_ptr> filters;
  for (const auto& f : table.filters) filters.push_back(remap(f, from.map));
  s.filter = join_and(std::move(filters));
  auto rows = std::make_shared<schema>();
  auto column = [&](std::string name, const expr::node_ptr& value) {
    rows->fields.push_back({std::move(name), value->type});
    s.columns.push_back(remap(value, from.map));
    return static_cast<uint32_t>(rows->size() - 1);
  };
  std::vector<uint32_t> right(wanted[1].size(), dropped);
  for (uint32_t c = 0; c < right.size(); ++c)
    if (wanted[1][c]) right[c] = column(table.columns[c].name, table.columns[c].value);
  for (size_t k = 0; k < parts.keys.size(); ++k) {
    const auto& value = parts.keys[k].right;
    const auto c = bare_column(value);
    s.table_keys.push_back(
        c ? right[*c] : column("key " + std::to_string(k + 1), substitute(value, table.columns)));
  }
  if (rows->fields.empty()) {
    auto there = std::make_shared<expr::node>();
    there->type = type_id::boolean;
    there->literal = scalar::of_bool(true);
    column("there", there);
  }
  s.rows = rows;
  for (auto c : latest_by(nodes_[table.scan])) {
    auto& keys = s.table.options[std::string(newest_by_option)];
    keys += (keys.empty() ? "" : "\n") + nodes_[table.scan].output->fields[c].name;
  }
  if (auto cache = s.table.options.find("cache"); cache != s.table.options.end()) {
    WEIR_ASSIGN(s.cache_us, duration_us(cache->second, "cache"));
  }
  const auto left_columns = static_cast<uint32_t>(left.type->size());
  auto physical = [&](uint32_t c) {
    return c < lefts ? left.map[c] : left_columns + right[c - lefts];
  };
  read_condition(parts, s, physical);
  auto e = join_result(i, s.output, physical);
  e.op = add(n.step.id, name_of(n), std::move(s), e.type, n.emits_changes, at(left.op).parallelism);
  connect(left, e.op);
  out_[i] = std::move(e);
  return {};
}

template <class Spec, class Physical>
void expander::read_condition(const join_parts& parts, Spec& s, Physical physical) {
  if (!parts.condition) return;
  const auto read = expr::columns_of(*parts.condition);
  std::vector<uint32_t> places(read.empty() ? 0 : read.back() + 1);
  for (auto c : read) {
    places[c] = static_cast<uint32_t>(s.condition_columns.size());
    s.condition_columns.push_back(physical(c));
  }
  s.condition = expr::remap_columns(parts.condition, places);
}

template <class Physical>
emitted expander::join_result(uint32_t i, std::vector<uint32_t>& output, Physical physical) const {
  auto e = needed_output(i);
  for (uint32_t c = 0; c < e.map.size(); ++c)
    if (e.map[c] != dropped) output.push_back(physical(c));
  return e;
}

}  // namespace weir::planner
