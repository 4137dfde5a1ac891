// Steps from batch to batch through a segment's file by their headers, and checks whole ones.
// Blocks; one thread. Nothing read from the file is trusted: lengths and offsets that do not fit
// end the walk with the place where it ended.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/io/positional_file.hpp"
#include "runtime/log/record_batch.hpp"

namespace weir {

struct walked_batch {
  record_batch_view header;  // of the header alone; valid until the next step
  uint64_t position = 0;
  uint64_t end() const { return position + header.size_bytes(); }
};

class batch_walker {
 public:
  /// Over [position, end) of the file, which must be whole batches.
  batch_walker(const positional_file& file, uint64_t position, uint64_t end)
      : file_(file), position_(position), end_(end) {}

  /// Nothing at the end. errc::corrupt at bytes that are no batch or reach beyond the end: then
  /// position() is where they begin.
  result<std::optional<walked_batch>> next();
  /// Of the batch that next() would return.
  uint64_t position() const noexcept { return position_; }
  /// The whole of a batch that next() returned, into `out`.
  status read_whole(const walked_batch&, std::vector<std::byte>& out) const;

 private:
  // Small batches are read together, large ones by their headers only.
  static constexpr size_t chunk_bytes = size_t{64} << 10;
  static constexpr size_t small_batch_bytes = 4096;

  const positional_file& file_;
  uint64_t position_;
  uint64_t end_;
  std::vector<std::byte> buffer_;
  uint64_t buffer_position_ = 0;
  bool small_ = true;
};

}  // namespace weir
