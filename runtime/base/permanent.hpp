// Which failures another attempt cannot heal. The one place where that is decided.
#pragma once

#include "runtime/base/result.hpp"

namespace weir {

/// Whether the same work would fail in the same way again: what the user wrote or the data they
/// gave is wrong, or state has outgrown the budget. A job that fails so is not restarted;
/// everything else (the system, the network, time, code of others, our own bugs) may be better the
/// next time.
bool is_permanent(errc) noexcept;

}  // namespace weir
