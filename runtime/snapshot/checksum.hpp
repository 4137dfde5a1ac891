// The checksum of a chunk covers its bytes and its address, so that neither a flipped bit nor a
// chunk under another's name goes unnoticed. Checked wherever a chunk is read: on restore by the
// thread that reads it, on folding, verification and on the node that gets a copy.
#pragma once

#include "runtime/snapshot/chunk.hpp"

namespace weir {

/// CRC-32C over operator, state, key group, subtask, kind, epoch and the bytes.
uint32_t chunk_crc(const state_chunk&);
/// errc::corrupt, naming the chunk, when it carries a checksum that does not match.
status check_chunk(const state_chunk&);
/// "operator 'x', state 'y', key group 5, epoch 7": for messages.
std::string describe(const state_chunk&);

}  // namespace weir
