// Logical graph -> physical plan: sources, sinks, and what takes rows one by one.
#include <filesystem>
#include <set>

#include "jobs/plan/error_policies.hpp"
#include "jobs/plan/expander.hpp"
#include "jobs/plan/growth.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/split_filters.hpp"

namespace weir::planner {

using kind = logical_node::kind;

namespace {

/// The folder or file that a file table's path names; nothing for other tables.
template <class Spec>
std::optional<std::filesystem::path> path_of(const operator_node& n) {
  const auto* s = std::get_if<Spec>(&n.spec);
  if (!s || s->connector != "file") return {};
  const auto option = s->options.find("path");
  if (option == s->options.end()) return {};
  auto path = (std::filesystem::path(s->base_dir) / option->second).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

/// A sink replaces the files of its folder while the job runs: who reads them in the same job would
/// miss rows, or read those that it has just written.
status check_not_read_back(const physical_plan& plan, std::string* failed) {
  std::set<std::filesystem::path> written;
  for (const auto& n : plan.operators)
    if (auto path = path_of<sink_spec>(n)) written.insert(std::move(*path));
  for (const auto& n : plan.operators) {
    const auto path = path_of<source_spec>(n);
    if (!path || !written.contains(*path)) continue;
    if (failed) *failed = n.id;
    return {errc::unsupported,
            "the job reads and writes the folder of option path, whose files are replaced while it "
            "runs; write to another folder, or read a view of the query that writes it"};
  }
  return {};
}

}  // namespace

result<physical_plan> expander::run(std::string* failed) {
  rewrite(nodes_);
  auto needed = find_needs(nodes_);
  live_ = std::move(needed.live);
  time_ = std::move(needed.time);
  needs_ = std::move(needed.columns);
  plan_.name = settings_.name;
  plan_.mode = settings_.mode;
  plan_.key_groups = settings_.key_groups;
  plan_.parallelism = settings_.parallelism;
  out_.resize(nodes_.size());
  std::vector<int64_t> ttls;  // by operator
  const auto looked_up = only_looked_up(nodes_);
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (live_[i] && !looked_up[i])
      if (auto done = emit(i); !done) {
        if (failed) *failed = nodes_[i].step.id;
        return std::move(done).err();
      }
    ttls.resize(plan_.operators.size(), nodes_[i].state_ttl_us);
  }
  WEIR_TRY(check_not_read_back(plan_, failed));
  apply_state_ttls(plan_, ttls);
  spread_error_policies(plan_);
  drop_exchanges(plan_);
  add_preselections(plan_);
  WEIR_TRY(validate(plan_));
  return std::move(plan_);
}

operator_index expander::add(std::string id, std::string name, operator_spec spec,
                             schema_ptr output, bool changes, uint32_t parallelism) {
  operator_node n;
  n.id = std::move(id);
  n.name = std::move(name);
  n.spec = std::move(spec);
  n.output = std::move(output);
  n.emits_changes = changes;
  n.parallelism = parallelism;
  plan_.operators.push_back(std::move(n));
  return operator_index(static_cast<uint32_t>(plan_.operators.size() - 1));
}

void expander::connect(const emitted& from, operator_index to, std::vector<uint32_t> keys,
                       uint16_t to_port) {
  plan_edge e;
  e.from = from.op;
  e.from_port = from.port;
  e.to = to;
  e.to_port = to_port;
  e.keys = std::move(keys);
  const bool as_wide = at(from.op).parallelism == at(to).parallelism;
  if (e.keys.empty() && !as_wide && from.port == 0 && at(from.op).emits_changes &&
      at(to).parallelism != 1)
    e.keys = identity(at(from.op).output->size());
  e.exchange = !e.keys.empty() ? exchange_kind::hash
               : as_wide       ? exchange_kind::forward
                               : exchange_kind::rebalance;
  plan_.edges.push_back(std::move(e));
}

emitted expander::input(const logical_node& n, size_t port) const {
  auto r = n.inputs[port];
  if (r.port == 0) return out_[r.node];
  emitted e;
  e.op = out_[r.node].op;
  e.port = r.port;
  e.type = logical_type(r);
  for (uint32_t c = 0; c < e.type->size(); ++c) e.map.push_back(c);
  return e;
}

status expander::emit(uint32_t i) {
  const auto& n = nodes_[i];
  switch (n.what) {
    case kind::scan:
      return emit_scan(i);
    case kind::filter:
      return emit_filter(i);
    case kind::project:
      return emit_project(i);
    case kind::flat_map:
      return emit_flat_map(i);
    case kind::window:
      return emit_window(i);
    case kind::aggregate:
      return emit_aggregate(i);
    case kind::unite:
      return emit_union(i);
    case kind::distinct:
    case kind::settle:
      return emit_whole_rows(i);
    case kind::custom:
      return emit_custom(i);
    case kind::join:
      return emit_join(i);
    case kind::repeat:
      return emit_repeat(i);
    case kind::sink:
      return emit_sink(i);
    case kind::top_n:
      return emit_top_n(i);
    case kind::over:
      return emit_over(i);
  }
  return {};
}

result<source_spec> expander::source_of(uint32_t i, emitted& e) const {
  const auto& n = nodes_[i];
  const auto generated_from = n.output->size() - n.columns.size();
  // Generated columns that are needed bring the columns that they read, which the source may keep
  // to itself no longer: its output is all that it parses.
  std::vector<bool> wanted = needs_[i];
  for (size_t g = 0; g < n.columns.size(); ++g)
    if (wanted[generated_from + g])
      for (auto c : expr::columns_of(*n.columns[g].value)) wanted[c] = true;
  source_spec s;
  s.connector = n.table.options.at("connector");
  s.options = n.table.options;
  s.base_dir = settings_.base_dir;
  for (size_t c = 0; c < generated_from; ++c) s.table_columns.push_back(n.output->fields[c].name);
  auto type = std::make_shared<schema>();
  e.map.assign(n.output->size(), dropped);
  for (uint32_t c = 0; c < n.output->size(); ++c) {
    if (!wanted[c]) continue;
    e.map[c] = static_cast<uint32_t>(type->size());
    type->fields.push_back(n.output->fields[c]);
    // Without its key nobody knows whose row a record is; a topic that is looked up says so itself.
    if (gives_upserts(n.table))
      type->fields.back().nullable =
          std::find(n.table.primary_key.begin(), n.table.primary_key.end(),
                    type->fields.back().name) == n.table.primary_key.end();
    if (c < generated_from)
      ++s.physical_columns;
    else
      s.generated.push_back(remap(n.columns[c - generated_from].value, e.map));
  }
  if (n.output->event_time && wanted[*n.output->event_time] && time_[i])
    type->event_time = e.map[*n.output->event_time];
  WEIR_TRY(fill_time_and_errors(n, s));
  s.columns = type;
  e.type = type;
  return s;
}

status expander::emit_scan(uint32_t i) {
  const auto& n = nodes_[i];
  if (lookup_of(nodes_, {i, 0}))
    return {errc::unsupported,
            "table \"" + n.table.name +
                "\" is looked up (option lookup), so rows only meet it as the right side of JOIN "
                "or LEFT JOIN, perhaps filtered, in EXISTS and in IN; leave the option out to "
                "read it once"};
  emitted e;
  WEIR_ASSIGN(auto s, source_of(i, e));
  WEIR_ASSIGN(auto of_files, split_filter_of(nodes_, i));
  s.split_filter = remap(of_files, e.map);
  e.op = add(n.step.id, name_of(n), std::move(s), e.type, n.emits_changes, n.parallelism);
  out_[i] = std::move(e);
  return {};
}

status expander::fill_time_and_errors(const logical_node& n, source_spec& s) {
  const auto& o = n.table.options;
  if (auto v = o.find("watermark_delay"); v != o.end()) {
    WEIR_ASSIGN(s.watermark_delay_us, duration_us(v->second, "watermark_delay"));
  }
  // Windows answer once, so that staying open longer is waiting longer, for all that reads time.
  if (auto v = o.find("allowed_lateness"); v != o.end()) {
    WEIR_ASSIGN(auto more, duration_us(v->second, "allowed_lateness"));
    if (more < 0 || __builtin_add_overflow(s.watermark_delay_us, more, &s.watermark_delay_us))
      return {errc::invalid_argument, "table \"" + n.table.name + "\": allowed_lateness = '" +
                                          v->second + "' is no time to wait"};
  }
  auto follow = o.find("follow");
  const bool may_idle = s.connector == "stdin" ||
                        (follow != o.end() && follow->second != "false" && follow->second != "0");
  // A split of bounded input always has data, so that one which is read later is not idle; its
  // rows would be late if it left the minimum.
  s.idle_timeout_us = may_idle ? 60'000'000 : 0;
  if (auto v = o.find("idle_timeout"); v != o.end()) {
    WEIR_ASSIGN(s.idle_timeout_us, duration_us(v->second, "idle_timeout"));
  }
  if (auto v = o.find("on_error"); v != o.end())
    s.on_error = v->second == "skip"          ? error_policy::skip
                 : v->second == "dead_letter" ? error_policy::dead_letter
                                              : error_policy::fail;
  if (auto v = o.find("dead_letter_path"); v != o.end()) s.dead_letter_path = v->second;
  if (s.on_error == error_policy::dead_letter && s.dead_letter_path.empty() &&
      !o.contains("dead_letter_topic"))
    return {errc::invalid_argument, "table \"" + n.table.name +
                                        "\": on_error = dead_letter needs dead_letter_path or "
                                        "dead_letter_topic"};
  return {};
}

status expander::emit_filter(uint32_t i) {
  const auto& n = nodes_[i];
  auto in = input(n);
  auto op = add(n.step.id, name_of(n), filter_spec{remap(n.predicate, in.map)}, in.type,
                n.emits_changes, n.parallelism);
  connect(in, op);
  out_[i] = {op, 0, in.type, in.map};
  return {};
}

status expander::emit_project(uint32_t i) {
  const auto& n = nodes_[i];
  auto in = input(n);
  project_spec s;
  auto type = std::make_shared<schema>();
  emitted e;
  e.map.assign(n.columns.size(), dropped);
  for (uint32_t c = 0; c < n.columns.size(); ++c) {
    if (!needs_[i][c]) continue;
    e.map[c] = static_cast<uint32_t>(type->size());
    type->fields.push_back(n.output->fields[c]);
    s.columns.push_back(remap(n.columns[c].value, in.map));
    if (n.output->event_time == c) type->event_time = e.map[c];
  }
  e.type = type;
  e.op = add(n.step.id, name_of(n), std::move(s), type, n.emits_changes, n.parallelism);
  connect(in, e.op);
  out_[i] = std::move(e);
  return {};
}

status expander::emit_flat_map(uint32_t i) {
  const auto& n = nodes_[i];
  auto in = input(n);
  flat_map_spec s;
  s.function = n.flat.function;
  s.argument = remap(n.flat.argument, in.map);
  s.delimiter = n.flat.delimiter;
  auto type = std::make_shared<schema>();
  emitted e;
  e.map.assign(n.output->size(), dropped);
  for (uint32_t c = 0; c + 1 < n.output->size(); ++c) {
    if (!needs_[i][c] || in.map[c] == dropped) continue;
    e.map[c] = static_cast<uint32_t>(type->size());
    type->fields.push_back(n.output->fields[c]);
    if (in.type->event_time == in.map[c]) type->event_time = e.map[c];
    s.kept.push_back(in.map[c]);
  }
  e.map.back() = static_cast<uint32_t>(type->size());
  type->fields.push_back(n.output->fields.back());
  e.type = type;
  e.op = add(n.step.id, name_of(n), std::move(s), type, n.emits_changes, n.parallelism);
  connect(in, e.op);
  out_[i] = std::move(e);
  return {};
}

emitted expander::aligned(const logical_node& n, uint32_t i, size_t port) {
  const auto in = input(n, port);
  std::vector<uint32_t> want;
  for (uint32_t c = 0; c < n.output->size(); ++c)
    if (needs_[i][c]) want.push_back(in.map[c]);
  return chosen(n, in, want, "/input-" + std::to_string(port + 1));
}

emitted expander::chosen(const logical_node& n, const emitted& in,
                         const std::vector<uint32_t>& columns, const std::string& suffix) {
  if (columns == identity(in.type->size())) return {in.op, in.port, in.type, {}};
  project_spec s;
  auto type = std::make_shared<schema>();
  for (auto c : columns) {
    if (in.type->event_time == c) type->event_time = static_cast<uint32_t>(type->size());
    type->fields.push_back(in.type->fields[c]);
    s.columns.push_back(column_ref(*in.type, c));
  }
  const auto changes = at(in.op).emits_changes;
  const auto parallelism = at(in.op).parallelism;
  auto op = add(n.step.id + suffix, name_of(n) + suffix, std::move(s), type, changes, parallelism);
  connect(in, op);
  return {op, 0, type, {}};
}

emitted expander::needed_output(uint32_t i) const {
  const auto& n = nodes_[i];
  auto type = std::make_shared<schema>();
  emitted e;
  e.map.assign(n.output->size(), dropped);
  for (uint32_t c = 0; c < n.output->size(); ++c) {
    if (!needs_[i][c]) continue;
    e.map[c] = static_cast<uint32_t>(type->size());
    if (n.output->event_time == c) type->event_time = e.map[c];
    type->fields.push_back(n.output->fields[c]);
  }
  e.type = type;
  return e;
}

status expander::emit_union(uint32_t i) {
  const auto& n = nodes_[i];
  std::vector<emitted> ins;
  for (size_t port = 0; port < n.inputs.size(); ++port) ins.push_back(aligned(n, i, port));
  auto e = needed_output(i);
  e.op = add(n.step.id, name_of(n), union_spec{}, e.type, n.emits_changes, n.parallelism);
  for (size_t port = 0; port < ins.size(); ++port)
    connect(ins[port], e.op, {}, static_cast<uint16_t>(port));
  out_[i] = std::move(e);
  return {};
}

emitted expander::exact(const logical_node& n, size_t port) {
  auto in = input(n, port);
  if (in.map == identity(in.type->size())) return in;
  project_spec s;
  const auto logical = logical_type(n.inputs[port]);
  auto type = std::make_shared<schema>(*logical);
  if (!in.type->event_time) type->event_time.reset();
  for (auto c : in.map) s.columns.push_back(column_ref(*in.type, c));
  auto suffix = n.inputs.size() > 1 ? "/input-" + std::to_string(port + 1) : "/columns";
  const auto changes = at(in.op).emits_changes;
  const auto parallelism = at(in.op).parallelism;
  auto op = add(n.step.id + suffix, name_of(n) + suffix, std::move(s), type, changes, parallelism);
  connect(in, op);
  return {op, 0, type, identity(type->size())};
}

status expander::emit_custom(uint32_t i) {
  const auto& n = nodes_[i];
  std::vector<emitted> ins;
  for (size_t port = 0; port < n.inputs.size(); ++port) ins.push_back(exact(n, port));
  custom_spec s;
  s.library = n.info.library;
  s.class_name = n.custom.class_name;
  s.parameters = n.custom.parameters;
  s.keys = n.custom_keys;
  for (const auto& side : n.info.side_outputs) s.side_outputs.push_back(side.second);
  auto op = add(n.step.id, name_of(n), std::move(s), n.output, n.emits_changes, n.parallelism);
  for (size_t port = 0; port < ins.size(); ++port)
    connect(ins[port], op, n.custom_keys, static_cast<uint16_t>(port));
  out_[i] = {op, 0, n.output, identity(n.output->size())};
  return {};
}

status expander::emit_repeat(uint32_t i) {
  const auto& n = nodes_[i];
  const auto in = input(n);
  const auto count = in.map[n.count_column];
  auto type = std::make_shared<schema>(*in.type);
  type->fields.erase(type->fields.begin() + count);
  type->event_time.reset();
  emitted e;
  e.map = in.map;
  e.map.erase(e.map.begin() + n.count_column);
  for (auto& c : e.map)
    if (c != dropped && c > count) --c;
  e.type = type;
  e.op = add(n.step.id, name_of(n), repeat_spec{count}, type, n.emits_changes, n.parallelism);
  connect(in, e.op);
  out_[i] = std::move(e);
  return {};
}

status expander::emit_sink(uint32_t i) {
  const auto& n = nodes_[i];
  auto in = exact(n, 0);
  sink_spec s;
  s.connector = n.table.options.at("connector");
  s.options = n.table.options;
  s.base_dir = settings_.base_dir;
  s.columns = n.output;
  s.final_only = settings_.final_output && s.connector == "stdout";
  s.order = n.table.order;
  s.hidden_columns = n.table.hidden;
  s.with_changes = s.connector == "stdout" && plan_.operators[in.op.value].emits_changes;
  for (const auto& k : n.table.primary_key) s.keys.push_back(*n.output->find(k));
  // What is written of one key must come through one place: in its order.
  const bool by_key = at(in.op).emits_changes || is_change_format(n.table.options);
  const auto keys = by_key ? s.keys : std::vector<uint32_t>{};
  auto op = add(n.step.id, name_of(n), std::move(s), nullptr, false, n.parallelism);
  connect(in, op, keys);
  return {};
}

result<physical_plan> expand(const plan_settings& s, const std::vector<logical_node>& nodes,
                             std::string* failed) {
  return expander(s, nodes).run(failed);
}

}  // namespace weir::planner
