// The four codecs of record batches as clients use them: gzip, snappy (xerial's framing, and raw on
// reading), lz4 frames with independent blocks, zstd. Pure functions, safe on any thread; contexts
// of the libraries are kept per thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/log/record_batch.hpp"

namespace weir {

/// Replaces `out` by the uncompressed bytes. errc::corrupt for what does not decode,
/// errc::budget_exceeded for more than `bytes_max`.
status decompress_records(compression_type, std::span<const std::byte> in, size_t bytes_max,
                          std::vector<std::byte>& out);
/// Appends the compressed bytes to `out`. errc::internal when the library refuses.
status compress_records(compression_type, std::span<const std::byte> in,
                        std::vector<std::byte>& out);

}  // namespace weir
