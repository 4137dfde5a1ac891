// Hashes by which a snapshot recognises its job and its operators. They are part of the snapshot
// format: what is fed in, and in which order, changes only together with fingerprint_version.
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <unordered_map>

#include "runtime/plan/few_rows.hpp"
#include "runtime/plan/inputs.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {
namespace {

constexpr uint64_t fingerprint_version = 1;

class hasher {
 public:
  explicit hasher(uint64_t what) {
    add(fingerprint_version);
    add(what);
  }
  void add(uint64_t v) {
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>(v >> (8 * i)));
  }
  void add(std::string_view s) {
    add(uint64_t{s.size()});
    bytes_.append(s);
  }
  void add(const data_type& t) {
    add(uint64_t{static_cast<uint8_t>(t.id)} << 8 | t.scale);
    if (!t.fields) return;
    add(uint64_t{t.fields->size()});
    for (const auto& f : *t.fields) add(f);
  }
  void add(const field& f) {
    add(std::string_view(f.name));
    add(f.type);
  }
  void add(const schema_ptr& s) {
    add(uint64_t{s ? s->size() + 1 : 0});
    if (!s) return;
    for (const auto& f : s->fields) add(f);
    add(uint64_t{s->event_time ? *s->event_time + 1 : 0});
  }
  void add(const scalar& s) {
    add(s.type);
    add(uint64_t{s.null});
    if (s.null) return;
    add(static_cast<uint64_t>(s.i));
    add(std::bit_cast<uint64_t>(s.d));
    add(static_cast<uint64_t>(static_cast<unsigned __int128>(s.dec)));
    add(static_cast<uint64_t>(static_cast<unsigned __int128>(s.dec) >> 64));
    add(static_cast<uint64_t>(static_cast<uint32_t>(s.interval.months)));
    add(static_cast<uint64_t>(static_cast<uint32_t>(s.interval.days)));
    add(static_cast<uint64_t>(s.interval.micros));
    add(std::string_view(s.s));
    add(uint64_t{s.items.size()});
    for (const auto& i : s.items) add(i);
  }
  /// Columns by name and type: their indices move when a job reads one column more.
  void add(const expr::node_ptr& root, const schema_ptr& in) {
    if (!root) return add(uint64_t{0});
    // Iterative, since trees can be deep; a call is its name and the number of its arguments.
    std::vector<const expr::node*> todo{root.get()};
    while (!todo.empty()) {
      const auto* n = todo.back();
      todo.pop_back();
      add(uint64_t{static_cast<uint8_t>(n->kind)} + 1);
      add(n->type);
      if (n->kind == expr::node_kind::column)
        in && n->column < in->size() ? add(std::string_view(in->fields[n->column].name))
                                     : add(uint64_t{n->column});
      else if (n->kind == expr::node_kind::literal)
        add(n->literal);
      else
        add(std::string_view(n->function)), add(uint64_t{n->args.size()});
      for (auto a = n->args.rbegin(); a != n->args.rend(); ++a) todo.push_back(a->get());
    }
  }
  void add_columns(const std::vector<uint32_t>& columns, const schema_ptr& in, bool names = true) {
    add(uint64_t{columns.size()});
    for (auto c : columns) {
      if (!in || c >= in->size()) {
        add(uint64_t{c});
        continue;
      }
      if (names) add(std::string_view(in->fields[c].name));
      add(in->fields[c].type);
    }
  }
  uint64_t digest() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  std::string bytes_;
};

/// Options that change neither what a source reads nor where a position points.
bool is_tuning(std::string_view option) {
  static constexpr std::array names = {"rate",
                                       "on_error",
                                       "dead_letter_path",
                                       "dead_letter_topic",
                                       "watermark_delay",
                                       "event_time",
                                       "idle_timeout",
                                       "poll_interval",
                                       "record_size_max",
                                       "split_size",
                                       "splits",
                                       "roll_size",
                                       "roll_interval",
                                       "existing",
                                       "batch_rows",
                                       "allowed_lateness",
                                       "late_table",
                                       "bootstrap",
                                       "cluster",
                                       "group",
                                       "isolation",
                                       "delivery",
                                       "transactional_id",
                                       "cache"};
  for (std::string_view n : names)
    if (n == option) return true;
  return option.starts_with("kafka.");  // how librdkafka does it
}

