#include "jobs/plan/growth.hpp"

#include <algorithm>
#include <optional>

#include "jobs/plan/describe.hpp"
#include "jobs/plan/explain.hpp"
#include "runtime/connectors/options.hpp"

namespace weir::planner {
namespace {

bool is_stdin(const source_spec& s) {
  return s.connector == "stdin";
}

/// By operator: whether endless input reaches it. Standard input counts, as it may go on for ever,
/// but `for_certain`: what waits for the end of a pipe is no mistake.
std::vector<bool> reached(const physical_plan& plan, bool for_certain = false) {
  std::vector<bool> out(plan.operators.size());
  for (uint32_t i = 0; i < plan.operators.size(); ++i)  // topological order
    if (const auto* s = std::get_if<source_spec>(&plan.operators[i].spec))
      out[i] = endless(*s) && !(for_certain && is_stdin(*s));
    else
      for (const auto& e : plan.edges)
        if (e.to.value == i && out[e.from.value]) out[i] = true;
  return out;
}

/// By operator: whether rows of endless input that reach it are changed by their source. Windows
/// answer once: what they are told later is lost, so that they are no advice there.
std::vector<bool> changed(const physical_plan& plan) {
  std::vector<bool> out(plan.operators.size());
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    const auto& n = plan.operators[i];
    if (const auto* s = std::get_if<source_spec>(&n.spec)) {
      out[i] = n.emits_changes && endless(*s);
      continue;
    }
    for (const auto& e : plan.edges)
      if (e.to.value == i && out[e.from.value]) out[i] = true;
    const auto* t = std::get_if<top_n_spec>(&n.spec);
    if (t && t->upserts) out[i] = true;
  }
  return out;
}

/// What drops state where no clause bounds it.
const std::string or_ttl = ", or have entries dropped that nothing touches: state_ttl";

struct finder {
  const physical_plan& plan;
  operator_index at;
  int64_t ttl_us;
  const std::vector<schema_ptr>& in;
  bool certain = false;              // some of the input does not end, and not perhaps
  bool left = false, right = false;  // endless input 0, 1
  bool changes = false;              // of their source

  using found = std::optional<growing_state>;
  found make(std::string what, std::string bound_by) const {
    return growing_state{at, std::move(what), std::move(bound_by)};
  }

  std::string bound(std::string by_window) const {
    return changes ? "have the source take away rows that are over" : std::move(by_window);
  }

