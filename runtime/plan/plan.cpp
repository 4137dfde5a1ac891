// Names and small lookups of plans.
#include "runtime/plan/plan.hpp"

#include <algorithm>

namespace weir {

bool is_content_hash(std::string_view s) noexcept {
  return s.size() == 64 && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

const char* kind_name(const operator_spec& spec) noexcept {
  static constexpr const char* names[] = {
      "source", "sink",   "filter", "project", "flat_map", "aggregate", "union", "distinct",
      "custom", "window", "join",   "repeat",  "settle",   "top_n",     "over",  "lookup"};
  static_assert(std::size(names) == std::variant_size_v<operator_spec>);
  return names[spec.index()];
}

const char* exchange_name(exchange_kind k) noexcept {
  switch (k) {
    case exchange_kind::forward:
      return "forward";
    case exchange_kind::hash:
      return "hash";
    case exchange_kind::broadcast:
      return "broadcast";
    case exchange_kind::rebalance:
      return "rebalance";
  }
  return "?";
}

const char* join_name(join_kind k) noexcept {
  static constexpr const char* names[] = {"join",       "left join",      "right join",
                                          "full join",  "semi join",      "anti join",
                                          "as-of join", "as-of left join"};
  return names[static_cast<size_t>(k)];
}

bool defers_unmatched(const join_spec& s) noexcept {
  return s.kind != join_kind::inner && s.kind != join_kind::semi && !is_as_of(s.kind) &&
         s.left.time_column && s.right.time_column && !s.left.has_changes && !s.right.has_changes;
}

const char* function_name(aggregate_function f) noexcept {
  static constexpr const char* names[] = {
      "count",      "count",          "sum",      "min",        "max",
      "avg",        "first",          "last",     "count",      "stddev_samp",
      "stddev_pop", "var_samp",       "var_pop",  "string_agg", "bool_and",
      "bool_or",    "bit_and",        "bit_or",   "bit_xor",    "regr_count",
      "regr_avgx",  "regr_avgy",      "regr_sxx", "regr_syy",   "regr_sxy",
      "regr_slope", "regr_intercept", "regr_r2",  "corr",       "covar_pop",
      "covar_samp"};
  static_assert(std::size(names) == static_cast<size_t>(aggregate_function_last) + 1);
  return names[static_cast<size_t>(f)];
}

const char* function_name(over_function f) noexcept {
  static constexpr const char* names[] = {"row_number",  "rank",       "dense_rank", "percent_rank",
                                          "cume_dist",   "ntile",      "lag",        "lead",
                                          "first_value", "last_value", "nth_value",  ""};
  static_assert(std::size(names) == static_cast<size_t>(over_function::aggregate) + 1);
  return names[static_cast<size_t>(f)];
}

const char* function_name(rank_function f) noexcept {
  static constexpr const char* names[] = {"row_number", "rank", "dense_rank"};
  return names[static_cast<size_t>(f)];
}

const char* to_string(window_kind k) noexcept {
  static constexpr const char* names[] = {"tumble", "hop", "cumulate", "session"};
  return names[static_cast<size_t>(k)];
}

const char* to_string(delivery_mode m) noexcept {
  switch (m) {
    case delivery_mode::exactly_once:
      return "exactly-once";
    case delivery_mode::at_least_once:
      return "at-least-once";
    case delivery_mode::at_most_once:
      return "at-most-once";
  }
  return "?";
}

const char* to_string(error_policy p) noexcept {
  switch (p) {
    case error_policy::fail:
      return "fail";
    case error_policy::skip:
      return "skip";
    case error_policy::dead_letter:
      return "dead_letter";
  }
  return "?";
}

bool takes_state_ttl(const operator_spec& spec) noexcept {
  if (const auto* a = std::get_if<aggregate_spec>(&spec))
    return a->stage != aggregate_spec::phase::partial && a->emit == emit_mode::changes &&
           !a->keys.empty();
  if (const auto* j = std::get_if<join_spec>(&spec))
    return drops_untouched(*j, 0) || drops_untouched(*j, 1);
  if (const auto* t = std::get_if<top_n_spec>(&spec))
    return !t->preselect && t->emit == emit_mode::changes &&
           (!t->keys.empty() || t->input_has_changes);
  if (const auto* o = std::get_if<over_spec>(&spec))
    return !o->keys.empty() && (o->emit == emit_mode::changes || o->time_column);
  return std::holds_alternative<distinct_spec>(spec);
}

schema_ptr output_of(const operator_node& n, uint16_t port) {
  if (port == 0) return n.output;
  if (const auto* c = std::get_if<custom_spec>(&n.spec); c && port <= c->side_outputs.size())
    return c->side_outputs[port - 1U];
  if (const auto* a = std::get_if<aggregate_spec>(&n.spec); a && port == 1) return a->late_output;
  return nullptr;
}

std::vector<schema_ptr> input_schemas(const physical_plan& plan, operator_index to) {
  std::vector<const plan_edge*> in;
  for (const auto& e : plan.edges)
    if (e.to == to) in.push_back(&e);
  std::stable_sort(in.begin(), in.end(),
                   [](const plan_edge* a, const plan_edge* b) { return a->to_port < b->to_port; });
  std::vector<schema_ptr> out;
  out.reserve(in.size());
  for (const auto* e : in) out.push_back(output_of(plan.operators[e->from.value], e->from_port));
  return out;
}

}  // namespace weir
