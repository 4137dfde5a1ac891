#include "runtime/log/batch_walk.hpp"

#include <algorithm>
#include <string>

namespace weir {

result<std::optional<walked_batch>> batch_walker::next() {
  if (position_ >= end_) return std::optional<walked_batch>();
  const uint64_t left = end_ - position_;
  if (left < record_batch_header_bytes)
    return error{errc::corrupt, std::to_string(left) + " bytes at position " +
                                    std::to_string(position_) + " are no record batch"};
  const bool buffered = position_ >= buffer_position_ &&
                        position_ + record_batch_header_bytes <= buffer_position_ + buffer_.size();
  if (!buffered) {
    buffer_.resize(std::min<uint64_t>(left, small_ ? chunk_bytes : record_batch_header_bytes));
    WEIR_ASSIGN(size_t n, file_.read(position_, buffer_));
    buffer_.resize(n);
    buffer_position_ = position_;
    if (n < record_batch_header_bytes)
      return error{errc::corrupt, "the file ends at " + std::to_string(position_ + n) +
                                      " instead of " + std::to_string(end_)};
  }
  auto head = peek_batch(
      std::span(buffer_).subspan(position_ - buffer_position_, record_batch_header_bytes));
  if (!head || head->size_bytes() > left || head->last_offset_delta() < 0 ||
      head->base_offset() < 0)
    return error{errc::corrupt, "the bytes at position " + std::to_string(position_) +
                                    " are no record batch" +
                                    (head ? std::string() : ": " + head.err().message)};
  walked_batch b{*head, position_};
  position_ = b.end();
  small_ = head->size_bytes() < small_batch_bytes;
  return std::optional<walked_batch>(b);
}

status batch_walker::read_whole(const walked_batch& b, std::vector<std::byte>& out) const {
  out.resize(b.header.size_bytes());
  WEIR_ASSIGN(size_t n, file_.read(b.position, out));
  if (n == out.size()) return {};
  return error{errc::corrupt, "the file ends within the batch at " + std::to_string(b.position)};
}

}  // namespace weir
