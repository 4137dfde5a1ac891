// Writes the Kafka protocol's primitive types into one growing buffer. Owned by one encode call or
// reused by a connection (clear()); no thread of its own. Record batches may be left out: the
// writer then keeps a list of holes, and every length that it writes counts their bytes in, so that
// a Fetch response is sent as pieces of this buffer and of files.
#pragma once

#include <cstring>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/protocol/types.hpp"

namespace weir::kafka {

/// "At `position` of the buffer, `size` bytes of the caller's chunk `id` belong."
struct hole {
  size_t position = 0;
  uint32_t id = 0;
  uint32_t size = 0;
  friend bool operator==(const hole&, const hole&) = default;
};

class writer {
 public:
  writer() = default;

  /// What was written, without the holes.
  bytes_view view() const noexcept { return {buffer_.data(), size_}; }
  /// By rising position.
  const std::vector<hole>& holes() const noexcept { return holes_; }
  size_t size() const noexcept { return size_; }
  /// With the holes.
  size_t total_size() const noexcept { return size_ + hole_bytes_; }
  /// Moves the buffer out, cut to its size; the writer is empty then. The holes go first.
  std::vector<std::byte> take();
  void clear() noexcept { size_ = hole_bytes_ = 0, holes_.clear(); }

  /// See reader::begin_message.
  void begin_message(bool flexible) noexcept { flexible_ = flexible; }
  bool flexible() const noexcept { return flexible_; }

  /// Opens a frame: a length of 4 bytes that end_frame() fills in, holes of the frame included.
  struct frame {
    size_t at = 0;      // of the length, in the buffer
    size_t before = 0;  // total_size() after the length
  };
  frame begin_frame();
  void end_frame(frame) noexcept;

  void boolean(bool v) { int8(v ? 1 : 0); }
  void int8(int8_t v) { *grow(1) = static_cast<std::byte>(v); }
  void int16(int16_t v);
  void uint16(uint16_t v) { int16(static_cast<int16_t>(v)); }
  void int32(int32_t v);
  void int64(int64_t v);
  void float64(double v);
  void unsigned_varint(uint32_t v);
  void uuid_value(const uuid& v) { std::memcpy(grow(16), v.bytes.data(), 16); }
  void string(std::string_view v);
  void nullable_string(const std::optional<std::string>& v);
  void bytes(std::string_view v);
  void nullable_bytes(const std::optional<std::string>& v);
  void records(const record_bytes& v);
  void present(bool v) { int8(v ? 1 : -1); }
  /// The number of elements that follow.
  void array(size_t n);
  void null_array();
  void int32_array(const std::vector<int32_t>& v);
  void string_array(const std::vector<std::string>& v);
  /// As it is.
  void raw(bytes_view v);

  /// An empty list of tagged fields; nothing in an inflexible message.
  void no_tags() {
    if (flexible_) unsigned_varint(0);
  }
  /// One tagged field: its tag, then (after end_tag) its size and what was written in between.
  size_t begin_tag(uint32_t tag);
  void end_tag(size_t start);

 private:
  std::byte* grow(size_t n) {
    if (buffer_.size() - size_ < n) [[unlikely]]
      make_room(n);
    std::byte* at = buffer_.data() + size_;
    size_ += n;
    return at;
  }
  void make_room(size_t n);
  void length(size_t n);
  void null_length();
  static uint32_t checked_length(size_t n) noexcept;

  std::vector<std::byte> buffer_;  // its size is what was reserved
  size_t size_ = 0;
  size_t hole_bytes_ = 0;
  bool flexible_ = false;
  std::vector<hole> holes_;
};

}  // namespace weir::kafka
