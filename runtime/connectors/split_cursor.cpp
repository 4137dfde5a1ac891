#include "runtime/connectors/split_cursor.hpp"

#include <simdjson.h>

#include "runtime/connectors/csv_scan.hpp"

namespace weir {

split_cursor::split_cursor(cursor_config config, file_split split,
                           std::unique_ptr<record_decoder> decoder,
                           std::unique_ptr<block_stream> stream,
                           std::shared_ptr<file_opening> opening, memory_pool& pool)
    : config_(std::move(config)),
      split_(std::move(split)),
      decoder_(std::move(decoder)),
      stream_(std::move(stream)),
      opening_(std::move(opening)),
      pool_(pool),
      window_(std::make_shared<text_window>()) {
  window_offset_ = first_byte_of(split_);
  bool begun = split_.position != file_split::not_begun;
  first_is_partial_ = !begun && split_.begin > 0;
  window_in_quotes_ = first_is_partial_ && split_.in_quotes;
  first_is_header_ = config_.format.header && window_offset_ == 0;
  header_from_opening_ = config_.format.header && window_offset_ > 0;
  if (opening_) {
    opening_->wants_header = header_from_opening_;
    opening_->quotes = true;
  }
  window_line_ = begun ? split_.line : (split_.begin == 0 ? 1 : 0);
  if (split_.line == 0) split_.line = window_line_;
  marked_offset_ = first_is_partial_ ? split_.begin : window_offset_;
  device_ = split_.device;
  inode_ = split_.inode;
}

void split_cursor::scan() {
  auto& w = *window_;
  size_t words = (size_t{w.size} + 63) / 64;
  w.lines.resize(words);
  if (config_.format.format == text_format::kind::csv) {
    w.delimiters.resize(words);
    auto r = scan_csv(w.data, w.size, config_.format.delimiter, window_in_quotes_, w.lines.data(),
                      w.delimiters.data());
    w.any_quote = r.any_quote || window_in_quotes_;
    open_quotes_ = r.in_quotes;
  } else {
    scan_lines(w.data, w.size, w.lines.data());
  }
  size_t complete = w.size;
  if (!last_window_) {
    size_t word = words;
    while (word > 0 && w.lines[word - 1] == 0) --word;
    complete =
        word ? (word - 1) * 64 + 63 - static_cast<size_t>(__builtin_clzll(w.lines[word - 1])) : 0;
  }
  w.utf8 = simdjson::validate_utf8(w.data, complete);
}

// A new window: what is left of the old one, and the block behind it.
status split_cursor::load(byte_block block) {
  uint32_t left = window_->size - place_;
  window_offset_ += place_;
  if (window_line_) window_line_ += count_bytes(window_->data, place_, '\n');
  auto old = std::move(window_);
  window_ = std::make_shared<text_window>();
  window_->lines = std::vector<uint64_t>();
  if (old.use_count() == 1) {  // its masks' memory serves again
    window_->lines.swap(old->lines);
    window_->delimiters.swap(old->delimiters);
  }
  window_in_quotes_ = window_in_quotes_ && first_is_partial_;
  size_t size = left + block.size;
  if (left <= block_headroom) {
    char* begin = block.memory.mutable_as<char>() + block_headroom - left;
    if (left) std::memcpy(begin, old->data + place_, left);
    window_->data = begin;
    window_->memory = std::move(block.memory);
  } else {
    auto merged = buffer::allocate(pool_, size);
    std::memcpy(merged.mutable_as<char>(), old->data + place_, left);
    std::memcpy(merged.mutable_as<char>() + left, block.memory.as<char>() + block_headroom,
                block.size);
    window_->data = merged.as<char>();
    window_->memory = std::move(merged);
  }
  window_->size = static_cast<uint32_t>(size);
  place_ = 0;
  scan();
  return {};
}

std::string split_cursor::too_long() const {
  if (open_quotes_)
    return "a quoted field is not closed within " + std::to_string(config_.record_bytes_max) +
           " bytes; is a quote missing?";
  return "the record is longer than record_size_max (" + std::to_string(config_.record_bytes_max) +
         " bytes)";
}

// The line at place_ is bad; what follows it is looked at anew, as if no quote were open.
void split_cursor::give_up_line(std::string cause) {
  const auto& w = *window_;
  const void* found = std::memchr(w.data + place_, '\n', w.size - place_);
  const uint32_t end =
      found ? static_cast<uint32_t>(static_cast<const char*>(found) - w.data) : w.size;
  bad_ = {window_, place_, end, window_offset_, window_line_, std::move(cause)};
  passing_over_ = !found && !last_window_;
  gave_up_ = true;
  const uint32_t next = found ? end + 1 : w.size;
  window_offset_ += next;
  if (window_line_) window_line_ += count_bytes(w.data, next, '\n');
  auto rest = std::make_shared<text_window>();
  rest->memory = w.memory;
  rest->data = w.data + next;
  rest->size = w.size - next;
  window_ = std::move(rest);
  place_ = 0;
  window_in_quotes_ = open_quotes_ = false;
  if (window_->size) scan();
}

// Drops the block's bytes up to the end of the record that was too long, if it is there.
void split_cursor::pass_over(byte_block& block) {
  char* begin = block.memory.mutable_as<char>() + block_headroom;
  const void* found = std::memchr(begin, '\n', block.size);
  const size_t dropped =
      found ? static_cast<size_t>(static_cast<const char*>(found) - begin) + 1 : block.size;
  window_offset_ += dropped;
  if (found && window_line_) ++window_line_;
  std::memmove(begin, begin + dropped, block.size - dropped);
  block.size -= dropped;
  passing_over_ = !found;
}

// Place of the first line end at or after `from`, or the window's size.
uint32_t split_cursor::next_line_end(uint32_t from) const {
  const auto& lines = window_->lines;
  size_t word = from / 64;
  if (word >= lines.size()) return window_->size;
  uint64_t m = lines[word] & (~0ull << (from & 63));
  while (m == 0) {
    if (++word == lines.size()) return window_->size;
    m = lines[word];
  }
  return static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(__builtin_ctzll(m));
}

// Passes over a byte order mark, the rest of the record before and the header; false = needs more.
result<bool> split_cursor::take_first_records() {
  if (header_from_opening_) {
    header_from_opening_ = false;
    WEIR_TRY([&]() -> status {
      auto s = decoder_->set_header(opening_->header);
      return s ? status() : status(s.err().at(split_.path));
    }());
  }
  if (!first_is_partial_ && !first_is_header_) return true;
  uint32_t end = next_line_end(place_);
  if (end == window_->size && !last_window_) return false;
  if (first_is_partial_) {
    first_is_partial_ = false;
    place_ = std::min(end + 1, window_->size);
    marked_offset_ = window_offset_ + place_;  // what was passed over counts for the split before
    return true;
  }
  std::string_view header(window_->data + place_, end - place_);
  if (header.starts_with("\xEF\xBB\xBF")) header.remove_prefix(3);
  if (auto s = decoder_->set_header(header); !s) return s.err().at(split_.path);
  first_is_header_ = false;
  place_ = std::min(end + 1, window_->size);
  return true;
}

result<split_cursor::got> split_cursor::cut(uint32_t max, std::vector<record_range>& out) {
  if (window_->size == 0) return got::pending;
  if (first_is_partial_ || first_is_header_ || header_from_opening_) {
    WEIR_ASSIGN(bool passed, take_first_records());
    if (!passed) return got::pending;
  } else if (window_offset_ == 0 && place_ == 0 && window_->size >= 3 &&
             std::memcmp(window_->data, "\xEF\xBB\xBF", 3) == 0) {
    place_ = 3;
  }
  // A byte order mark is part of the first record: that one begins at 0 and is this split's.
  const bool behind_mark = window_offset_ == 0 && place_ == 3 && window_->size >= 3 &&
                           std::memcmp(window_->data, "\xEF\xBB\xBF", 3) == 0;
  bool skip_blank = decoder_->skips_blank();
  const uint64_t limit = split_.end == file_split::to_the_end || split_.end < window_offset_
                             ? (split_.end == file_split::to_the_end ? UINT64_MAX : 0)
                             : split_.end - window_offset_;
  while (out.size() < max) {
    if (place_ >= limit && !(behind_mark && place_ == 3))
      return out.empty() ? got::end : got::records;
    uint32_t end = next_line_end(place_);
    if (end == window_->size) {
      if (!last_window_ || place_ == end) break;
      if (open_quotes_) {
        if (!out.empty()) return got::records;
        give_up_line("a quoted field is not closed; is a quote missing?");
        return got::bad;  // the last window: nothing is left to pass over
      }
    }
    uint32_t begin = place_;
    place_ = std::min(end + 1, window_->size);
    bool blank = end == begin || (end == begin + 1 && window_->data[begin] == '\r');
    if (!(blank && skip_blank)) out.push_back({begin, end});
  }
  return out.empty() ? got::pending : got::records;
}

result<split_cursor::got> split_cursor::next(uint32_t max, std::vector<record_range>& out) {
  out.clear();
  for (;;) {
    WEIR_ASSIGN(got cut_now, cut(max, out));
    if (cut_now != got::pending) return cut_now;
    if (last_window_ && next_file_) {  // the old file is done: its successor begins at offset 0
      auto block = std::move(*next_file_);
      next_file_.reset();
      window_ = std::make_shared<text_window>();
      place_ = 0;
      window_offset_ = marked_offset_ = 0;
      window_line_ = 1;
      last_window_ = false;
      first_is_header_ = config_.format.header;
      first_is_partial_ = header_from_opening_ = false;
      device_ = block.device;
      inode_ = block.inode;
      WEIR_TRY(load(std::move(block)));
      continue;
    }
    if (last_window_) return got::end;
    if (window_->size - place_ > config_.record_bytes_max) {
      if (first_is_header_)
        return {errc::parse,
                where(*window_, place_, window_offset_, window_line_) + ": " + too_long()};
      // The rest of a record that began in the split before is that one's to tell of.
      untold_ = std::exchange(first_is_partial_, false);
      give_up_line(too_long());
      if (!passing_over_ && !std::exchange(untold_, false)) return got::bad;
      continue;
    }
    byte_block block;
    waiting_ = false;
    WEIR_ASSIGN(auto news, stream_->next(block));
    if (news == block_stream::got::pending || news == block_stream::got::nothing_yet) {
      waiting_ = news == block_stream::got::pending;
      return waiting_ ? got::pending : got::nothing_yet;
    }
    if (news == block_stream::got::end || block.fresh_file) {
      last_window_ = true;
      if (std::exchange(passing_over_, false) && !std::exchange(untold_, false)) {
        if (block.fresh_file) next_file_ = std::move(block);
        return got::bad;
      }
      if (block.fresh_file) next_file_ = std::move(block);
      if (window_->size) scan();
      continue;
    }
    if (block.inode) {
      device_ = block.device;
      inode_ = block.inode;
    }
    const bool passing = passing_over_;
    if (passing) pass_over(block);
    if (passing_over_) continue;
    if (block.size) WEIR_TRY(load(std::move(block)));
    if (passing && !std::exchange(untold_, false)) return got::bad;
  }
}

uint64_t split_cursor::mark() {
  uint64_t now = window_offset_ + place_;
  if (first_is_partial_ || first_is_header_ || (window_->size == 0 && !gave_up_)) return 0;
  uint64_t bytes = now > marked_offset_ ? now - marked_offset_ : 0;
  marked_offset_ = now;
  split_.position = now;
  split_.line = window_line_ ? window_line_ + count_bytes(window_->data, place_, '\n') : 0;
  split_.device = device_;
  split_.inode = inode_;
  return bytes;
}

source_split split_cursor::marked() const {
  return {config_.id, config_.ordered_by, split_.encode(), split_.bytes_left()};
}

std::string split_cursor::where(const text_window& window, uint32_t begin, uint64_t offset,
                                uint64_t line) const {
  return place_of(split_.path, window.data, begin, offset, line);
}

std::string place_of(const std::string& path, const char* window, uint32_t begin, uint64_t offset,
                     uint64_t line) {
  if (line) return path + ":" + std::to_string(line + count_bytes(window, begin, '\n'));
  return path + "@byte " + std::to_string(offset + begin);
}

}  // namespace weir
