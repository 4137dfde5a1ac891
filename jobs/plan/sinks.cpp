// Sinks of a plan under construction: what they can take, and how columns reach them.
#include <algorithm>

#include "jobs/plan/builder.hpp"
#include "jobs/plan/unique_keys.hpp"
#include "runtime/base/nearest.hpp"

namespace weir::planner {
namespace {

std::string join_names(const schema& s) {
  std::string out;
  for (const auto& f : s.fields) out += (out.empty() ? "" : ", ") + f.name;
  return out;
}

/// The column as the sink's type, where PostgreSQL's INSERT would assign it.
result<expr::node_ptr> assigned(const schema& in, uint32_t i, const field& want) {
  if (in.fields[i].type == want.type) return column_ref(in, i);
  auto bound = expr::bind_as(quote_name(in.fields[i].name), in, want.type);
  if (bound.ok()) return bound;
  return error(errc::type_mismatch, "column \"" + want.name + "\" of the sink is " +
                                        to_string(want.type) + ", but \"" + in.fields[i].name +
                                        "\" is " + to_string(in.fields[i].type) +
                                        "; cast it in a select");
}

}  // namespace

std::optional<relation> plan_builder::changing_step(relation r) const {
  while (nodes_[r.node].emits_changes) {
    const auto& n = nodes_[r.node];
    auto next = n.inputs.end();
    if (n.what != logical_node::kind::aggregate && n.what != logical_node::kind::top_n &&
        n.what != logical_node::kind::over)
      next = std::find_if(n.inputs.begin(), n.inputs.end(),
                          [this](relation i) { return nodes_[i.node].emits_changes; });
    if (next == n.inputs.end()) return r;
    r = *next;
  }
  return {};
}

status plan_builder::check_sink(relation r, const table_def& t) const {
  auto connector = t.options.find("connector");
  if (connector == t.options.end())
    return {errc::invalid_argument, "table \"" + t.name + "\" has no connector"};
  WEIR_TRY(check_options(connector->second, t.options, true));
  WEIR_ASSIGN(auto traits, traits_of(connector->second));
  if (nodes_[r.node].emits_changes && !traits.takes_changes && !is_change_format(t.options)) {
    return {errc::unsupported,
            "sink \"" + t.name + "\" (" + connector->second + ") only appends rows, but \"" +
                nodes_[changing_step(r).value_or(r).node].step.id +
                "\" updates the rows that it has emitted as more input arrives; emit its rows "
                "once (emit: final, or a window), or use a sink that takes changes (stdout, or the "
                "format debezium_json)"};
  }
  return {};
}

result<relation> plan_builder::one_per_key(relation r, const table_def& t,
                                           const std::string& sink_id) {
  if (t.primary_key.empty() || !is_change_format(t.options)) return r;
  const auto type = schema_of(r);
  top_n_def last;
  std::string names;
  for (const auto& k : t.primary_key) {
    last.keys.push_back(*type->find(k));
    names += (names.empty() ? "" : ", ") + k;
  }
  const bool unique = unique_by(r, last.keys);
  if (unique && in_order_by(nodes_, r, last.keys)) return r;
  if (!unique && leaves_at_once(nodes_, r))
    return {errc::unsupported,
            "table \"" + t.name + "\" holds one row per PRIMARY KEY (" + names +
                "), of which the query may give several, all when the input ends, so that none of "
                "them is the last; group by the key, or choose one: SELECT DISTINCT ON (" +
                names + ") ... ORDER BY"};
  // Whoever reads upserts takes the last one of a key anyway.
  if (!nodes_[r.node].emits_changes && t.options.at("format") == "upsert_json") return r;
  last.last_arrived = true;
  return top_n(r, std::move(last), {sink_id + "/last", "", 0});
}

status plan_builder::add_sink(relation r, const table_def& t, step_options o,
                              std::vector<expr::node_ptr> values, schema_ptr want) {
  const auto in = schema_of(r);
  bool identity = values.size() == in->size();
  for (uint32_t i = 0; identity && i < values.size(); ++i)
    identity = bare_column(values[i]) == i && in->fields[i].name == want->fields[i].name;
  if (o.id.empty()) {
    o.id = "sink/" + t.name;
    for (uint32_t k = 2; std::any_of(nodes_.begin(), nodes_.end(),
                                     [&o](const logical_node& n) { return n.step.id == o.id; });
         ++k)
      o.id = "sink/" + t.name + '/' + std::to_string(k);
  }
  if (!identity) {
    std::vector<named_expr> columns;
    for (size_t i = 0; i < values.size(); ++i)
      columns.push_back({want->fields[i].name, std::move(values[i])});
    WEIR_ASSIGN(r, project(r, std::move(columns), {o.id + "/columns", "", 0}));
  }
  if (t.options.count("format") && t.options.at("format") == "upsert_json" && t.primary_key.empty())
    return {errc::invalid_argument,
            "table \"" + t.name + "\": format upsert_json needs a PRIMARY KEY"};
  for (const auto& k : t.primary_key)
    if (!want->find(k))
      return {errc::unknown_name,
              "table \"" + t.name + "\": the PRIMARY KEY names \"" + k + "\", which is no column"};
  WEIR_TRY(check_sink_table(t.options.at("connector"), t.name, *want, t.options));
  WEIR_ASSIGN(r, one_per_key(r, t, o.id));
  logical_node n;
  n.what = logical_node::kind::sink;
  n.table = t;
  n.step = std::move(o);
  if (n.step.name.empty()) n.step.name = t.name;
  n.inputs = {r};
  n.output = std::move(want);
  // One writer of the process's standard output: lines of several would interleave.
  if (t.options.at("connector") == "stdout") n.step.parallelism = 1;
  add(std::move(n));
  return {};
}

status plan_builder::sink(relation r, const table_def& t, step_options o) {
  WEIR_TRY(check_sink(r, t));
  const auto in = schema_of(r);
  schema_ptr want = in;
  if (!t.columns.empty()) {
    WEIR_ASSIGN(want, schema_of_table(t));
  }
  std::vector<expr::node_ptr> values;
  std::vector<std::string> names;
  for (const auto& f : in->fields) names.push_back(f.name);
  for (const auto& f : want->fields) {
    auto i = in->find(f.name);
    if (!i)
      return {errc::unknown_name, "sink \"" + t.name + "\" has a column \"" + f.name +
                                      "\" that \"" + nodes_[r.node].step.id + "\" does not give" +
                                      nearest_hint(f.name, names) + " (it gives " +
                                      join_names(*in) + ")"};
    WEIR_ASSIGN(auto value, assigned(*in, *i, f));
    values.push_back(std::move(value));
  }
  return add_sink(r, t, std::move(o), std::move(values), std::move(want));
}

status plan_builder::sink_by_position(relation r, const table_def& t, step_options o) {
  WEIR_TRY(check_sink(r, t));
  const auto in = schema_of(r);
  schema_ptr want = in;
  if (!t.columns.empty()) {
    WEIR_ASSIGN(want, schema_of_table(t));
  }
  if (want->size() != in->size())
    return {errc::type_mismatch, "sink \"" + t.name + "\" has " + std::to_string(want->size()) +
                                     " columns, the query gives " + std::to_string(in->size())};
  std::vector<expr::node_ptr> values;
  for (uint32_t i = 0; i < want->size(); ++i) {
    WEIR_ASSIGN(auto value, assigned(*in, i, want->fields[i]));
    values.push_back(std::move(value));
  }
  return add_sink(r, t, std::move(o), std::move(values), std::move(want));
}

result<physical_plan> plan_builder::build(std::string* failed) const {
  if (std::none_of(nodes_.begin(), nodes_.end(),
                   [](const logical_node& n) { return n.what == logical_node::kind::sink; }))
    return error(errc::invalid_argument, "the job has no sink");
  return expand(settings_, nodes_, failed);
}

}  // namespace weir::planner
