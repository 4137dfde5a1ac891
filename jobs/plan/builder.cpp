#include "jobs/plan/builder.hpp"

#include <algorithm>
#include <unordered_set>

#include "jobs/plan/join_times.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/lookups.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/base/units.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/plan/windows.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

const char* kind_text(kind k) {
  static constexpr const char* names[] = {"source", "filter", "project",  "flat_map", "aggregate",
                                          "tumble", "union",  "distinct", "operator", "join",
                                          "repeat", "settle", "sink",     "top_n",    "over"};
  return names[static_cast<size_t>(k)];
}

status unique_names(const schema& s, const char* what) {
  std::unordered_set<std::string_view> seen;
  for (const auto& f : s.fields)
    if (!seen.insert(f.name).second)
      return {errc::already_exists, std::string(what) + " has two columns \"" + f.name + "\""};
  return {};
}

std::vector<std::string> names_of(const schema& s) {
  std::vector<std::string> out;
  for (const auto& f : s.fields) out.push_back(f.name);
  return out;
}

std::optional<uint32_t> moved(const std::vector<named_expr>& columns,
                              std::optional<uint32_t> from) {
  if (!from) return {};
  for (uint32_t i = 0; i < columns.size(); ++i)
    if (bare_column(columns[i].value) == from) return i;
  return {};
}

}  // namespace