void add_options(hasher& h, const option_map& options, bool with_tuning) {
  for (const auto& [k, v] : options) {
    if (!with_tuning && is_tuning(k)) continue;
    h.add(std::string_view(k));
    h.add(std::string_view(v));
  }
}

const schema_ptr& at(const std::vector<schema_ptr>& in, size_t i) {
  static const schema_ptr none;
  return i < in.size() ? in[i] : none;
}

void add_calls(hasher& h, const aggregate_spec& s, const schema_ptr& arguments) {
  h.add(uint64_t{s.calls.size()});
  for (const auto& c : s.calls) {
    h.add(uint64_t{static_cast<uint8_t>(c.function)});
    h.add(c.argument, arguments);
    h.add(c.filter, arguments);
    h.add(std::string_view(c.separator));
    h.add(c.type);
  }
}

void add_order(hasher& h, const std::vector<order_term>& order, const schema_ptr& in) {
  for (const auto& t : order) {
    h.add_columns({t.column}, in);
    h.add(uint64_t{t.descending} << 1 | uint64_t{t.nulls_first});
  }
}

/// Which rows of a partition a top_n gives.
void add_window(hasher& h, const top_n_spec& s, const schema_ptr& in) {
  add_order(h, s.order, in);
  h.add(uint64_t{static_cast<uint8_t>(s.function)});
  h.add(s.offset);
  h.add(s.limit);
  h.add(uint64_t{s.with_ties});
}

void add_shape(hasher& h, const window_shape& s) {
  h.add(uint64_t{static_cast<uint8_t>(s.kind)});
  h.add(static_cast<uint64_t>(s.size_us));
  h.add(static_cast<uint64_t>(s.step_us));
}

/// Whether state has exact moments (accumulator.hpp), as it had not always.
bool has_exact_moments(const aggregate_spec& s) {
  using fn = aggregate_function;
  return s.input_has_changes && !s.windows && s.stage != aggregate_spec::phase::partial &&
         std::any_of(s.calls.begin(), s.calls.end(), [](const aggregate_call& c) {
           return (c.function == fn::stddev_samp || c.function == fn::stddev_pop ||
                   c.function == fn::var_samp || c.function == fn::var_pop) &&
                  c.argument && c.argument->type.id != type_id::float64;
         });
}

/// Whether state has sums of float64 from which values can leave (float_totals.hpp), as it had not
/// always.
bool has_float_totals(const aggregate_spec& s) {
  using fn = aggregate_function;
  return s.input_has_changes &&
         std::any_of(s.calls.begin(), s.calls.end(), [&](const aggregate_call& c) {
           if (is_of_pairs(c.function)) return true;
           if (!c.argument) return false;
           const bool floats = c.argument->type.id == type_id::float64;
           switch (c.function) {
             case fn::sum:
             case fn::avg:
               return floats;
             case fn::stddev_samp:
             case fn::stddev_pop:
             case fn::var_samp:
             case fn::var_pop:
               return floats || s.windows.has_value();
             default:
               return false;
           }
         });
}

/// What state an operator keeps depends on.
struct state_of {
  hasher& h;
  const std::vector<schema_ptr>& in;

