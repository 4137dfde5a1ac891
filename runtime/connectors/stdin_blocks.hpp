// Standard input as a stream of blocks.
#pragma once

#include "runtime/connectors/block_stream.hpp"

namespace weir {

/// Reads `fd` on a thread of its own, since it may wait there for ever; destroying the stream ends
/// the wait. The descriptor stays open.
std::unique_ptr<block_stream> make_stdin_stream(memory_pool&, std::function<void()> wake,
                                                int fd = 0);

}  // namespace weir
