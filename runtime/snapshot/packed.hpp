// Keyed chunks in columns: what row tables write. Rows stand in blocks of a few hundred; each
// column of a block is its least value and the distances from it in as many bytes as the largest
// one needs, so that counters, times and ids take a fraction of their eight bytes. Texts stand
// behind each other. Records are those of records.hpp (same keys, same meaning), and both forms may
// be mixed in a state. The format is part of the snapshot format (little endian):
//   header  u32 magic, u16 key columns, u16 value columns, u32 upserts, u32 deletes, u32 fresh,
//           one byte per column: its kind; the first column of a key is its null mask
//   blocks  u16 rows, u8 what (0 upserts, 1 deletes, of which only key columns are there), u8 0,
//           u32 bytes of text, the texts row by row; then per column
//           u8 (width | base bytes << 4), the base (sign-extended), rows x width bytes.
//           A column of texts, or of packed rows, has their lengths.
// One thread's.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/buffer.hpp"
#include "runtime/snapshot/records.hpp"

namespace weir {

/// The numbers are part of the format.
enum class packed_kind : uint8_t {
  word = 0,
  text = 1,
  row = 2,  // bytes as a text's, in the form of runtime/state/packed_row.hpp
};
inline constexpr bool has_bytes(packed_kind k) noexcept {
  return k != packed_kind::word;
}

struct packed_layout {
  std::vector<packed_kind> key{packed_kind::word};  // the null mask first
  std::vector<packed_kind> value;

  size_t columns() const noexcept { return key.size() + value.size(); }
  packed_kind kind(size_t c) const noexcept {
    return c < key.size() ? key[c] : value[c - key.size()];
  }
  /// The layout of the same records in the form of records.hpp, and their parts: the mask as u32,
  /// words as u64, texts as u32 and bytes.
  record_layout records() const noexcept;
  friend bool operator==(const packed_layout&, const packed_layout&) = default;
};

/// Builds the chunks of one key group.
class packed_writer {
 public:
  explicit packed_writer(const packed_layout&);

  /// A row's columns, to be filled (texts: with text(), in order) before the next call. `fresh`: no
  /// earlier chunk has its key.
  uint64_t* upsert(bool fresh) {
    upserts_ += 1;
    fresh_ += fresh;
    return add(0);
  }
  /// The key columns of a key that is gone.
  uint64_t* erase() {
    deletes_ += 1;
    return add(1);
  }
  /// Bytes of the row at hand; what its column has to hold.
  uint64_t text(std::string_view s) {
    auto& t = blocks_[at_].text;
    t.insert(t.end(), s.begin(), s.end());
    return s.size();
  }
  /// A record in the form of records.hpp, its parts as records() says.
  void upsert_record(std::span<const std::byte> key, std::span<const std::byte> value);

  /// Whether it is better to take() the chunk than to go on, if it is to have `bytes` at most.
  bool full(size_t bytes) const noexcept {
    const size_t blocks = blocks_[1].rows == 0 ? 1 : 2;
    return size_ + blocks * block_bytes_ > bytes && size_ != 0;
  }
  bool empty() const noexcept { return upserts_ == 0 && deletes_ == 0; }
  void set_memory(memory_pool& memory) { memory_ = &memory; }
  /// The chunk; the writer begins another one.
  buffer_ref take();

 private:
  struct block {
    std::vector<uint64_t> words;
    std::vector<char> text;
    uint32_t rows = 0;
  };
  uint64_t* add(size_t which);
  void pack(size_t which);
  std::byte* reserve(size_t bytes);

  const packed_layout* layout_;
  size_t block_bytes_;  // of a whole block, unless one text has more
  memory_pool* memory_ = nullptr;
  block blocks_[2];  // upserts, deletes
  size_t at_ = 0;
  buffer_ref chunk_;
  size_t size_ = 0, capacity_ = 0;
  uint32_t upserts_ = 0, deletes_ = 0, fresh_ = 0;
};

/// Looks into such a chunk. The bytes must outlive it.
class packed_reader {
 public:
  static constexpr uint32_t magic_value = 0x3252'4557;  // "WER2"
  static constexpr uint32_t block_rows_max = 256;

  static bool is_packed(std::span<const std::byte> chunk) noexcept;
  static result<packed_reader> open(std::span<const std::byte> chunk);

  const packed_layout& layout() const noexcept { return layout_; }
  uint32_t upserts() const noexcept { return upserts_; }
  uint32_t deletes() const noexcept { return deletes_; }
  uint32_t fresh() const noexcept { return fresh_; }

  struct block {
    bool deletes = false;
    uint32_t rows = 0;
    size_t columns = 0;
    const char* text = nullptr;  // row by row
    const uint64_t* column(size_t c) const noexcept { return words + c * block_rows_max; }
    const uint64_t* words = nullptr;
  };
  /// The next block (its words until the next call). False: there is none. Lengths of texts do not
  /// exceed the block's bytes.
  result<bool> next(block& out);
  /// upsert(key, value) and erase(key) for each record in the form of records.hpp. The spans live
  /// as long as `keep`.
  template <class Upsert, class Erase>
  status visit_records(std::vector<std::vector<std::byte>>& keep, Upsert&& upsert, Erase&& erase) {
    block b;
    for (;;) {
      WEIR_ASSIGN(const bool more, next(b));
      if (!more) return {};
      std::vector<size_t> ends;  // per row: of its key, of its value
      keep.push_back(records_of(b, ends));
      std::span<const std::byte> bytes(keep.back());
      size_t at = 0;
      for (uint32_t i = 0; i < b.rows; ++i) {
        const size_t key_end = ends[2 * i], end = ends[2 * i + 1];
        if (b.deletes)
          erase(bytes.subspan(at, key_end - at));
        else
          upsert(bytes.subspan(at, key_end - at), bytes.subspan(key_end, end - key_end));
        at = end;
      }
    }
  }

 private:
  std::vector<std::byte> records_of(const block&, std::vector<size_t>& ends) const;
  status damaged(std::string_view what) const;
  bool unpack_column(uint32_t rows, uint64_t* out);

  packed_layout layout_;
  uint32_t upserts_ = 0, deletes_ = 0, fresh_ = 0;
  uint64_t seen_upserts_ = 0, seen_deletes_ = 0;
  std::span<const std::byte> rest_;
  std::vector<uint64_t> words_;
};

/// What a keyed chunk of either form says about itself; nothing of a chunk that has none.
struct chunk_counts {
  uint32_t upserts = 0, deletes = 0;
  uint32_t fresh = 0;  // upserts whose keys no earlier chunk has
};
chunk_counts count_records(std::span<const std::byte> chunk);

}  // namespace weir
