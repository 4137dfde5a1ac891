// The actor around a node's snapshot store. Detached, but in simulations: it owns the thread that
// LMDB's write transactions are bound to, and it may block on the disk.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "runtime/column/memory.hpp"

namespace weir {

class snapshot_store;

/// On which thread the store works. `scheduler`: where that is a single one, as in a simulation.
enum class store_thread : uint8_t { own, scheduler };

/// Takes over an open store.
store_actor spawn_store(caf::actor_system&, std::unique_ptr<snapshot_store>,
                        store_thread = store_thread::own);

}  // namespace weir