  void operator()(const source_spec& s) const {
    h.add(std::string_view(s.connector));
    add_options(h, s.options, false);
  }
  void operator()(const sink_spec& s) const {
    h.add(std::string_view(s.connector));
    add_options(h, s.options, false);
    h.add(uint64_t{s.final_only});
    h.add(s.columns);
    // What sorts the table is kept with its rows.
    if (!s.order.empty()) add_order(h, s.order, s.columns);
    if (s.hidden_columns) h.add(uint64_t{s.hidden_columns});
  }
  void operator()(const aggregate_spec& s) const {
    const auto& arguments = s.stage == aggregate_spec::phase::merge ? s.complete_input : at(in, 0);
    h.add(uint64_t{static_cast<uint8_t>(s.stage)});
    h.add_columns(s.keys, at(in, 0));
    add_calls(h, s, arguments);
    h.add(uint64_t{static_cast<uint8_t>(s.emit)});
    h.add(uint64_t{s.input_has_changes});
    h.add(uint64_t{s.window_end_key ? *s.window_end_key + 1 : 0});
    if (s.windows) add_shape(h, *s.windows);
    if (has_exact_moments(s)) h.add(uint64_t{1});
    if (has_float_totals(s)) h.add(std::string_view("float totals"));
  }
  void operator()(const distinct_spec&) const { h.add(at(in, 0)); }
  void operator()(const settle_spec&) const { h.add(at(in, 0)); }
  void add_side(const join_side& s, const schema_ptr& type) const {
    // Whole rows are kept.
    h.add(type);
    h.add_columns(s.keys, type);
    for (bool safe : s.null_safe) h.add(uint64_t{safe});
    // What ends rows by a column is part of the condition.
    const bool by_time = s.time_column && !s.ends_by_column;
    h.add(uint64_t{by_time ? *s.time_column + 1 : 0});
    h.add(static_cast<uint64_t>(by_time ? s.retain_us : 0));
    if (s.one_partner) h.add(uint64_t{1});
  }
  void operator()(const join_spec& s) const {
    h.add(uint64_t{static_cast<uint8_t>(s.kind)});
    add_side(s.left, at(in, 0));
    add_side(s.right, at(in, 1));
    h.add_columns(s.condition_columns, nullptr);
    h.add(s.condition, nullptr);
    // Rows without a partner have been given already, or have not.
    if (defers_unmatched(s) && (s.left.ends_by_column || s.right.ends_by_column))
      h.add(uint64_t{1});
  }
  void operator()(const top_n_spec& s) const {
    h.add(at(in, 0));
    h.add_columns(s.keys, at(in, 0));
    h.add(uint64_t{static_cast<uint8_t>(s.emit)});
    h.add(uint64_t{s.window_end_key ? *s.window_end_key + 1 : 0});
    // Appended rows are kept as far as the window goes; changing ones all.
    h.add(uint64_t{s.input_has_changes});
    if (!s.input_has_changes) add_window(h, s, at(in, 0));
    if (s.last_arrived) h.add(uint64_t{1});
    if (s.upserts) h.add(std::string_view("upserts"));
    if (s.preselect) h.add(std::string_view("preselect"));
    // One row was always kept so.
    if (keeps_few_rows(s) && s.offset + s.limit > 1) h.add(std::string_view("few"));
  }
  void operator()(const over_spec& s) const {
    const auto& type = at(in, 0);
    auto column = [&](std::optional<uint32_t> c) {
      h.add(uint64_t{c.has_value()});
      if (c) h.add_columns({*c}, type);
    };
    h.add(type);
    h.add_columns(s.keys, type);
    add_order(h, s.order, type);
    h.add(uint64_t{s.input_has_changes});
    h.add(uint64_t{static_cast<uint8_t>(s.emit)});
    column(s.time_column);
    h.add(uint64_t{s.window_end_key ? *s.window_end_key + 1 : 0});
    for (const auto& c : s.calls) {
      h.add(uint64_t{static_cast<uint8_t>(c.function)} << 8 | static_cast<uint8_t>(c.aggregate));
      column(c.argument);
      column(c.otherwise);
      column(c.filter);
      h.add(static_cast<uint64_t>(c.count));
      h.add(uint64_t{static_cast<uint8_t>(c.frame.in)} << 16 |
            static_cast<uint64_t>(c.frame.start) << 8 | static_cast<uint64_t>(c.frame.end));
      h.add(c.frame.start_offset);
      h.add(c.frame.end_offset);
      if (c.frame.without != over_frame::exclusion::none)
        h.add(uint64_t{static_cast<uint8_t>(c.frame.without)});
      if (c.aggregate == aggregate_function::string_agg) h.add(std::string_view(c.separator));
      h.add(c.type);
    }
  }
  void operator()(const window_spec& s) const {
    if (!holds_rows(s)) return;
    h.add(at(in, 0));
    h.add_columns(s.keys, at(in, 0));
    add_shape(h, s.shape);
  }
  void operator()(const custom_spec& s) const {
    // Its parameters are its own affair: a changed threshold keeps the state, and an operator that
    // cannot use what it finds refuses it in restore().
    h.add(std::string_view(s.class_name));
    h.add_columns(s.keys, at(in, 0), false);
  }
  template <class Stateless>
  void operator()(const Stateless&) const {}
};

