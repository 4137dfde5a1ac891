// Whether somebody listens at an address, asked with a limit. CAF's own connect has none and would
// hold up everything that is connected after it.
#pragma once

#include <chrono>

#include "runtime/io/address.hpp"

namespace weir {

/// Connects by TCP and closes again. Blocks for at most about `limit` per address of the host.
status probe(const host_port&, std::chrono::milliseconds limit);

}  // namespace weir
