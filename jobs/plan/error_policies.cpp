#include "jobs/plan/error_policies.hpp"

#include <optional>

#include "runtime/connectors/options.hpp"

namespace weir::planner {
namespace {

struct policy {
  error_policy what = error_policy::fail;
  std::string folder;
};

int strictness(error_policy p) {
  switch (p) {
    case error_policy::fail:
      return 2;
    case error_policy::dead_letter:
      return 1;
    case error_policy::skip:
      return 0;
  }
  return 2;
}

}  // namespace

void spread_error_policies(physical_plan& plan) {
  std::vector<std::optional<policy>> of(plan.operators.size());
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    auto& n = plan.operators[i];
    if (const auto* s = std::get_if<source_spec>(&n.spec)) {
      // No path: the source's dead_letter_topic has them (runtime/plan/dead_letter_source).
      const bool to_folder =
          s->on_error == error_policy::dead_letter && !s->dead_letter_path.empty();
      of[i] = {s->on_error, to_folder ? resolve_path(s->base_dir, s->dead_letter_path) : ""};
      continue;
    }
    for (const auto& e : plan.edges) {
      if (e.to.value != i) continue;
      const auto& in = of[e.from.value];  // operators stand in topological order
      if (in && (!of[i] || strictness(in->what) > strictness(of[i]->what))) of[i] = in;
    }
    if (!of[i]) continue;
    n.on_error = of[i]->what;
    n.dead_letter_folder = of[i]->folder;
  }
}

}  // namespace weir::planner
