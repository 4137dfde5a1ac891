// Logical graph -> physical plan: backward over the graph to find the columns that are needed
// (needs.cpp), then forward to emit operators over just those.
#include <algorithm>
#include <array>
#include <set>

#include "jobs/plan/builder.hpp"
#include "jobs/plan/error_policies.hpp"
#include "jobs/plan/growth.hpp"
#include "jobs/plan/joins.hpp"
#include "jobs/plan/key_ends.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/needs.hpp"
#include "jobs/plan/split_filters.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/key_codec.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;
constexpr uint32_t dropped = UINT32_MAX;

/// A physical operator's output as consumers of the logical node see it.
struct emitted {
  operator_index op;
  uint16_t port = 0;
  schema_ptr type;
  std::vector<uint32_t> map;  // logical column -> physical column
};

class expander {
 public:
  expander(const plan_settings& s, std::vector<logical_node> nodes)
      : settings_(s), nodes_(std::move(nodes)) {}

  result<physical_plan> run() {
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
      if (live_[i] && !looked_up[i]) WEIR_TRY(emit(i));
      ttls.resize(plan_.operators.size(), nodes_[i].state_ttl_us);
    }
    apply_state_ttls(plan_, ttls);
    spread_error_policies(plan_);
    drop_exchanges(plan_);
    add_preselections(plan_);
    WEIR_TRY(validate(plan_));
    return std::move(plan_);
  }

 private:
  schema_ptr logical_type(relation r) const { return output_of(nodes_, r); }
  // --- forward ---

  operator_index add(std::string id, std::string name, operator_spec spec, schema_ptr output,
                     bool changes, uint32_t parallelism) {
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
  static std::string name_of(const logical_node& n) {
    return n.step.name.empty() ? n.step.id : n.step.name;
  }
  const operator_node& at(operator_index i) const { return plan_.operators[i.value]; }

  /// forward where both sides have the same parallelism, hash by keys, else rebalance.
  void connect(const emitted& from, operator_index to, std::vector<uint32_t> keys = {},
               uint16_t to_port = 0) {
    plan_edge e;
    e.from = from.op;
    e.from_port = from.port;
    e.to = to;
    e.to_port = to_port;
    e.keys = std::move(keys);
    e.exchange = !e.keys.empty()                                 ? exchange_kind::hash
                 : at(from.op).parallelism == at(to).parallelism ? exchange_kind::forward
                                                                 : exchange_kind::rebalance;
    plan_.edges.push_back(std::move(e));
  }
  emitted input(const logical_node& n, size_t port = 0) const {
    auto r = n.inputs[port];
    if (r.port == 0) return out_[r.node];
    emitted e;
    e.op = out_[r.node].op;
    e.port = r.port;
    e.type = logical_type(r);
    for (uint32_t c = 0; c < e.type->size(); ++c) e.map.push_back(c);
    return e;
  }
  static std::vector<uint32_t> identity(size_t n) {
    std::vector<uint32_t> m(n);
    for (uint32_t i = 0; i < n; ++i) m[i] = i;
    return m;
  }
  static expr::node_ptr remap(const expr::node_ptr& e, const std::vector<uint32_t>& map) {
    return e ? expr::remap_columns(e, map) : e;
  }

  status emit(uint32_t i) {
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

  /// A table as a source reads it; `e` gets the type and the places of its columns.
  result<source_spec> source_of(uint32_t i, emitted& e) const {
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
  status emit_scan(uint32_t i) {
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

  static status fill_time_and_errors(const logical_node& n, source_spec& s) {
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

  status emit_filter(uint32_t i) {
    const auto& n = nodes_[i];
    auto in = input(n);
    auto op = add(n.step.id, name_of(n), filter_spec{remap(n.predicate, in.map)}, in.type,
                  n.emits_changes, n.parallelism);
    connect(in, op);
    out_[i] = {op, 0, in.type, in.map};
    return {};
  }

  status emit_project(uint32_t i) {
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

  status emit_flat_map(uint32_t i) {
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

  status emit_window(uint32_t i) {
    const auto& n = nodes_[i];
    auto in = input(n);
    window_spec s;
    s.time_column = in.map[*logical_type(n.inputs[0])->event_time];
    s.shape = n.window.shape;
    s.slices = n.sliced;
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

  static bool is_session(const logical_node& n) {
    return n.sliced && n.window.shape.kind == window_kind::session;
  }
  /// min and max of the rows' times, behind the calls of an aggregate over sessions.
  static void add_bounds(const logical_node& n, const emitted& in,
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

  /// A projection in front of an aggregate: the keys, then what the calls read.
  emitted narrow(const logical_node& n, const emitted& in, const char* suffix) {
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

  status emit_aggregate(uint32_t i) {
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

  /// The input with exactly the columns that the union carries.
  emitted aligned(const logical_node& n, uint32_t i, size_t port) {
    auto in = input(n, port);
    std::vector<uint32_t> want;
    for (uint32_t c = 0; c < n.output->size(); ++c)
      if (needs_[i][c]) want.push_back(in.map[c]);
    if (want == identity(in.type->size())) return in;
    project_spec s;
    auto type = std::make_shared<schema>();
    for (auto c : want) {
      if (in.type->event_time == c) type->event_time = static_cast<uint32_t>(type->size());
      type->fields.push_back(in.type->fields[c]);
      s.columns.push_back(column_ref(*in.type, c));
    }
    auto suffix = "/input-" + std::to_string(port + 1);
    const auto changes = at(in.op).emits_changes;
    const auto parallelism = at(in.op).parallelism;
    auto op =
        add(n.step.id + suffix, name_of(n) + suffix, std::move(s), type, changes, parallelism);
    connect(in, op);
    return {op, 0, type, {}};
  }

  status emit_union(uint32_t i) {
    const auto& n = nodes_[i];
    std::vector<emitted> ins;
    for (size_t port = 0; port < n.inputs.size(); ++port) ins.push_back(aligned(n, i, port));
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
    e.op = add(n.step.id, name_of(n), union_spec{}, type, n.emits_changes, n.parallelism);
    for (size_t port = 0; port < ins.size(); ++port)
      connect(ins[port], e.op, {}, static_cast<uint16_t>(port));
    out_[i] = std::move(e);
    return {};
  }

  status emit_whole_rows(uint32_t i) {
    const auto& n = nodes_[i];
    auto in = exact(n, 0);
    const auto spec = n.what == kind::settle ? operator_spec(settle_spec{}) : distinct_spec{};
    auto op = add(n.step.id, name_of(n), spec, in.type, n.emits_changes, n.parallelism);
    connect(in, op, identity(in.type->size()));
    out_[i] = {op, 0, in.type, identity(in.type->size())};
    return {};
  }

  /// The input with the columns that `wanted` (by logical column) says, and nothing else.
  emitted reduced(const logical_node& n, const std::vector<bool>& wanted) {
    auto in = input(n);
    std::vector<uint32_t> want;
    emitted e;
    e.map.assign(in.map.size(), dropped);
    for (uint32_t c = 0; c < in.map.size(); ++c) {
      if (!wanted[c]) continue;
      e.map[c] = static_cast<uint32_t>(want.size());
      want.push_back(in.map[c]);
    }
    if (want == identity(in.type->size())) {
      e.op = in.op;
      e.port = in.port;
      e.type = in.type;
      return e;
    }
    project_spec s;
    auto type = std::make_shared<schema>();
    for (auto c : want) {
      if (in.type->event_time == c) type->event_time = static_cast<uint32_t>(type->size());
      type->fields.push_back(in.type->fields[c]);
      s.columns.push_back(column_ref(*in.type, c));
    }
    e.type = type;
    const auto changes = at(in.op).emits_changes;
    const auto parallelism = at(in.op).parallelism;
    e.op = add(n.step.id + "/columns", name_of(n) + "/columns", std::move(s), type, changes,
               parallelism);
    connect(in, e.op);
    return e;
  }
  /// Operators that keep whole rows keep them by their columns.
  static status check_kept_rows(const schema& s, const char* what) {
    if (s.size() > key_codec::keys_max)
      return {errc::unsupported, std::string(what) + " over rows of " + std::to_string(s.size()) +
                                     " columns: at most " + std::to_string(key_codec::keys_max) +
                                     " are supported; select fewer"};
    return {};
  }
  static std::vector<order_term> remap(std::vector<order_term> order,
                                       const std::vector<uint32_t>& map) {
    for (auto& t : order) t.column = map[t.column];
    return order;
  }

  static uint32_t place_of(const std::vector<uint32_t>& keys, uint32_t column) {
    return static_cast<uint32_t>(std::find(keys.begin(), keys.end(), column) - keys.begin());
  }

  /// Window functions of which nobody reads one: the rows, once where they were to leave once.
  status pass_over(uint32_t i, std::vector<bool> wanted) {
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

  status emit_over(uint32_t i) {
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
    WEIR_TRY(check_kept_rows(*in.type, "OVER"));
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

  status emit_top_n(uint32_t i) {
    const auto& n = nodes_[i];
    const auto columns = logical_type(n.inputs[0])->size();
    auto wanted = needs_[i];
    wanted.resize(columns);
    for (auto k : n.top.keys) wanted[k] = true;
    for (const auto& t : n.top.order) wanted[t.column] = true;
    const auto end = end_of_partitions(nodes_, n);
    if (end) wanted[end->column] = true;
    auto in = reduced(n, wanted);
    WEIR_TRY(check_kept_rows(
        *in.type, n.top.last_arrived ? "One row per PRIMARY KEY" : "ORDER BY with a limit"));
    top_n_spec s;
    for (auto k : n.top.keys) s.keys.push_back(in.map[k]);
    s.order = remap(n.top.order, in.map);
    s.function = n.top.function;
    s.offset = n.top.offset;
    s.limit = n.top.limit;
    s.with_ties = n.top.with_ties;
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
    type->event_time.reset();
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

  /// The input with all its logical columns and nothing else: a source may carry more (what its
  /// generated columns read), and so may what only filters it.
  emitted exact(const logical_node& n, size_t port) {
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
    auto op =
        add(n.step.id + suffix, name_of(n) + suffix, std::move(s), type, changes, parallelism);
    connect(in, op);
    return {op, 0, type, identity(type->size())};
  }

  status emit_custom(uint32_t i) {
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

  /// One side of a join: the columns that it must have and its keys, in front of the exchange.
  emitted join_input(uint32_t i, size_t port, const std::vector<bool>& wanted,
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

  /// Of each side of a join what the output has, what the condition reads, the keys and the time.
  std::array<std::vector<bool>, 2> wanted_of_join(uint32_t i, const join_parts& parts) const {
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

  status emit_join(uint32_t i) {
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
    auto e = join_result(i, s.output, physical);
    const auto left_keys = s.left.keys, right_keys = s.right.keys;
    const auto parallelism = left_keys.empty() ? 1 : n.parallelism;
    e.op = add(n.step.id, name_of(n), std::move(s), e.type, n.emits_changes, parallelism);
    connect(left, e.op, left_keys, 0);
    connect(right, e.op, right_keys, 1);
    out_[i] = std::move(e);
    return {};
  }

  /// A join that looks its right side up: its filters and columns are the lookup's.
  status emit_lookup(uint32_t i) {
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
    if (auto cache = s.table.options.find("cache"); cache != s.table.options.end()) {
      WEIR_ASSIGN(s.cache_us, duration_us(cache->second, "cache"));
    }
    const auto left_columns = static_cast<uint32_t>(left.type->size());
    auto physical = [&](uint32_t c) {
      return c < lefts ? left.map[c] : left_columns + right[c - lefts];
    };
    read_condition(parts, s, physical);
    auto e = join_result(i, s.output, physical);
    e.op =
        add(n.step.id, name_of(n), std::move(s), e.type, n.emits_changes, at(left.op).parallelism);
    connect(left, e.op);
    out_[i] = std::move(e);
    return {};
  }

  /// What is asked of each pair, over the columns that it reads.
  template <class Spec, class Physical>
  static void read_condition(const join_parts& parts, Spec& s, Physical physical) {
    if (!parts.condition) return;
    const auto read = expr::columns_of(*parts.condition);
    std::vector<uint32_t> places(read.empty() ? 0 : read.back() + 1);
    for (auto c : read) {
      places[c] = static_cast<uint32_t>(s.condition_columns.size());
      s.condition_columns.push_back(physical(c));
    }
    s.condition = expr::remap_columns(parts.condition, places);
  }
  /// The columns of a join that are needed, by their numbers among its sides' in `output`.
  template <class Physical>
  emitted join_result(uint32_t i, std::vector<uint32_t>& output, Physical physical) const {
    const auto& n = nodes_[i];
    auto type = std::make_shared<schema>();
    emitted e;
    e.map.assign(n.output->size(), dropped);
    for (uint32_t c = 0; c < n.output->size(); ++c) {
      if (!needs_[i][c]) continue;
      e.map[c] = static_cast<uint32_t>(type->size());
      if (n.output->event_time == c) type->event_time = e.map[c];
      type->fields.push_back(n.output->fields[c]);
      output.push_back(physical(c));
    }
    e.type = type;
    return e;
  }

  status emit_repeat(uint32_t i) {
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

  status emit_sink(uint32_t i) {
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

  const plan_settings& settings_;
  std::vector<logical_node> nodes_;
  std::vector<bool> live_;
  std::vector<bool> time_;  // a consumer below needs watermarks
  std::vector<std::vector<bool>> needs_;
  std::vector<emitted> out_;
  physical_plan plan_;
};

}  // namespace

result<physical_plan> expand(const plan_settings& s, const std::vector<logical_node>& nodes) {
  return expander(s, nodes).run();
}

}  // namespace weir::planner
