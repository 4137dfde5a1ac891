// Bytes of a file, decompressed where needed, from a position on. Blocking: used by one thread at a
// time, on an io_executor. Positions count decompressed bytes.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "runtime/base/result.hpp"
#include "runtime/io/file.hpp"

namespace weir {

enum class compression_kind : uint8_t { none = 0, gzip = 1, zstd = 2 };

/// By the ending of the name: .gz, .zst.
compression_kind compression_of(std::string_view path);

class byte_source {
 public:
  virtual ~byte_source() = default;
  /// Up to out.size() bytes, at least one unless nothing is left for now.
  virtual result<size_t> read(std::span<std::byte> out) = 0;
  /// Reading 0 bytes means "nothing yet" and not the end.
  virtual bool endless() const { return false; }
};

/// Reads `path` from `position` to the end of the file.
result<std::unique_ptr<byte_source>> open_bytes(file_system&, const std::string& path,
                                                compression_kind, uint64_t position);
/// The first record (up to an unquoted line feed, or the end), without it; for CSV headers.
result<std::string> read_first_record(byte_source&, bool quotes, size_t bytes_max);

}  // namespace weir
