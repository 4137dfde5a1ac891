// What the rows depend on that an operator takes.
#pragma once

#include "runtime/plan/plan.hpp"

namespace weir {

/// Hash of the conditions, expressions and state of the operators from the sources to this one's
/// inputs. Another one where state is kept means that what comes from now on is chosen or computed
/// differently than what the state was made of. Columns that are only handed on do not count, nor
/// do sources, whose state says itself what they read.
uint64_t inputs_fingerprint(const physical_plan&, operator_index);

}  // namespace weir
