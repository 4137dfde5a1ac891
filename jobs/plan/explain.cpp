#include "jobs/plan/explain.hpp"

#include "jobs/plan/describe.hpp"
#include "jobs/plan/growth.hpp"
#include "runtime/base/units.hpp"
#include "runtime/column/json_text.hpp"

namespace weir::planner {
namespace {

std::string exchange_text(const physical_plan& plan, const plan_edge& e) {
  const auto& from = plan.operators[e.from.value];
  std::string out = exchange_name(e.exchange);
  if (e.exchange == exchange_kind::hash)
    out += " by " + join_columns(e.keys, output_of(from, e.from_port));
  if (e.from_port) out += " of side output " + std::to_string(e.from_port);
  if (from.emits_changes) out += ", changes";
  return out;
}

class tree_printer {
 public:
  explicit tree_printer(const physical_plan& p)
      : plan_(p), growing_(growing_states(p)), seen_(p.operators.size()) {}

  void print(uint32_t i, const std::string& first, const std::string& rest) {
    const auto& n = plan_.operators[i];
    out += first + n.id + " x" + std::to_string(plan_.parallelism_of(operator_index(i)));
    if (seen_[i]) {
      out += ": see above\n";
      return;
    }
    seen_[i] = true;
    out += ": " + describe(plan_, operator_index(i)) + '\n';
    std::vector<const plan_edge*> in;
    for (const auto& e : plan_.edges)
      if (e.to.value == i) in.push_back(&e);
    auto state = state_of(plan_, operator_index(i));
    if (state.bound != state_bound::none)
      out += rest + (in.empty() ? "   " : "|  ") + "state: " + state.text + '\n';
    for (const auto& g : growing_)
      if (g.op.value == i)
        out += rest + "|  grows without bound: " + g.what + "; to bound it, " + g.bound_by + '\n';
    for (size_t k = 0; k < in.size(); ++k) {
      const bool last = k + 1 == in.size();
      // A forward edge is a line of its own only where it says more than that.
      auto exchange = exchange_text(plan_, *in[k]);
      auto label = exchange == "forward" ? "" : "[" + exchange + "] ";
      print(in[k]->from.value, rest + "+- " + label, rest + (last ? "   " : "|  "));
    }
  }

  std::string out;

 private:
  const physical_plan& plan_;
  std::vector<growing_state> growing_;
  std::vector<bool> seen_;
};

const char* bound_text(state_bound b) {
  static constexpr const char* names[] = {"none", "bounded", "unbounded", "custom"};
  return names[static_cast<size_t>(b)];
}

const char* level_name(guarantee_level l) {
  static constexpr const char* names[] = {"at-most-once", "at-least-once", "exactly-once"};
  return names[static_cast<size_t>(l)];
}

std::string operator_json(const physical_plan& plan, uint32_t i,
                          const std::vector<growing_state>& growing) {
  const auto& n = plan.operators[i];
  auto state = state_of(plan, operator_index(i));
  std::string out = "{\"id\": " + json_string(n.id) +
                    ", \"kind\": " + json_string(kind_name(n.spec)) +
                    ", \"what\": " + json_string(describe(plan, operator_index(i))) +
                    ", \"parallelism\": " + std::to_string(plan.parallelism_of(operator_index(i))) +
                    ", \"emits_changes\": " + (n.emits_changes ? "true" : "false") +
                    ", \"state\": " + json_string(bound_text(state.bound));
  if (!state.text.empty()) out += ", \"state_detail\": " + json_string(state.text);
  if (n.state_ttl_us != 0)
    out += ", \"state_ttl\": " + json_string(format_duration_us(n.state_ttl_us));
  for (const auto& g : growing)
    if (g.op.value == i)
      out += ", \"grows\": " + json_string(g.what) + ", \"bound_by\": " + json_string(g.bound_by);
  if (n.output) {
    out += ", \"columns\": [";
    for (size_t c = 0; c < n.output->size(); ++c)
      out += std::string(c ? ", " : "") + "{\"name\": " + json_string(n.output->fields[c].name) +
             ", \"type\": " + json_string(to_string(n.output->fields[c].type)) + '}';
    out += ']';
  }
  return out + '}';
}

}  // namespace

std::string explain_text(const physical_plan& plan) {
  tree_printer printer(plan);
  printer.out = "job " + plan.name + ": parallelism " + std::to_string(plan.parallelism) + ", " +
                std::to_string(plan.key_groups) + " key groups, " + to_string(plan.mode) + '\n';
  for (const auto& g : guarantees(plan)) {
    static constexpr const char* words[] = {"at most once", "at least once", "exactly once"};
    printer.out +=
        "  " + g.sink + ": " + words[static_cast<size_t>(g.level)] + ", since " + g.reason + '\n';
  }
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    bool root = true;
    for (const auto& e : plan.edges) root &= e.from.value != i;
    if (!root) continue;
    printer.out += '\n';
    printer.print(i, "", "");
  }
  return std::move(printer.out);
}

std::string explain_json(const physical_plan& plan) {
  std::string out =
      "{\"name\": " + json_string(plan.name) + ", \"mode\": " + json_string(to_string(plan.mode)) +
      ", \"parallelism\": " + std::to_string(plan.parallelism) +
      ", \"key_groups\": " + std::to_string(plan.key_groups) + ",\n \"guarantees\": [";
  bool first = true;
  for (const auto& g : guarantees(plan)) {
    out += std::string(first ? "" : ", ") + "{\"sink\": " + json_string(g.sink) +
           ", \"guarantee\": " + json_string(level_name(g.level)) +
           ", \"reason\": " + json_string(g.reason) + '}';
    first = false;
  }
  const auto growing = growing_states(plan);
  out += "],\n \"operators\": [";
  for (uint32_t i = 0; i < plan.operators.size(); ++i)
    out += (i ? ",\n   " : "\n   ") + operator_json(plan, i, growing);
  out += "],\n \"edges\": [";
  for (size_t i = 0; i < plan.edges.size(); ++i) {
    const auto& e = plan.edges[i];
    const auto& from = plan.operators[e.from.value];
    out += std::string(i ? ",\n   " : "\n   ") + "{\"from\": " + json_string(from.id) +
           ", \"to\": " + json_string(plan.operators[e.to.value].id) +
           ", \"from_port\": " + std::to_string(e.from_port) +
           ", \"to_port\": " + std::to_string(e.to_port) +
           ", \"exchange\": " + json_string(exchange_name(e.exchange)) + ", \"keys\": [";
    for (size_t k = 0; k < e.keys.size(); ++k)
      out += (k ? ", " : "") + json_string(output_of(from, e.from_port)->fields[e.keys[k]].name);
    out += std::string("], \"changes\": ") + (from.emits_changes ? "true" : "false") + '}';
  }
  return out + "]}\n";
}

}  // namespace weir::planner
