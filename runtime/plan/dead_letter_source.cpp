#include "runtime/plan/dead_letter_source.hpp"

namespace weir {
namespace {

error_policy policy_of(const operator_node& n) {
  const auto* s = std::get_if<source_spec>(&n.spec);
  return s ? s->on_error : n.on_error;
}

}  // namespace

const source_spec* dead_letter_source(const physical_plan& plan, operator_index i) {
  // Edges of a sound plan go from lower numbers to higher ones, so each step goes down.
  uint32_t at = i.value;
  while (true) {
    const auto& n = plan.operators[at];
    if (const auto* s = std::get_if<source_spec>(&n.spec))
      return s->options.contains("dead_letter_topic") ? s : nullptr;
    const auto* up = [&]() -> const plan_edge* {
      for (const auto& e : plan.edges)
        if (e.to.value == at && e.from.value < at &&
            policy_of(plan.operators[e.from.value]) == error_policy::dead_letter)
          return &e;
      return nullptr;
    }();
    if (!up) return nullptr;
    at = up->from.value;
  }
}

}  // namespace weir
