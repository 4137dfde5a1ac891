// A batch as a Cap'n Proto message (schema/batch.capnp) and back. Encoding copies no large buffer:
// they become segments of the message as they stand. Decoding uses the received bytes in place and
// believes nothing: every size, offset, index and count is checked, so that a damaged or hostile
// message is an error and never a read out of bounds. Pure functions; any thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/batch.hpp"

namespace weir {

/// Limits of the format, checked on both sides.
inline constexpr uint32_t wire_rows_max = 1u << 28;    // Cap'n Proto's Data ends at 512 MiB
inline constexpr uint32_t wire_narrow_max = 1u << 16;  // values of a narrowed column
inline constexpr uint32_t wire_segments_max = 4096;    // beyond it, buffers are copied together

struct encode_options {
  /// Costs one pass over the bytes (XXH3, some 30 GB/s) on each side; off where the transport or
  /// the store has its own.
  bool checksum = true;
  /// Integers whose range is small go as differences in fewer bytes: a pass over them on each side,
  /// for fewer bytes to move. Older builds cannot read it.
  bool narrow = false;
};

/// An encoded batch: pieces to write one after the other (segment table first, then segments), all
/// multiples of 8 bytes. They live as long as `owner`, which holds the batch's buffers.
struct wire_message {
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> owner;
  size_t bytes = 0;  // of all pieces together

  /// Writes the message to `to`, which has room for `bytes`.
  void copy_to(std::byte* to) const noexcept;
  std::vector<std::byte> flat() const;
};

/// Rows outside a selection are left out when they are more than the selected ones. Fails
/// (invalid_argument) only for batches beyond the format's limits.
result<wire_message> encode_batch(const batch_ptr& b, memory_pool& pool, encode_options = {});

/// From the bytes of a whole message, which `owner` keeps alive (copied when not 8-byte aligned).
/// The batch's memory is charged to `pool`. Errors: corrupt, version_mismatch, type_mismatch.
result<batch_ptr> decode_batch(std::span<const std::byte> message,
                               std::shared_ptr<const void> owner, const schema_ptr& type,
                               memory_pool& pool);
/// From a buffer that has the whole message, 8-byte aligned: columns are parts of it, which is
/// charged to its own pool already.
result<batch_ptr> decode_batch(buffer_ref message, const schema_ptr& type, memory_pool& pool);
/// From separate segments (without the table), each 8-byte aligned.
result<batch_ptr> decode_segments(std::span<const std::span<const std::byte>> segments,
                                  std::shared_ptr<const void> owner, const schema_ptr& type,
                                  memory_pool& pool);

/// Of the columns' types in order, nested ones included; names at the top do not count.
uint64_t schema_fingerprint(const schema& type);

/// Checks a column from outside against every rule of batch.hpp; the decoder's own check.
status validate_column(const column& c);

}  // namespace weir