/// What an operator's results depend on beyond its state.
struct results_of {
  hasher& h;
  const std::vector<schema_ptr>& in;

  void operator()(const source_spec& s) const {
    h.add(s.columns);
    h.add(uint64_t{s.physical_columns});
    for (const auto& g : s.generated) h.add(g, s.columns);
    h.add(static_cast<uint64_t>(s.watermark_delay_us));
    h.add(static_cast<uint64_t>(s.idle_timeout_us));
    h.add(uint64_t{static_cast<uint8_t>(s.on_error)});
    if (s.split_filter) h.add(s.split_filter, s.columns);
  }
  void operator()(const sink_spec&) const {}
  void operator()(const filter_spec& s) const { h.add(s.predicate, at(in, 0)); }
  void operator()(const project_spec& s) const {
    h.add(uint64_t{s.columns.size()});
    for (const auto& c : s.columns) h.add(c, at(in, 0));
  }
  void operator()(const flat_map_spec& s) const {
    h.add(std::string_view(s.function));
    h.add(s.argument, at(in, 0));
    h.add(std::string_view(s.delimiter));
    h.add_columns(s.kept, at(in, 0));
  }
  void operator()(const custom_spec& s) const { add_options(h, s.parameters, true); }
  void operator()(const window_spec& s) const {
    h.add_columns({s.time_column}, at(in, 0));
    if (s.shape.kind == window_kind::tumble) {
      h.add(static_cast<uint64_t>(s.shape.size_us));
      return;
    }
    add_shape(h, s.shape);
    h.add(uint64_t{s.slices});
  }
  void operator()(const aggregate_spec& s) const {
    if (s.windows) h.add(uint64_t{s.window_start_at});
    if (s.late_output) h.add_columns(s.late_columns, at(in, 0));
  }
  void operator()(const top_n_spec& s) const {
    add_window(h, s, at(in, 0));
    h.add(uint64_t{s.with_number});
    // What ends keys follows from the join above them; that they end changes no result in time.
    if (s.time_column) h.add(static_cast<uint64_t>(s.retain_us));
  }
  void operator()(const over_spec&) const {}

  void operator()(const join_spec& s) const {
    h.add_columns(s.output, nullptr);
    for (const auto* side : {&s.left, &s.right})
      if (side->ends_by_column) h.add(static_cast<uint64_t>(side->retain_us));
  }
  void operator()(const lookup_spec& s) const {
    h.add(uint64_t{static_cast<uint8_t>(s.kind)});
    h.add(std::string_view(s.table.connector));
    add_options(h, s.table.options, false);
    for (const auto& g : s.table.generated) h.add(g, s.table.columns);
    h.add(s.filter, s.table.columns);
    for (const auto& c : s.columns) h.add(c, s.table.columns);
    h.add_columns(s.keys, at(in, 0));
    h.add_columns(s.table_keys, s.rows);
    for (bool safe : s.null_safe) h.add(uint64_t{safe});
    h.add_columns(s.condition_columns, nullptr);
    h.add(s.condition, nullptr);
    h.add_columns(s.output, nullptr);
  }
  void operator()(const repeat_spec& s) const { h.add(uint64_t{s.count_column}); }
  void operator()(const union_spec&) const {}
  void operator()(const distinct_spec&) const {}
  void operator()(const settle_spec&) const {}
};

}  // namespace