std::string quote_name(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

expr::node_ptr column_ref(const schema& s, uint32_t i) {
  return expr::make_column(s.fields[i].type, i);
}

std::optional<uint32_t> bare_column(const expr::node_ptr& n) {
  if (n->kind == expr::node_kind::column) return n->column;
  return {};
}

result<int64_t> duration_us(std::string_view text, std::string_view what) {
  auto plain = parse_duration_us(text, what);
  if (plain.ok()) return plain;
  auto interval = parse_interval(text);
  if (!interval) return plain;
  if (interval->months)
    return {errc::invalid_argument,
            std::string(what) + ": months have no fixed length; give days or less"};
  int64_t us = 0;
  if (__builtin_mul_overflow(int64_t{interval->days}, int64_t{86'400'000'000}, &us) ||
      __builtin_add_overflow(us, interval->micros, &us))
    return {errc::overflow, std::string(what) + ": \"" + std::string(text) + "\" is too long"};
  return us;
}

result<int64_t> state_ttl_us(std::string_view text) {
  WEIR_ASSIGN(auto us, duration_us(text, "state_ttl"));
  if (us != 0 && (us < state_ttl_min_us || us > state_ttl_max_us))
    return {errc::invalid_argument,
            "state_ttl is between 100ms and 10000 days, or 0s for state that stays"};
  return us;
}

result<schema_ptr> schema_of_table(const table_def& t) {
  auto s = std::make_shared<schema>();
  for (bool generated : {false, true})
    for (const auto& c : t.columns)
      if (!c.generated.empty() == generated) s->fields.push_back({c.name, c.type});
  WEIR_TRY(unique_names(*s, ("table \"" + t.name + "\"").c_str()));
  for (const auto& f : s->fields)
    if (has_list_of_lists(f.type))
      return {errc::unsupported, "column \"" + f.name + "\" of table \"" + t.name + "\" is " +
                                     to_string(f.type) +
                                     ": arrays of several dimensions are not supported"};
  auto time = t.options.find("event_time");
  if (time == t.options.end()) return schema_ptr(std::move(s));
  auto i = s->find(time->second);
  if (!i)
    return {errc::unknown_name, "event_time of table \"" + t.name + "\": there is no column \"" +
                                    time->second + "\"" + nearest_hint(time->second, names_of(*s))};
  if (s->fields[*i].type.id != type_id::timestamp)
    return {errc::type_mismatch, "event_time of table \"" + t.name + "\": column \"" +
                                     time->second + "\" is " + to_string(s->fields[*i].type) +
                                     ", but event time must be timestamp"};
  s->event_time = *i;
  return schema_ptr(std::move(s));
}

plan_builder::plan_builder(plan_settings s) : settings_(std::move(s)) {
  if (!settings_.custom) settings_.custom = library_resolver();
}

schema_ptr plan_builder::schema_of(relation r) const {
  const auto& n = nodes_[r.node];
  return r.port == 0 ? n.output : n.info.side_outputs[r.port - 1U].second;
}

/// kind + upstream ids + what it does + position among the steps that have all in common.
std::string plan_builder::position_id(std::string_view kind, std::string_view what,
                                      const std::vector<relation>& inputs) const {
  std::string path(kind);
  for (auto r : inputs)
    path += '/' + nodes_[r.node].step.id + (r.port ? ':' + std::to_string(r.port) : "");
  if (!what.empty()) path += '\n' + std::string(what);
  // FNV-1a: ids are part of snapshots, so their hash may never change.
  uint64_t h = 14695981039346656037ULL;
  for (unsigned char c : path) h = (h ^ c) * 1099511628211ULL;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%08llx",
                static_cast<unsigned long long>((h >> 32) ^ (h & UINT32_MAX)));
  std::string id = std::string(kind) + '-' + hex;
  uint32_t same = 0;
  for (const auto& n : nodes_)
    if (n.step.id == id || n.step.id.rfind(id + '-', 0) == 0) ++same;
  return same ? id + '-' + std::to_string(same + 1) : id;
}

relation plan_builder::add(logical_node n) {
  if (n.step.id.empty())
    n.step.id =
        position_id(n.what == kind::window ? to_string(n.window.shape.kind) : kind_text(n.what),
                    n.step.what, n.inputs);
  n.parallelism = n.step.parallelism;
  n.state_ttl_us = state_ttl_us_;
  // A step without a wish of its own runs where its input runs, so that both can fuse.
  if (!n.parallelism && n.inputs.size() == 1 &&
      (n.what == kind::filter || n.what == kind::project || n.what == kind::flat_map ||
       n.what == kind::window || n.what == kind::repeat || n.what == kind::sink))
    n.parallelism = nodes_[n.inputs[0].node].parallelism;
  // Sessions give rows when nothing can change them any longer.
  const bool settles = n.what == kind::settle ||
                       (n.what == kind::window && n.window.shape.kind == window_kind::session);
  if (n.what != kind::scan && n.what != kind::aggregate && !settles && n.what != kind::top_n &&
      n.what != kind::over)
    for (auto r : n.inputs) n.emits_changes |= nodes_[r.node].emits_changes;
  nodes_.push_back(std::move(n));
  return {static_cast<uint32_t>(nodes_.size() - 1), 0};
}

status check_time_options(const table_def& t) {
  for (const std::string name : {"watermark_delay", "allowed_lateness", "idle_timeout"}) {
    const auto o = t.options.find(name);
    if (o == t.options.end()) continue;
    auto us = duration_us(o->second, "option " + name);
    if (!us) return std::move(us).err();
    if (*us < 0)
      return {errc::invalid_argument, "option " + name + " '" + o->second + "' is no time to wait"};
    if (name != "idle_timeout" && !t.options.contains("event_time"))
      return {
          errc::invalid_argument,
          "option " + name + " of table \"" + t.name +
              "\" needs the option event_time, too: the timestamp that says when a row happened"};
  }
  return {};
}

namespace {

/// What gives a table's rows: its scan, or of upserts the step that keeps the newest ones.
uint32_t newest_of(const std::vector<logical_node>& nodes, uint32_t scan) {
  for (uint32_t i = scan + 1; i < nodes.size(); ++i)
    if (nodes[i].what == kind::top_n && nodes[i].top.upserts &&
        nodes[i].inputs[0] == relation{scan, 0})
      return i;
  return scan;
}

/// A table whose records say what a key's row is from now on.
status check_upserts(const table_def& t, const schema& physical) {
  const std::string who = is_keyed(t) ? "option keyed" : "format upsert_json";
  if (t.primary_key.empty())
    return {errc::invalid_argument, "table \"" + t.name + "\": " + who + " needs a PRIMARY KEY"};
  for (const auto& k : t.primary_key) {
    const auto c = physical.find(k);
    if (!c)
      return {errc::unknown_name, "table \"" + t.name + "\": the PRIMARY KEY names \"" + k +
                                      "\", which is no column that is read"};
    if (!is_comparable(physical.fields[*c].type))
      return {errc::type_mismatch, "table \"" + t.name + "\": \"" + k + "\" is " +
                                       to_string(physical.fields[*c].type) +
                                       ", which cannot be a key"};
  }
  if (t.options.count("split_size"))
    return {errc::invalid_argument,
            "option split_size: a file of " + std::string(is_keyed(t) ? "a keyed table" : who) +
                " is read as a whole, since its lines mean something in their order"};
  return {};
}

}  // namespace

result<relation> plan_builder::source(const table_def& t) {
  for (uint32_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].what == kind::scan && nodes_[i].table.name == t.name)
      return relation{newest_of(nodes_, i), 0};
  auto connector = t.options.find("connector");
  if (connector == t.options.end())
    return {errc::invalid_argument, "table \"" + t.name + "\" has no connector"};
  WEIR_TRY(check_options(connector->second, t.options, false));
  if (t.columns.empty())
    return {errc::invalid_argument, "table \"" + t.name + "\" is read, so it needs columns"};
  logical_node n;
  n.what = kind::scan;
  n.table = t;
  n.step.id = "source/" + t.name;
  n.step.name = t.name;
  WEIR_ASSIGN(const bool lookup, option_bool(t.options, "lookup", false));
  // Rows meet a table that is looked up as it is: what they found does not change with it.
  n.emits_changes = !lookup && is_change_format(t.options);
  WEIR_ASSIGN(n.output, schema_of_table(t));
  schema physical;
  for (const auto& c : t.columns)
    if (c.generated.empty()) physical.fields.push_back({c.name, c.type});
  if (physical.fields.empty())
    return {errc::invalid_argument, "table \"" + t.name + "\" has only generated columns"};
  WEIR_TRY(check_source_table(connector->second, t.name, physical, n.table.options));
  WEIR_TRY(check_time_options(t));
  if (is_upserted(t) || is_keyed(t)) WEIR_TRY(check_upserts(t, physical));
  if (lookup && connector->second != "file" && t.primary_key.empty())
    return {errc::invalid_argument,
            "table \"" + t.name +
                "\" is looked up (option lookup) in a topic, so it needs a "
                "PRIMARY KEY: a record takes the place of the one before it with the same key"};
  if (auto cache = t.options.find("cache"); cache != t.options.end()) {
    WEIR_ASSIGN(auto us, duration_us(cache->second, "cache"));
    if (us <= 0)
      return {errc::invalid_argument,
              "option cache is a time above 0, after which the table is "
              "read again"};
  }
  for (const auto& c : t.columns) {
    if (c.generated.empty()) continue;
    auto value =
        c.value ? result<expr::node_ptr>(c.value) : expr::bind_as(c.generated, physical, c.type);
    if (!value) return value.err().at("column \"" + c.name + "\" of table \"" + t.name + "\"");
    n.columns.push_back({c.name, *value});
  }
  if (!gives_upserts(t)) return add(std::move(n));
  // A file's lines are a sequence: one task reads them, and file after file.
  if (connector->second == "file") n.step.parallelism = 1;
  top_n_def newest;
  newest.last_arrived = newest.upserts = true;
  for (const auto& k : t.primary_key) newest.keys.push_back(*n.output->find(k));
  const auto id = n.step.id + "/newest";
  return top_n(add(std::move(n)), std::move(newest), {id, "", 0});
}

result<relation> plan_builder::filter(relation in, expr::node_ptr predicate, step_options o) {
  if (predicate->type.id != type_id::boolean)
    return {errc::type_mismatch,
            "the condition is " + to_string(predicate->type) + ", but boolean is needed"};
  if (!schema_of(in)->event_time && !o.parallelism)
    if (const auto joined = timed_join(nodes_, in, predicate, *this)) return *joined;
  logical_node n;
  n.what = kind::filter;
  n.step = std::move(o);
  n.inputs = {in};
  n.output = schema_of(in);
  n.window_start = nodes_[in.node].window_start;
  n.window_end = nodes_[in.node].window_end;
  n.predicate = std::move(predicate);
  return add(std::move(n));
}

result<relation> plan_builder::project(relation in, std::vector<named_expr> columns,
                                       step_options o) {
  if (columns.empty()) return {errc::invalid_argument, "no columns are selected"};
  const auto type = schema_of(in);
  auto out = std::make_shared<schema>();
  for (const auto& c : columns) out->fields.push_back({c.name, c.value->type});
  WEIR_TRY(unique_names(*out, "the result"));
  out->event_time = moved(columns, type->event_time);
  if (!type->event_time) out->event_time = coalesced_time(nodes_, in, columns);
  logical_node n;
  n.what = kind::project;
  n.step = std::move(o);
  n.inputs = {in};
  n.output = std::move(out);
  n.window_start = moved(columns, nodes_[in.node].window_start);
  n.window_end = moved(columns, nodes_[in.node].window_end);
  n.columns = std::move(columns);
  return add(std::move(n));
}

result<relation> plan_builder::flat_map(relation in, flat_map_def f, step_options o) {
  const bool unnest = f.function == "unnest";
  const auto from = f.argument->type.id;
  if (from != type_id::string && !(unnest && (from == type_id::json || from == type_id::list)))
    return {errc::type_mismatch, f.function + " takes " + (unnest ? "an array or json" : "text") +
                                     ", not " + to_string(f.argument->type)};
  data_type element = unnest ? type_id::json : type_id::string;
  if (from == type_id::list) element = f.argument->type.fields->front().type;
  // Both are part of the function's name, as the plan has it (runtime/operators/flat_map.cpp).
  if (f.outer) f.function += " outer";
  if (f.ordinality) {
    f.function += " ordinality";
    data_type numbered(type_id::struct_);
    numbered.fields = std::make_shared<std::vector<field>>(
        std::vector<field>{{"item", element}, {"ordinality", type_id::int64}});
    element = std::move(numbered);
  }
  logical_node n;
  n.what = kind::flat_map;
  n.step = std::move(o);
  n.inputs = {in};
  auto out = std::make_shared<schema>(*schema_of(in));
  out->fields.push_back({f.output_name, std::move(element)});
  WEIR_TRY(unique_names(*out, "the result"));
  n.output = std::move(out);
  n.window_start = nodes_[in.node].window_start;
  n.window_end = nodes_[in.node].window_end;
  n.flat = std::move(f);
  return add(std::move(n));
}

result<relation> plan_builder::window(relation in, window_def w, step_options o) {
  const auto type = schema_of(in);
  if (auto problem = problem_of(w.shape); !problem.empty())
    return {errc::invalid_argument, problem};
  if (!type->event_time)
    return {errc::invalid_argument,
            "a window needs event time: name the table's timestamp column with the option "
            "event_time, and keep it in the steps before the window"};
  logical_node n;
  n.what = kind::window;
  n.step = std::move(o);
  n.inputs = {in};
  auto out = std::make_shared<schema>(*type);
  n.window_start = static_cast<uint32_t>(out->size());
  out->fields.push_back({"window_start", type_id::timestamp});
  n.window_end = static_cast<uint32_t>(out->size());
  out->fields.push_back({"window_end", type_id::timestamp});
  WEIR_TRY(unique_names(*out, "the result"));
  // Rows of a session come when the watermark reaches its end.
  if (w.shape.kind == window_kind::session) out->event_time = n.window_end;
  n.output = std::move(out);
  n.window = std::move(w);
  return add(std::move(n));
}

/// Whether rows that agree in the keys, among them this bound of their window, are of one window:
/// whether the other bound may be a key, too, and nothing changes.
bool plan_builder::tells_window(relation in, uint32_t bound,
                                const std::vector<named_expr>& keys) const {
  std::vector<uint32_t> known;  // columns of `node` that are the same for all those rows
  for (const auto& k : keys)
    if (const auto c = bare_column(k.value)) known.push_back(*c);
  bool grouped = false;  // below: by more than the bounds
  auto node = in.node;
  const bool at_start = bound == nodes_[node].window_start;
  // Bounds come from the first input of whatever has them.
  for (; nodes_[node].what != kind::window; node = nodes_[node].inputs[0].node) {
    const auto& n = nodes_[node];
    if (n.inputs.empty() || n.inputs[0].port != 0) return false;
    std::vector<uint32_t> below;
    for (auto c : known) {
      if (n.what == kind::project || n.what == kind::aggregate) {
        if (c >= n.columns.size()) continue;
        if (const auto from = bare_column(n.columns[c].value)) below.push_back(*from);
      } else if (c < schema_of(n.inputs[0])->size()) {
        below.push_back(c);
      }
    }
    grouped |= n.what == kind::aggregate && n.columns.size() > 2;
    known = std::move(below);
  }
  const auto& w = nodes_[node].window;
  switch (w.shape.kind) {
    case window_kind::tumble:
    case window_kind::hop:
      return true;
    case window_kind::cumulate:
      return !at_start;  // one start has many ends
    case window_kind::session:
      break;
  }
  // Those of one key do not overlap.
  if (!w.keys) return !grouped;
  return std::all_of(w.keys->begin(), w.keys->end(), [&known](uint32_t c) {
    return std::find(known.begin(), known.end(), c) != known.end();
  });
}

result<relation> plan_builder::aggregate(relation in, aggregate_def a, step_options o) {
  const auto type = schema_of(in);
  const auto& from = nodes_[in.node];
  logical_node n;
  n.what = kind::aggregate;
  n.inputs = {in};
  if (from.window_start && from.window_end && in.port == 0) {
    auto is_key = [&a](uint32_t bound) {
      return std::any_of(a.keys.begin(), a.keys.end(),
                         [bound](const named_expr& k) { return bare_column(k.value) == bound; });
    };
    const auto start = *from.window_start, end = *from.window_end;
    const bool whole = a.by_window || (is_key(start) && tells_window(in, start, a.keys)) ||
                       (is_key(end) && tells_window(in, end, a.keys));
    for (auto w : {start, end})
      if (whole && !is_key(w)) a.keys.push_back({type->fields[w].name, column_ref(*type, w)});
  }
  auto out = std::make_shared<schema>();
  for (const auto& k : a.keys) out->fields.push_back({k.name, k.value->type});
  for (auto& c : a.calls) {
    WEIR_ASSIGN(c.type,
                aggregate_result_type(c.function, c.argument ? &c.argument->type : nullptr));
    out->fields.push_back({c.name, c.type});
  }
  if (out->fields.empty()) return {errc::invalid_argument, "neither keys nor aggregates are given"};
  WEIR_TRY(unique_names(*out, "the result"));
  n.window_start = moved(a.keys, from.window_start);
  n.window_end = moved(a.keys, from.window_end);
  // A window's row comes when the watermark reaches its end.
  out->event_time = n.window_end;
  n.final_only = a.final_only || n.window_end;
  n.emits_changes = !n.final_only;
  n.output = std::move(out);
  n.columns = std::move(a.keys);
  n.calls = std::move(a.calls);
  n.step = std::move(o);
  if (n.columns.empty()) {
    if (n.step.parallelism > 1)
      return {errc::invalid_argument, "an aggregate without keys runs once: its parallelism is 1"};
    n.step.parallelism = 1;
  }
  // Slices of windows without another key meet in one task.
  if (const auto* w = sliced_window(in); w && n.window_end) {
    n.window = w->window;
    if (n.window_start && n.columns.size() == 2) n.step.parallelism = 1;
  }
  return add(std::move(n));
}

const logical_node* plan_builder::sliced_window(relation r) const {
  const auto* n = &nodes_[r.node];
  while (n->what == kind::filter || n->what == kind::project || n->what == kind::flat_map)
    n = &nodes_[n->inputs[0].node];
  return n->what == kind::window && n->window.shape.kind != window_kind::tumble ? n : nullptr;
}

result<relation> plan_builder::unite(const std::vector<relation>& in, step_options o) {
  if (in.size() < 2) return {errc::invalid_argument, "a union needs two inputs or more"};
  logical_node n;
  n.what = kind::unite;
  n.step = std::move(o);
  n.inputs = in;
  auto out = std::make_shared<schema>(*schema_of(in[0]));
  for (size_t i = 1; i < in.size(); ++i) {
    const auto other = schema_of(in[i]);
    if (other->size() != out->size())
      return {errc::type_mismatch, "input 1 of the union has " + std::to_string(out->size()) +
                                       " columns, input " + std::to_string(i + 1) + " has " +
                                       std::to_string(other->size())};
    for (size_t c = 0; c < out->size(); ++c)
      if (!(other->fields[c].type == out->fields[c].type))
        return {errc::type_mismatch,
                "column " + std::to_string(c + 1) + " of the union is " +
                    to_string(out->fields[c].type) + " (\"" + out->fields[c].name +
                    "\") in input 1 and " + to_string(other->fields[c].type) + " (\"" +
                    other->fields[c].name + "\") in input " + std::to_string(i + 1)};
    if (other->event_time != out->event_time) out->event_time.reset();
  }
  n.output = std::move(out);
  return add(std::move(n));
}

result<relation> plan_builder::distinct(relation in, step_options o) {
  logical_node n;
  n.what = kind::distinct;
  n.step = std::move(o);
  n.inputs = {in};
  n.output = schema_of(in);
  return add(std::move(n));
}

result<relation> plan_builder::join(relation left, relation right, join_kind k,
                                    expr::node_ptr condition, step_options o) {
  if (condition && condition->type.id != type_id::boolean)
    return {errc::type_mismatch,
            "the condition is " + to_string(condition->type) + ", but boolean is needed"};
  WEIR_TRY(check_lookup(left, right, k));
  if (k == join_kind::inner && lookup_of(nodes_, left) && !lookup_of(nodes_, right)) {
    // The table stands right, and the columns as they were written.
    const auto l = static_cast<uint32_t>(schema_of(left)->size());
    const auto r = static_cast<uint32_t>(schema_of(right)->size());
    std::vector<uint32_t> map;
    for (uint32_t c = 0; c < l + r; ++c) map.push_back(c < l ? c + r : c - l);
    if (condition && !expr::columns_of(*condition).empty())
      condition = expr::remap_columns(condition, map);
    WEIR_ASSIGN(auto made, join(right, left, k, std::move(condition), std::move(o)));
    const auto type = schema_of(made);
    std::vector<named_expr> columns;
    for (auto c : map) columns.push_back({type->fields[c].name, column_ref(*type, c)});
    return project(made, std::move(columns), {nodes_[made.node].step.id + "/order", "", 0});
  }
  logical_node n;
  n.what = kind::join;
  n.join = k;
  n.inputs = {left, right};
  n.predicate = std::move(condition);
  n.step = std::move(o);
  const auto l = schema_of(left), r = schema_of(right);
  auto out = std::make_shared<schema>(*l);
  out->event_time.reset();
  if (!one_sided(k)) {
    std::unordered_set<std::string> taken;
    for (const auto& f : out->fields) taken.insert(f.name);
    for (auto f : r->fields) {
      const auto wanted = f.name;
      for (int i = 2; !taken.insert(f.name).second; ++i) f.name = wanted + '_' + std::to_string(i);
      out->fields.push_back(std::move(f));
    }
  }
  const auto parts = analyze_join(nodes_, n);
  if (looks_up(nodes_, n)) {
    // Rows pass as they come.
    out->event_time = l->event_time;
    n.window_start = nodes_[left.node].window_start;
    n.window_end = nodes_[left.node].window_end;
  }
  if (is_as_of(k)) {
    if (!parts.left)
      return {errc::invalid_argument, "an as-of join needs the event times of both sides"};
    // Rows leave when the watermark has passed them, before it goes on.
    out->event_time = l->event_time;
  }
  if (parts.windowed && k != join_kind::right && k != join_kind::full) {
    // All pairs of a window are there when the watermark reaches its end.
    n.window_start = nodes_[left.node].window_start;
    n.window_end = nodes_[left.node].window_end;
    out->event_time = n.window_end;
  }
  if (const auto time = timed_rows(nodes_, n)) out->event_time = time;
  n.output = std::move(out);
  n.emits_changes = join_changes(nodes_, n);
  return add(std::move(n));
}

status plan_builder::check_lookup(relation left, relation right, join_kind k) const {
  const auto l = lookup_of(nodes_, left), r = lookup_of(nodes_, right);
  if (!l && !r) return {};
  const auto& table = nodes_[(r ? r : l)->scan].table.name;
  const bool asks = k == join_kind::inner || k == join_kind::left || one_sided(k);
  if ((r && !asks) || (!r && k != join_kind::inner))
    return {errc::unsupported, "table \"" + table +
                                   "\" is looked up (option lookup), so it cannot stand on the " +
                                   (r ? "right" : "left") + " of a " + join_name(k) +
                                   "; leave the option out to read it once"};
  if (nodes_[(r ? left : right).node].emits_changes)
    return {errc::unsupported,
            "table \"" + table +
                "\" is looked up (option lookup) as it is now, by rows that change: what was found "
                "for a row could not be taken back with it; leave the option out to read it once"};
  return {};
}

result<relation> plan_builder::repeat(relation in, uint32_t count_column, step_options o) {
  const auto type = schema_of(in);
  if (type->fields[count_column].type.id != type_id::int64)
    return {errc::type_mismatch, "the number of times is " +
                                     to_string(type->fields[count_column].type) + ", not bigint"};
  logical_node n;
  n.what = kind::repeat;
  n.step = std::move(o);
  n.inputs = {in};
  auto out = std::make_shared<schema>(*type);
  out->fields.erase(out->fields.begin() + count_column);
  out->event_time.reset();
  n.output = std::move(out);
  n.count_column = count_column;
  return add(std::move(n));
}

result<relation> plan_builder::settle(relation in, step_options o) {
  logical_node n;
  n.what = kind::settle;
  n.step = std::move(o);
  n.inputs = {in};
  n.output = schema_of(in);
  return add(std::move(n));
}

/// Whether partitions by these keys are complete when the watermark reaches a window's end.
bool plan_builder::leaves_by_window(relation in, const std::vector<uint32_t>& keys) const {
  const auto& from = nodes_[in.node];
  return from.window_end && in.port == 0 && !from.emits_changes &&
         std::find(keys.begin(), keys.end(), *from.window_end) != keys.end();
}

result<relation> plan_builder::over(relation in, over_def d, step_options o) {
  using b = over_frame::bound;
  using f = over_function;
  logical_node n;
  n.what = kind::over;
  n.step = std::move(o);
  n.inputs = {in};
  auto out = std::make_shared<schema>(*schema_of(in));
  for (const auto& c : d.calls) out->fields.push_back({c.name, c.type});
  WEIR_TRY(unique_names(*out, "the result"));
  const auto& from = nodes_[in.node];
  n.window_start = from.window_start;
  n.window_end = from.window_end;
  const bool to_the_end = std::any_of(d.calls.begin(), d.calls.end(), [](const over_call& c) {
    const bool framed = c.function == f::first_value || c.function == f::last_value ||
                        c.function == f::nth_value || c.function == f::aggregate;
    return c.function == f::percent_rank || c.function == f::cume_dist || c.function == f::ntile ||
           (framed && (c.frame.end == b::unbounded_following ||
                       // How many groups follow is known only when they are there.
                       (c.frame.in == over_frame::unit::groups &&
                        (c.frame.end == b::following || c.frame.start == b::following))));
  });
  d.by_time = !from.emits_changes && out->event_time && d.order.size() == 1 && !to_the_end &&
              d.order[0] == order_term{*out->event_time, false, false};
  d.by_window = leaves_by_window(in, d.keys);
  d.by_time = d.by_time && !d.by_window;
  n.final_only = d.final_only || d.by_time || d.by_window;
  n.emits_changes = !n.final_only;
  // Rows come back with other results, or wait for those behind them: the watermark may be ahead.
  const bool looks_ahead = std::any_of(d.calls.begin(), d.calls.end(), [](const over_call& c) {
    return c.function == f::lead || c.frame.end == b::following || c.frame.start == b::following;
  });
  if (!d.by_time || looks_ahead) out->event_time.reset();
  if (d.by_window) out->event_time = n.window_end;
  n.output = std::move(out);
  if (d.keys.empty()) {
    if (n.step.parallelism > 1)
      return {errc::invalid_argument, "windows without keys run once: their parallelism is 1"};
    n.step.parallelism = 1;
  }
  n.over = std::move(d);
  return add(std::move(n));
}

result<relation> plan_builder::top_n(relation in, top_n_def t, step_options o) {
  logical_node n;
  n.what = kind::top_n;
  n.step = std::move(o);
  n.inputs = {in};
  auto out = std::make_shared<schema>(*schema_of(in));
  // Rows come back when better ones are taken away: no watermark is ahead of them. Upserts have the
  // times of the source's rows, as other changes that are read do.
  if (!t.upserts) out->event_time.reset();
  if (!t.number_name.empty()) out->fields.push_back({t.number_name, type_id::int64});
  WEIR_TRY(unique_names(*out, "the result"));
  n.window_start = nodes_[in.node].window_start;
  n.window_end = nodes_[in.node].window_end;
  t.by_window = leaves_by_window(in, t.keys);
  // A window's rows come when the watermark reaches its end.
  if (t.by_window) out->event_time = n.window_end;
  n.final_only = t.final_only || t.by_window;
  n.emits_changes = !n.final_only;
  n.output = std::move(out);
  if (t.keys.empty()) {
    if (n.step.parallelism > 1)
      return {errc::invalid_argument, "a top_n without keys runs once: its parallelism is 1"};
    n.step.parallelism = 1;
  }
  n.top = std::move(t);
  return add(std::move(n));
}

result<relation> plan_builder::custom(const std::vector<relation>& in, custom_def c,
                                      step_options o) {
  logical_node n;
  n.what = kind::custom;
  n.step = std::move(o);
  n.inputs = in;
  std::vector<schema_ptr> types;
  for (auto r : in) types.push_back(schema_of(r));
  for (const auto& k : c.keys) {
    auto i = types[0]->find(k);
    if (!i)
      return {errc::unknown_name,
              "key: there is no column \"" + k + "\"" + nearest_hint(k, names_of(*types[0]))};
    n.custom_keys.push_back(*i);
  }
  if (!n.custom_keys.empty() && in.size() > 1)
    return {errc::unsupported, "a keyed operator takes one input; unite its inputs first"};
  WEIR_ASSIGN(n.info, settings_.custom(c, types, settings_.base_dir));
  n.output = n.info.output;
  n.custom = std::move(c);
  return add(std::move(n));
}

result<relation> plan_builder::side_output(relation r, std::string_view name) const {
  const auto& n = nodes_[r.node];
  std::vector<std::string> names;
  for (size_t i = 0; i < n.info.side_outputs.size(); ++i) {
    if (n.info.side_outputs[i].first == name) return relation{r.node, static_cast<uint16_t>(i + 1)};
    names.push_back(n.info.side_outputs[i].first);
  }
  return {errc::unknown_name,
          "there is no side output \"" + std::string(name) + "\"" + nearest_hint(name, names)};
}

}  // namespace weir::planner
