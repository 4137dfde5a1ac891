// The inside of a keyed chunk: upserted and deleted keys in a form that the store can fold without
// knowing the operator. A task writes chunks with record_writer, restores with record_reader; both
// are one thread's. The format is part of the snapshot format (little endian):
//   header   u32 magic, u16 key_size, u16 value_size, u32 upserts, u32 deletes
//   fixed    upserts x (key, value), then deletes x key: nothing in between, no padding
//   variable (both sizes 0xffff) upserts x (u32 key bytes, u32 value bytes, key, value), then
//            deletes x (u32 key bytes, key)
// A key appears at most once in a chunk; of several chunks the newest record of a key holds.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/buffer.hpp"

namespace weir {

/// Sizes of keys and values, the same for all records of a chunk.
struct record_layout {
  static constexpr uint16_t variable_size = 0xffff;
  uint16_t key_size = variable_size;
  uint16_t value_size = variable_size;
  static constexpr record_layout variable() noexcept { return {}; }
  /// At most 65534 bytes each; the value may be empty.
  static constexpr record_layout fixed(uint16_t key, uint16_t value) noexcept {
    return {key, value};
  }
  constexpr bool is_fixed() const noexcept { return value_size != variable_size; }
  constexpr size_t record_bytes() const noexcept { return size_t{key_size} + value_size; }
  friend bool operator==(const record_layout&, const record_layout&) = default;
};

struct record_header {
  static constexpr uint32_t magic_value = 0x3152'4557;  // "WER1"
  uint32_t magic = magic_value;
  record_layout layout;
  uint32_t upserts = 0;
  uint32_t deletes = 0;
};
static_assert(sizeof(record_header) == 16);

/// Chunks grow to about this much before they are handed over: large enough that the store writes
/// whole runs of pages, small enough that one chunk is a short step.
inline constexpr size_t chunk_bytes_default = 256 << 10;
inline constexpr size_t chunk_bytes_min = 64 << 10;
inline constexpr size_t chunk_bytes_max = 1 << 20;

class record_writer {
 public:
  using flush_function = std::function<void(buffer_ref chunk)>;

  /// `flush` takes each chunk that is full, and the last one at finish().
  record_writer(memory_pool& pool, record_layout layout, flush_function flush,
                size_t chunk_bytes = chunk_bytes_default);

  /// The sizes must be those of the layout when it is fixed.
  void upsert(std::span<const std::byte> key, std::span<const std::byte> value) {
    std::byte* p = add_upsert(key.size(), value.size());
    if (!layout_.is_fixed()) p = put_sizes(p, key.size(), value.size());
    put(put(p, key), value);
  }
  /// Fixed layout: the address of one new record of record_bytes(), to be filled before the next
  /// call.
  std::byte* upsert_fixed() { return add_upsert(layout_.key_size, layout_.value_size); }
  /// Fixed layout: many records, contiguous as in the format.
  void upsert_bulk(std::span<const std::byte> records);
  void erase(std::span<const std::byte> key);

  /// Hands over what is there, if anything. The writer may then be used for another key group.
  void finish();

  /// Records since the writer was made, and bytes of finished chunks.
  uint64_t records() const noexcept { return records_; }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::byte* add_upsert(size_t key, size_t value) {
    size_t n = layout_.is_fixed() ? layout_.record_bytes() : 8 + key + value;
    weir_assert(!layout_.is_fixed() || (key == layout_.key_size && value == layout_.value_size),
                "a record's sizes are not those of its chunk's layout");
    if (size_ + n > capacity_ || size_ + deleted_.size() >= chunk_bytes_) [[unlikely]]
      make_room(n);
    std::byte* p = chunk_.mutable_as<std::byte>() + size_;
    size_ += n;
    ++upserts_;
    ++records_;
    return p;
  }
  static std::byte* put(std::byte* p, std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
    return p + bytes.size();
  }
  static std::byte* put_sizes(std::byte* p, size_t key, size_t value);
  void make_room(size_t bytes);
  void reserve(size_t capacity);

  memory_pool& pool_;
  record_layout layout_;
  flush_function flush_;
  size_t chunk_bytes_;
  buffer_ref chunk_;  // header and upserts so far
  size_t size_ = 0, capacity_ = 0;
  uint32_t upserts_ = 0, deletes_ = 0;
  std::vector<std::byte> deleted_;  // goes behind the upserts
  uint64_t records_ = 0, bytes_ = 0;
};

/// Looks into a chunk without copying. The bytes must outlive it.
class record_reader {
 public:
  /// Refuses what is no chunk (errc::corrupt). Records of variable size are checked when visited.
  static result<record_reader> open(std::span<const std::byte> chunk);

  const record_layout& layout() const noexcept { return header_.layout; }
  uint32_t upserts() const noexcept { return header_.upserts; }
  uint32_t deletes() const noexcept { return header_.deletes; }
  /// Fixed layout: all upserts (key, value, key, value ...) and all deleted keys.
  std::span<const std::byte> fixed_upserts() const noexcept {
    return body_.first(header_.upserts * layout().record_bytes());
  }
  std::span<const std::byte> fixed_deletes() const noexcept {
    return body_.subspan(header_.upserts * layout().record_bytes());
  }

  /// upsert(key, value) for each, then erase(key) for each. Nothing is read out of bounds.
  template <class Upsert, class Erase>
  status visit(Upsert&& upsert, Erase&& erase) const {
    using bytes = std::span<const std::byte>;
    if (layout().is_fixed()) {
      const std::byte* p = body_.data();
      const size_t k = layout().key_size, v = layout().value_size;
      for (uint32_t i = 0; i < header_.upserts; ++i, p += k + v)
        upsert(bytes(p, k), bytes(p + k, v));
      for (uint32_t i = 0; i < header_.deletes; ++i, p += k) erase(bytes(p, k));
      return {};
    }
    bytes rest = body_;
    for (uint32_t i = 0; i < header_.upserts; ++i) {
      if (rest.size() < 8) return too_short(i);
      size_t k = read_u32(rest.data()), v = read_u32(rest.data() + 4);
      rest = rest.subspan(8);
      if (rest.size() < k || rest.size() - k < v) return too_short(i);
      upsert(rest.first(k), rest.subspan(k, v));
      rest = rest.subspan(k + v);
    }
    for (uint32_t i = 0; i < header_.deletes; ++i) {
      if (rest.size() < 4) return too_short(header_.upserts + i);
      size_t k = read_u32(rest.data());
      rest = rest.subspan(4);
      if (rest.size() < k) return too_short(header_.upserts + i);
      erase(rest.first(k));
      rest = rest.subspan(k);
    }
    return rest.empty() ? status() : too_long(rest.size());
  }

 private:
  static uint32_t read_u32(const std::byte* p) noexcept {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return v;
  }
  status too_short(uint32_t record) const;
  status too_long(size_t bytes) const;

  record_header header_;
  std::span<const std::byte> body_;
};

}  // namespace weir
