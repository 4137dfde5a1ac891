#include "runtime/flow/task_builder.hpp"

#include <algorithm>

#include "runtime/operators/factory.hpp"
#include "runtime/plan/dead_letter_source.hpp"

namespace weir {

schema_ptr edge_schema(const physical_plan& plan, const plan_edge& e) {
  auto type = output_of(plan.operators[e.from.value], e.from_port);
  weir_assert(type != nullptr, "validate() checks ports");
  return type;
}

std::vector<std::string> edge_keys(const physical_plan& plan) {
  std::vector<std::string> keys;
  for (const auto& e : plan.edges)
    keys.push_back(plan.operators[e.from.value].id + "." + std::to_string(e.from_port) + ">" +
                   plan.operators[e.to.value].id + "." + std::to_string(e.to_port));
  return keys;
}

bool has_broadcast(const physical_plan& plan) {
  return std::any_of(plan.edges.begin(), plan.edges.end(),
                     [](const plan_edge& e) { return e.exchange == exchange_kind::broadcast; });
}

namespace {

bool keyed(const operator_node& n) {
  if (const auto* a = std::get_if<aggregate_spec>(&n.spec))
    return a->stage != aggregate_spec::phase::partial && !a->keys.empty();
  if (const auto* c = std::get_if<custom_spec>(&n.spec)) return !c->keys.empty();
  if (const auto* t = std::get_if<top_n_spec>(&n.spec)) return !t->keys.empty() && !t->preselect;
  if (const auto* o = std::get_if<over_spec>(&n.spec)) return !o->keys.empty();
  return std::holds_alternative<distinct_spec>(n.spec);
}

}  // namespace

bool stays_aligned(const physical_plan& plan) {
  if (has_broadcast(plan)) return true;
  auto edges = [&plan](auto same) {
    return std::count_if(plan.edges.begin(), plan.edges.end(), same);
  };
  return std::any_of(plan.edges.begin(), plan.edges.end(), [&](const plan_edge& e) {
    if (e.exchange != exchange_kind::forward || !keyed(plan.operators[e.to.value]) ||
        plan.parallelism_of(e.to) == 1)
      return false;
    // Alone on both sides it is inside a chain, where nothing is in flight.
    return e.from_port != 0 || edges([&e](const plan_edge& o) { return o.from == e.from; }) > 1 ||
           edges([&e](const plan_edge& o) { return o.to == e.to; }) > 1;
  });
}

namespace {

bool has_expressions(const operator_node& n) {
  const auto* a = std::get_if<aggregate_spec>(&n.spec);
  const auto* j = std::get_if<join_spec>(&n.spec);
  const auto* l = std::get_if<lookup_spec>(&n.spec);
  return (a && a->stage != aggregate_spec::phase::merge) || (j && j->condition) ||
         (l && l->condition) || std::holds_alternative<filter_spec>(n.spec) ||
         std::holds_alternative<project_spec>(n.spec) ||
         std::holds_alternative<flat_map_spec>(n.spec);
}

/// Physical rows pass through in their places (a filter that compacts changes their number).
bool keeps_rows(const operator_node& n) {
  return std::holds_alternative<filter_spec>(n.spec) ||
         std::holds_alternative<project_spec>(n.spec) ||
         (std::holds_alternative<window_spec>(n.spec) &&
          !holds_rows(std::get<window_spec>(n.spec))) ||
         std::holds_alternative<union_spec>(n.spec);
}

result<std::unique_ptr<stream_operator>> instance_of(const physical_plan& plan, operator_index op) {
  const auto& node = plan.operators[op.value];
  if (const auto* sink = std::get_if<sink_spec>(&node.spec)) return make_sink(*sink);
  const auto inputs = input_schemas(plan, op);
  if (const auto* l = std::get_if<lookup_spec>(&node.spec))
    return make_lookup(*l, inputs.front(), node.output);
  return make_operator(node, inputs);
}

}  // namespace

result<built_task> build_task(const physical_plan& plan, const task_graph& graph, task_id id,
                              const task_environment& env, const std::string& attempt,
                              std::function<void()> wake) {
  const auto& t = graph.tasks[id.value];
  const auto& c = graph.chains[t.chain];
  built_task out;
  out.metrics = std::make_shared<task_metrics>();
  out.options.mode = plan.mode;
  out.options.subtask = t.subtask;
  out.options.key_groups = plan.key_groups;
  out.options.name =
      plan.operators[c.operators.front().value].name + "[" + std::to_string(t.subtask) + "]";
  // Whether the rows at hand are still those of the reader's last batch, in their places. At most
  // once they wait while the reader goes on.
  bool source_rows = plan.mode != delivery_mode::at_most_once;
  for (auto op : c.operators) {
    const auto& node = plan.operators[op.value];
    out.metrics->operators.push_back(std::make_unique<operator_metrics>());
    operator_context ctx;
    ctx.operator_id = node.id;
    ctx.name = node.name;
    ctx.subtask = t.subtask;
    ctx.parallelism = c.parallelism;
    ctx.key_groups = plan.key_groups;
    ctx.groups = range_of_subtask(plan.key_groups, c.parallelism, t.subtask);
    ctx.memory = env.memory;
    ctx.io = env.io;
    ctx.files = env.files;
    ctx.metrics = out.metrics->operators.back().get();
    ctx.time = env.time;
    ctx.wake = wake;
    ctx.set_processing_timer = [](timestamp_us) {};
    ctx.attempt = attempt;
    ctx.job = plan.name;
    ctx.exactly_once = plan.mode == delivery_mode::exactly_once;
    if (const auto* source = std::get_if<source_spec>(&node.spec)) {
      WEIR_ASSIGN(out.parts.reader, make_reader(*source));
      out.parts.source_context = std::move(ctx);
      out.parts.source_options.mode = plan.mode;
      out.parts.source_options.time = {source->watermark_delay_us, source->idle_timeout_us};
      out.parts.source_options.event_time = source->columns->event_time;
      continue;
    }
    WEIR_ASSIGN(auto instance, instance_of(plan, op));
    std::unique_ptr<operator_error_policy> errors;
    if (has_expressions(node)) {
      const auto* table =
          node.on_error == error_policy::dead_letter && node.dead_letter_folder.empty()
              ? dead_letter_source(plan, op)
              : nullptr;
      errors = std::make_unique<operator_error_policy>(operator_error_policy::options{
          node.on_error, node.dead_letter_folder, table ? &table->options : nullptr,
          source_rows ? out.parts.reader.get() : nullptr});
    }
    source_rows = source_rows && keeps_rows(node);
    out.parts.operators.push_back({std::move(instance), std::move(ctx), std::move(errors)});
  }
  out.parts.edge_keys = edge_keys(plan);
  out.parts.task_key = plan.operators[c.operators.front().value].id;
  for (auto ch : t.inputs) {
    const auto& channel = graph.channels[ch.value];
    out.parts.inputs.push_back(
        {ch, channel.edge, plan.edges[channel.edge].to_port, channel.from_subtask});
  }
  for (auto e : c.out_edges) {
    const auto& edge = plan.edges[e];
    output_edge_spec spec{e,  edge.from_port, edge.exchange, edge.keys, edge_schema(plan, edge),
                          {}, c.parallelism};
    for (auto ch : t.outputs)
      if (graph.channels[ch.value].edge == e) spec.channels.push_back(ch);
    out.parts.outputs.push_back(std::move(spec));
  }
  return out;
}

}  // namespace weir
