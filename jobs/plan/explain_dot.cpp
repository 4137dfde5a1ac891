// A plan as a graph in Graphviz's language (https://graphviz.org/doc/info/lang.html).
#include "jobs/plan/describe.hpp"
#include "jobs/plan/explain.hpp"
#include "jobs/plan/growth.hpp"

namespace weir::planner {
namespace {

constexpr size_t line_characters_max = 60;

std::string escaped(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\l";
    else
      out += c;
  }
  return out;
}

/// Lines of at most about 60 characters, cut at blanks, each to the left.
std::string wrapped(std::string_view text) {
  std::string out;
  size_t width = 0;
  while (!text.empty()) {
    const auto blank = text.find(' ');
    const auto word = text.substr(0, blank);
    if (width > 0 && width + 1 + word.size() > line_characters_max) {
      out += "\\l";
      width = 0;
    }
    if (width > 0) out += ' ', ++width;
    out += escaped(word);
    width += word.size();
    text = blank == std::string_view::npos ? std::string_view{} : text.substr(blank + 1);
  }
  return out + "\\l";
}

std::string node_text(const physical_plan& plan, operator_index i,
                      const std::vector<growing_state>& growing) {
  const auto& n = plan.operators[i.value];
  std::string label = escaped(n.id) + " x" + std::to_string(plan.parallelism_of(i)) + "\\l" +
                      wrapped(describe(plan, i));
  const auto state = state_of(plan, i);
  if (state.bound != state_bound::none) label += wrapped("state: " + state.text);
  for (const auto& g : guarantees(plan))
    if (g.sink == n.id) {
      static constexpr const char* words[] = {"at most once", "at least once", "exactly once"};
      label += wrapped(std::string(words[static_cast<size_t>(g.level)]) + ", since " + g.reason);
    }
  std::string more;
  for (const auto& g : growing)
    if (g.op == i) {
      label += wrapped("grows without bound; to bound it, " + g.bound_by);
      more = ", color=red";
    }
  if (std::holds_alternative<source_spec>(n.spec) || std::holds_alternative<sink_spec>(n.spec))
    more += ", style=rounded";
  return "  n" + std::to_string(i.value) + " [label=\"" + label + "\"" + more + "];\n";
}

std::string edge_text(const physical_plan& plan, const plan_edge& e) {
  const auto& from = plan.operators[e.from.value];
  std::string label = exchange_name(e.exchange);
  if (e.exchange == exchange_kind::hash)
    label += " by " + join_columns(e.keys, output_of(from, e.from_port));
  if (e.from_port) label += ", side output " + std::to_string(e.from_port);
  if (from.emits_changes) label += ", changes";
  return "  n" + std::to_string(e.from.value) + " -> n" + std::to_string(e.to.value) +
         " [label=\"" + escaped(label) + "\"" + (from.emits_changes ? ", style=dashed" : "") +
         "];\n";
}

}  // namespace

std::string explain_dot(const physical_plan& plan) {
  std::string title = "job " + plan.name + ", " + to_string(plan.mode) + ", parallelism " +
                      std::to_string(plan.parallelism) + ", " + std::to_string(plan.key_groups) +
                      " key groups";
  std::string out =
      "digraph \"" + escaped(plan.name) + "\" {\n  label=\"" + escaped(title) +
      "\\lDashed edges carry changes.\\l\";\n  labelloc=t; labeljust=l;\n" +
      "  node [shape=box, fontname=\"monospace\"];\n  edge [fontname=\"monospace\"];\n";
  const auto growing = growing_states(plan);
  for (uint32_t i = 0; i < plan.operators.size(); ++i)
    out += node_text(plan, operator_index(i), growing);
  for (const auto& e : plan.edges) out += edge_text(plan, e);
  return out + "}\n";
}

}  // namespace weir::planner
