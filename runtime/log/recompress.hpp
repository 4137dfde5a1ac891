// A batch in another codec: for topics that ask for one whatever their producers use. A pure
// function, safe on any thread.
#pragma once

#include <vector>

#include "runtime/log/compression.hpp"

namespace weir {

/// The batch (verified) with the same header and records, compressed by `to`. errc::corrupt when
/// its records do not decompress, errc::budget_exceeded when they are more than `bytes_max`.
result<std::vector<std::byte>> recompress_batch(record_batch_view, compression_type to,
                                                size_t bytes_max);

}  // namespace weir
