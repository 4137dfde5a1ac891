// A split of connector file (or stdin): which bytes of which file, and how far they are read. Its
// payload travels in snapshots, so decoding checks everything.
#pragma once

#include <limits>

#include "runtime/connectors/byte_source.hpp"
#include "runtime/connectors/source.hpp"

namespace weir {

struct file_split {
  static constexpr uint64_t to_the_end = std::numeric_limits<uint64_t>::max();
  static constexpr uint64_t not_begun = std::numeric_limits<uint64_t>::max();

  enum class kind : uint8_t {
    range,          // bytes of a file that stands
    follow_name,    // tail of a path, over rotations
    follow_inode,   // tail of one file under whatever name it gets
    standard_input  //
  } what = kind::range;
  std::string path;
  compression_kind compression = compression_kind::none;
  /// Records that begin in [begin, end) belong to the split.
  uint64_t begin = 0, end = to_the_end;
  /// begin > 0: the byte before it lies within quotes.
  bool in_quotes = false;
  uint64_t position = not_begun;   // of the next record
  uint64_t line = 0;               // of the next record, from 1; 0 = unknown
  uint64_t device = 0, inode = 0;  // follow: the file that `position` is in; 0 = none yet
  uint64_t dead_letter_bytes = 0;

  std::string encode() const;
  static result<file_split> decode(std::string_view payload);
  /// Bytes left to read, where that is known.
  uint64_t bytes_left() const;
};

}  // namespace weir