  found operator()(const aggregate_spec& s) const {
    if (s.stage == aggregate_spec::phase::partial || s.window_end_key) return {};
    const auto window =
        bound("group by a window: FROM TUMBLE(table, time, size) and GROUP BY window_start");
    const bool never = s.emit == emit_mode::final_only && certain;
    if (never && s.keys.empty() && calls_that_keep_values(s, *in[0]).empty())
      return make("the aggregate answers when the input ends, which it does not",
                  "leave emit = 'final' out, or read input that ends");
    if (ttl_us != 0) return {};
    if (s.emit == emit_mode::final_only && !certain) return {};
    if (!s.keys.empty()) {
      auto what = "the aggregate keeps an entry for each key (" + join_columns(s.keys, in[0]) +
                  ") for ever";
      if (s.emit == emit_mode::final_only)
        what += " and answers when the input ends, which it does not";
      return make(std::move(what), s.emit == emit_mode::final_only ? window : window + or_ttl);
    }
    if (const auto kept = calls_that_keep_values(s, *in[0]); !kept.empty())
      return make("the aggregate keeps all values of " + kept + " for ever", window);
    return {};
  }
  found operator()(const distinct_spec&) const {
    if (ttl_us != 0) return {};
    return make("DISTINCT keeps every row that it has seen for ever",
                bound("make it distinct within a window: GROUP BY window_start and the columns, "
                      "FROM TUMBLE(table, time, size)") +
                    or_ttl);
  }
  found operator()(const settle_spec&) const {
    if (!certain) return {};
    return make("emit = 'final' keeps all rows until the input ends, which it does not",
                "leave emit = 'final' out, or read input that ends");
  }
  found operator()(const join_spec& s) const {
    // A side is looked up and not kept once the other one has ended, unless rows of that one may
    // still find their first partner.
    if (is_as_of(s.kind)) {
      if (!right || s.right.keys.empty() || ttl_us != 0) return {};
      return make("the as-of join keeps the newest right row of each key (" +
                      join_columns(s.right.keys, in[1]) + ") for ever",
                  "have right rows dropped that were not given anew for long: state_ttl; else "
                  "nothing bounds it but the number of keys");
    }
    const bool left_alone = s.kind != join_kind::inner && s.kind != join_kind::right;
    const bool right_alone = s.kind == join_kind::right || s.kind == join_kind::full;
    const bool l = left && !s.left.time_column && (right || right_alone);
    const bool r = right && !s.right.time_column && (left || left_alone);
    if ((!l && !r) || ttl_us != 0) return {};
    return make("the join keeps the rows of " +
                    std::string(l && r ? "both sides"
                                : l    ? "its left side"
                                       : "its right side") +
                    " for ever",
                bound("join windows (TUMBLE on both sides, ON a.window_end = b.window_end), or "
                      "bound the distance of event times (a.t BETWEEN b.t - INTERVAL '1 hour' AND "
                      "b.t + INTERVAL '1 hour')") +
                    or_ttl);
  }
  found operator()(const top_n_spec& s) const {
    const bool takes = takes_state_ttl(operator_spec(s));
    if (s.upserts)
      return kept_rows(s, "upserts keep ",
                       "have their source take away rows that are over (a value of null)" + or_ttl);
    return kept_rows(s, "the top-N keeps ",
                     bound("choose rows within a window: PARTITION BY window_start, FROM "
                           "TUMBLE(table, time, size)") +
                         (takes ? or_ttl : std::string()));
  }
  found operator()(const over_spec& s) const {
    if (s.time_column)
      return kept_rows(s, "OVER keeps ",
                       "PARTITION BY window_start, FROM TUMBLE(table, time, size)" + or_ttl);
    return kept_rows(s, "OVER keeps ",
                     bound("order by the event time alone, ascending, or PARTITION BY "
                           "window_start, FROM TUMBLE(table, time, size)"));
  }
  template <class Spec>
  found kept_rows(const Spec&, const std::string& who, std::string bound_by) const {
    const auto state = state_of(plan, at);
    if (state.bound != state_bound::unbounded) return {};
    auto text = state.text;
    if (const auto at_end = text.rfind(", kept for ever"); at_end != std::string::npos)
      text.erase(at_end);
    return make(who + text + " for ever", std::move(bound_by));
  }
  template <class Spec>
  found operator()(const Spec& s) const {
    return kept_rows(s, "it keeps ",
                     bound("compute it within a window (TUMBLE and its window_start)"));
  }
};

}  // namespace

bool endless(const source_spec& s) {
  if (s.connector == "file") {
    const auto follow = option_bool(s.options, "follow", false);
    return follow && *follow;
  }
  // What comes through standard input may end, and nothing says when.
  if (is_stdin(s)) return true;
  if (s.connector == "memory") return false;
  if (option_present(s.options, "until")) return false;
  // Generators end where they are told to, topics go on.
  return !option_present(s.options, "end") && !option_present(s.options, "events");
}

void apply_state_ttls(physical_plan& plan, const std::vector<int64_t>& ttls_us) {
  const auto more = reached(plan);
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    auto& n = plan.operators[i];
    if (ttls_us[i] == 0) continue;
    if (auto* j = std::get_if<join_spec>(&n.spec); j && more[i])
      for (const auto& e : plan.edges)
        if (e.to.value == i && !more[e.from.value])
          (e.to_port == 0 ? j->left : j->right).stays = true;
    if (takes_state_ttl(n.spec)) n.state_ttl_us = ttls_us[i];
  }
}

std::vector<growing_state> growing_states(const physical_plan& plan) {
  const auto more = reached(plan), certain = reached(plan, true), by_source = changed(plan);
  std::vector<growing_state> out;
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    if (!more[i]) continue;
    const auto in = input_schemas(plan, operator_index(i));
    finder f{plan, operator_index(i), plan.operators[i].state_ttl_us, in, certain[i]};
    f.changes = by_source[i];
    for (const auto& e : plan.edges)
      if (e.to.value == i && more[e.from.value]) (e.to_port == 0 ? f.left : f.right) = true;
    if (auto found = std::visit(f, plan.operators[i].spec)) out.push_back(std::move(*found));
  }
  return out;
}

}  // namespace weir::planner
