// The actor around a node's snapshot store. Detached: it owns the thread that LMDB's write
// transactions are bound to, and it may block on the disk.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "runtime/column/memory.hpp"

namespace weir {

class snapshot_store;

/// Takes over an open store.
store_actor spawn_store(caf::actor_system&, std::unique_ptr<snapshot_store>);

}  // namespace weir
