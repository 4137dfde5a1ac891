// Makers of blocks (block_stream.hpp): of a range of a file, of a tailed file, of standard input.
#pragma once

#include "runtime/connectors/block_stream.hpp"
#include "runtime/connectors/file_split.hpp"

namespace weir {

/// Learned on the executor before the first block, read by the task after it.
struct file_opening {
  bool wants_header = false;  // the split starts after the header record
  bool quotes = false;        // the header record may contain quoted line feeds
  std::string header;
};

std::unique_ptr<block_maker> make_range_blocks(file_system&, const file_split&,
                                               std::shared_ptr<file_opening>);
std::unique_ptr<block_maker> make_tail_blocks(file_system&, const file_split&,
                                              std::shared_ptr<file_opening>);

/// Where a split's bytes begin to be read: at its position, else one byte before its begin.
inline uint64_t first_byte_of(const file_split& s) {
  if (s.position != file_split::not_begun) return s.position;
  return s.begin ? s.begin - 1 : 0;
}

/// Header records longer than this are refused.
inline constexpr size_t header_bytes_max = 1 << 20;

}  // namespace weir
