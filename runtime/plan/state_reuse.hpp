// Whether what a snapshot has of an operator can be read by one of a changed job: asked before a
// job runs, by who says what it keeps, and when it begins, by who restores it.
#pragma once

#include "runtime/plan/plan.hpp"

namespace weir {

/// Keyed state of other key groups cannot be dealt out anew. What sources and sinks have is dealt
/// out by other means.
inline bool is_lost_with_key_groups(const operator_node& n, uint32_t before,
                                    uint32_t now) noexcept {
  return before != now && keeps_state(n) && !std::holds_alternative<source_spec>(n.spec) &&
         !std::holds_alternative<sink_spec>(n.spec);
}

}  // namespace weir
