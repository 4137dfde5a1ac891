// Topics with a compression.type of their own: clients' batches are brought into that codec before
// they are appended. On the partition's thread: its batches keep their order, other partitions go
// on meanwhile, and so does the gateway.
#pragma once

#include "actors/storage/interfaces.hpp"

namespace weir {

/// Replaces the message's batch where its codec is another; own batches stay as they are, and so do
/// those that the partition will refuse anyway. An error: its records do not decompress.
status bring_into_codec(append_message&, const partition_settings&);

}  // namespace weir