uint64_t state_fingerprint(const operator_node& n, const std::vector<schema_ptr>& inputs) {
  hasher h(n.spec.index());
  std::visit(state_of{h, inputs}, n.spec);
  // Entries have a word more; how long they stay is no matter.
  if (n.state_ttl_us != 0) h.add(std::string_view("state_ttl"));
  if (const auto* j = std::get_if<join_spec>(&n.spec); j && n.state_ttl_us != 0)
    h.add(uint64_t{j->left.stays} << 1 | uint64_t{j->right.stays});
  return h.digest();
}

uint64_t inputs_fingerprint(const physical_plan& plan, operator_index of) {
  std::vector<bool> seen(plan.operators.size());
  std::vector<uint32_t> todo{of.value};
  std::vector<uint64_t> parts;
  auto add = [&parts](auto fill) {
    hasher h(0);
    fill(h);
    parts.push_back(h.digest());
  };
  while (!todo.empty()) {
    const uint32_t to = todo.back();
    todo.pop_back();
    for (const auto& e : plan.edges) {
      if (e.to.value != to || seen[e.from.value]) continue;
      seen[e.from.value] = true;
      todo.push_back(e.from.value);
      const auto& spec = plan.operators[e.from.value].spec;
      const auto in = input_schemas(plan, e.from);
      if (std::holds_alternative<source_spec>(spec)) continue;
      if (const auto* p = std::get_if<project_spec>(&spec)) {
        for (const auto& c : p->columns)
          if (c->kind != expr::node_kind::column) add([&](hasher& h) { h.add(c, at(in, 0)); });
        continue;
      }
      add([&](hasher& h) {
        h.add(uint64_t{spec.index()});
        std::visit(state_of{h, in}, spec);
        std::visit(results_of{h, in}, spec);
      });
    }
  }
  // In whichever order they were found, and expressions of several columns once.
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  hasher all(1);
  for (const uint64_t p : parts) all.add(p);
  return all.digest();
}

uint64_t fingerprint(const physical_plan& plan) {
  hasher h(UINT64_MAX);
  h.add(uint64_t{plan.key_groups});
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    const auto& n = plan.operators[i];
    auto in = input_schemas(plan, operator_index(i));
    h.add(std::string_view(n.id));
    h.add(uint64_t{n.spec.index()});
    if (const auto* sink = std::get_if<sink_spec>(&n.spec)) {
      // Where results go does not decide them.
      h.add(std::string_view(sink->connector));
      h.add(sink->columns);
    } else {
      std::visit(state_of{h, in}, n.spec);
      std::visit(results_of{h, in}, n.spec);
    }
    if (n.state_ttl_us != 0) h.add(std::string_view("state_ttl"));
    h.add(n.output);
    // Where rows go that cannot be computed decides nothing, whether they end the job does.
    if (n.on_error != error_policy::fail) h.add(uint64_t{static_cast<uint8_t>(n.on_error)});
  }
  for (const auto& e : plan.edges) {
    h.add(uint64_t{e.from.value} << 32 | e.to.value);
    h.add(uint64_t{e.from_port} << 16 | e.to_port);
    h.add(uint64_t{static_cast<uint8_t>(e.exchange)});
    h.add_columns(e.keys, output_of(plan.operators[e.from.value], e.from_port));
  }
  return h.digest();
}

bool keeps_state(const operator_node& n) noexcept {
  if (const auto* t = std::get_if<top_n_spec>(&n.spec)) return !t->preselect;
  return std::holds_alternative<source_spec>(n.spec) || std::holds_alternative<sink_spec>(n.spec) ||
         std::holds_alternative<aggregate_spec>(n.spec) ||
         std::holds_alternative<distinct_spec>(n.spec) ||
         std::holds_alternative<join_spec>(n.spec) || std::holds_alternative<settle_spec>(n.spec) ||
         std::holds_alternative<over_spec>(n.spec) || std::holds_alternative<custom_spec>(n.spec) ||
         (std::holds_alternative<window_spec>(n.spec) && holds_rows(std::get<window_spec>(n.spec)));
}

}  // namespace weir
