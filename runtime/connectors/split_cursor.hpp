// Cuts the records of one split out of its stream of blocks. Owned by a file_reader; its task's
// thread only; never blocks. What was cut is "read"; what mark() has seen is "emitted" and makes
// the split's position.
#pragma once

#include "runtime/connectors/file_blocks.hpp"
#include "runtime/connectors/text_window.hpp"

namespace weir {

struct cursor_config {
  text_format format;
  std::string id, ordered_by;
  uint64_t record_bytes_max = 0;
};

/// "flights.csv:17", or "flights.csv@byte 1234" where the line is not known. `begin` is a place in
/// `window`, whose first byte has the offset and the line that are given.
std::string place_of(const std::string& path, const char* window, uint32_t begin, uint64_t offset,
                     uint64_t line);

class split_cursor {
 public:
  split_cursor(cursor_config, file_split, std::unique_ptr<record_decoder>,
               std::unique_ptr<block_stream>, std::shared_ptr<file_opening>, memory_pool&);

  enum class got { records, bad, pending, nothing_yet, end };
  /// Up to `max` records, in `out`; they lie in window(). Records of no bytes are left out where
  /// the decoder says so.
  result<got> next(uint32_t max, std::vector<record_range>& out);
  /// got::bad: no record can be made of these bytes (a quote that is never closed: its line; a
  /// record that is too long: its beginning). Reading goes on behind the next line end.
  struct bad_bytes {
    std::shared_ptr<const text_window> window;
    uint32_t begin = 0, end = 0;
    uint64_t offset = 0, line = 0;  // of the window's first byte
    std::string cause;
  };
  const bad_bytes& bad() const { return bad_; }
  const text_window& window() const { return *window_; }
  record_decoder& decoder() { return *decoder_; }
  block_stream& stream() { return *stream_; }

  /// All records that next() gave are emitted. Returns the bytes since the last mark.
  uint64_t mark();
  /// The split as of the last mark().
  source_split marked() const;
  const file_split& split() const { return split_; }
  const std::string& id() const { return config_.id; }
  uint64_t dead_letter_bytes() const { return split_.dead_letter_bytes; }
  void set_dead_letter_bytes(uint64_t n) { split_.dead_letter_bytes = n; }
  /// place_of() in this split's file.
  std::string where(const text_window& window, uint32_t begin, uint64_t offset,
                    uint64_t line) const;
  uint64_t window_offset() const { return window_offset_; }
  uint64_t window_line() const { return window_line_; }
  uint32_t place() const { return place_; }
  bool waiting() const { return waiting_; }

 private:
  result<got> cut(uint32_t max, std::vector<record_range>& out);
  result<bool> take_first_records();
  status load(byte_block block);
  void scan();
  uint32_t next_line_end(uint32_t from) const;
  void give_up_line(std::string cause);
  std::string too_long() const;
  void pass_over(byte_block&);

  cursor_config config_;
  file_split split_;  // position, line: as of the last mark()
  std::unique_ptr<record_decoder> decoder_;
  std::unique_ptr<block_stream> stream_;
  std::shared_ptr<file_opening> opening_;
  memory_pool& pool_;

  std::shared_ptr<text_window> window_;
  uint64_t window_offset_ = 0;  // in the file, of the window's first byte
  uint64_t window_line_ = 0;    // its line; 0 = unknown
  uint32_t place_ = 0;          // in the window, of the next record
  uint64_t marked_offset_ = 0;
  uint64_t device_ = 0, inode_ = 0;
  bool first_is_partial_ = false;  // the stream starts within a record of the split before
  bool first_is_header_ = false;
  bool header_from_opening_ = false;
  bool window_in_quotes_ = false;  // the window starts within quotes
  bool open_quotes_ = false;       // the window ends within quotes
  bool last_window_ = false;       // nothing follows it
  bool waiting_ = false;
  bool passing_over_ = false;  // what follows belongs to a record that was too long
  bool untold_ = false;        // ... and that another split tells of
  bool gave_up_ = false;       // an empty window has a place too: behind the last bad bytes
  bad_bytes bad_;
  std::optional<byte_block> next_file_;  // a tailed file's successor, after the open record's end
};

}  // namespace weir
