// Folding: several chunks of one state and key group become one set of full chunks. Knows records,
// not operators: the newest record of a key holds, deleted keys go. Pure; internal to the store.
#pragma once

#include <functional>
#include <span>

#include "runtime/base/result.hpp"
#include "runtime/column/buffer.hpp"

namespace weir {

/// `chunks` oldest first, all of one record layout: errc::unsupported otherwise, errc::corrupt when
/// one is no record chunk. `emit` gets the new chunks; none when every key was deleted.
status fold_chunks(std::span<const std::span<const std::byte>> chunks, memory_pool& pool,
                   const std::function<void(buffer_ref)>& emit);

}  // namespace weir
