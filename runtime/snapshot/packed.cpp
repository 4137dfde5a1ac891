#include "runtime/snapshot/packed.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

struct packed_header {
  uint32_t magic = packed_reader::magic_value;
  uint16_t key_columns = 0, value_columns = 0;
  uint32_t upserts = 0, deletes = 0, fresh = 0;
};
static_assert(sizeof(packed_header) == 20);

struct block_header {
  uint16_t rows = 0;
  uint8_t deletes = 0, reserved = 0;
  uint32_t text_bytes = 0;
};
static_assert(sizeof(block_header) == 8);

// The rows of a block until they are packed: blocks of all key groups that a task has together
// should lie in the second-level cache.
constexpr size_t block_bytes = 6 * 1024;
constexpr size_t block_rows_min = 32;
constexpr size_t first_rows = 8;  // most groups of most tables have few changes
constexpr size_t block_text_bytes = 16 * 1024;
constexpr size_t first_bytes = 1024;
// A column is written in steps of eight bytes.
constexpr size_t slack_bytes = 8;
constexpr size_t column_head_bytes = 9;

size_t block_rows(size_t columns) {
  return std::clamp<size_t>(block_bytes / (8 * columns), block_rows_min,
                            packed_reader::block_rows_max);
}

/// Bytes that give `v` when they are sign-extended.
uint32_t signed_bytes(int64_t v) {
  if (v == 0) return 0;
  const auto bits = std::bit_width(static_cast<uint64_t>(v < 0 ? ~v : v)) + 1;
  return static_cast<uint32_t>((bits + 7) / 8);
}

template <size_t width>
std::byte* put_distances(const uint64_t* v, size_t n, uint64_t base, std::byte* p) {
  for (size_t i = 0; i < n; ++i, p += width) {
    const uint64_t d = v[i] - base;
    std::memcpy(p, &d, 8);
  }
  return p;
}

std::byte* pack_column(const uint64_t* words, size_t stride, size_t n, std::byte* p) {
  uint64_t v[packed_reader::block_rows_max];
  auto least = static_cast<int64_t>(words[0]);
  int64_t most = least;
  for (size_t i = 0; i < n; ++i, words += stride) {
    v[i] = *words;
    const auto s = static_cast<int64_t>(*words);
    least = std::min(least, s);
    most = std::max(most, s);
  }
  const auto base = static_cast<uint64_t>(least);
  const auto width =
      static_cast<uint32_t>(std::bit_width(static_cast<uint64_t>(most) - base) + 7) / 8;
  const uint32_t base_bytes = signed_bytes(least);
  *p++ = static_cast<std::byte>(width | base_bytes << 4);
  std::memcpy(p, &base, 8);
  p += base_bytes;
  switch (width) {
    case 0:
      return p;
    case 1:
      return put_distances<1>(v, n, base, p);
    case 2:
      return put_distances<2>(v, n, base, p);
    case 3:
      return put_distances<3>(v, n, base, p);
    case 4:
      return put_distances<4>(v, n, base, p);
    case 5:
      return put_distances<5>(v, n, base, p);
    case 6:
      return put_distances<6>(v, n, base, p);
    case 7:
      return put_distances<7>(v, n, base, p);
    default:
      return put_distances<8>(v, n, base, p);
  }
}

void put_bytes(std::vector<std::byte>& to, const void* from, size_t n) {
  const auto* p = static_cast<const std::byte*>(from);
  to.insert(to.end(), p, p + n);
}

}  // namespace

record_layout packed_layout::records() const noexcept {
  for (const auto* part : {&key, &value})
    for (auto k : *part)
      if (has_bytes(k)) return record_layout::variable();
  const size_t key_bytes = 4 + 8 * (key.size() - 1), value_bytes = 8 * value.size();
  if (std::max(key_bytes, value_bytes) >= record_layout::variable_size)
    return record_layout::variable();
  return record_layout::fixed(static_cast<uint16_t>(key_bytes), static_cast<uint16_t>(value_bytes));
}

packed_writer::packed_writer(const packed_layout& layout)
    : layout_(&layout),
      block_bytes_(sizeof(block_header) + slack_bytes + block_text_bytes +
                   layout.columns() * (column_head_bytes + block_rows(layout.columns()) * 8)) {}

uint64_t* packed_writer::add(size_t which) {
  block& b = blocks_[which];
  const size_t columns = which == 0 ? layout_->columns() : layout_->key.size();
  const size_t rows_max = block_rows(columns);
  if (b.rows >= rows_max || b.text.size() >= block_text_bytes) pack(which);
  if ((b.rows + 1) * columns > b.words.size())
    b.words.resize(std::min<size_t>(rows_max, std::max<size_t>(first_rows, b.rows * 2)) * columns);
  at_ = which;
  return &b.words[columns * b.rows++];
}

void packed_writer::upsert_record(std::span<const std::byte> key,
                                  std::span<const std::byte> value) {
  uint64_t* out = upsert(false);
  auto put = [&](std::span<const std::byte> bytes, const std::vector<packed_kind>& kinds,
                 size_t mask_columns) {
    const std::byte* p = bytes.data();
    for (size_t c = 0; c < kinds.size(); ++c, ++out) {
      const bool text_column = has_bytes(kinds[c]);
      const size_t n = c < mask_columns || text_column ? 4 : 8;
      *out = 0;
      std::memcpy(out, p, n);
      p += n;
      if (!text_column) continue;
      text({reinterpret_cast<const char*>(p), *out});
      p += *out;
    }
  };
  put(key, layout_->key, 1);
  put(value, layout_->value, 0);
}

std::byte* packed_writer::reserve(size_t bytes) {
  if (size_ + bytes > capacity_) {
    // Whole blocks of memory, since chunks are many and stay until they are on the disk.
    const size_t room = std::max(std::bit_ceil(size_ + bytes + buffer::overhead), first_bytes);
    const size_t wanted = room - buffer::overhead;
    auto wider = buffer::allocate(*memory_, wanted);
    if (size_) std::memcpy(wider.mutable_as<std::byte>(), chunk_.data(), size_);
    chunk_ = std::move(wider);
    capacity_ = wanted;
  }
  return chunk_.mutable_as<std::byte>() + size_;
}

void packed_writer::pack(size_t which) {
  block& b = blocks_[which];
  if (b.rows == 0) return;
  const size_t columns = which == 0 ? layout_->columns() : layout_->key.size();
  const size_t head = size_ == 0 ? sizeof(packed_header) + layout_->columns() : 0;
  std::byte* const begin =
      reserve(head + sizeof(block_header) + b.text.size() +
              columns * (column_head_bytes + size_t{b.rows} * 8) + slack_bytes);
  std::byte* p = begin + head;
  block_header h;
  h.rows = static_cast<uint16_t>(b.rows);
  h.deletes = which != 0;
  h.text_bytes = static_cast<uint32_t>(b.text.size());
  std::memcpy(p, &h, sizeof h);
  p += sizeof h;
  if (!b.text.empty()) std::memcpy(p, b.text.data(), b.text.size());
  p += b.text.size();
  for (size_t c = 0; c < columns; ++c) p = pack_column(&b.words[c], columns, b.rows, p);
  size_ += static_cast<size_t>(p - begin);
  b.rows = 0;
  b.text.clear();
}

buffer_ref packed_writer::take() {
  pack(0);
  pack(1);
  weir_assert(size_ != 0, "an empty chunk is taken");
  packed_header h;
  h.key_columns = static_cast<uint16_t>(layout_->key.size());
  h.value_columns = static_cast<uint16_t>(layout_->value.size());
  h.upserts = upserts_;
  h.deletes = deletes_;
  h.fresh = fresh_;
  auto* p = chunk_.mutable_as<std::byte>();
  std::memcpy(p, &h, sizeof h);
  for (size_t c = 0; c < layout_->columns(); ++c)
    p[sizeof h + c] = static_cast<std::byte>(layout_->kind(c));
  chunk_.truncate(size_);
  size_ = capacity_ = 0;
  upserts_ = deletes_ = fresh_ = 0;
  return std::exchange(chunk_, buffer_ref());
}

bool packed_reader::is_packed(std::span<const std::byte> chunk) noexcept {
  uint32_t magic = 0;
  if (chunk.size() >= sizeof magic) std::memcpy(&magic, chunk.data(), sizeof magic);
  return magic == magic_value;
}

status packed_reader::damaged(std::string_view what) const {
  return {errc::corrupt, "a chunk of packed rows " + std::string(what)};
}

result<packed_reader> packed_reader::open(std::span<const std::byte> chunk) {
  packed_reader r;
  packed_header h;
  if (chunk.size() < sizeof h) return r.damaged("is too short for its header").err();
  std::memcpy(&h, chunk.data(), sizeof h);
  if (h.magic != magic_value) return r.damaged("does not begin with its mark").err();
  chunk = chunk.subspan(sizeof h);
  const size_t columns = size_t{h.key_columns} + h.value_columns;
  if (h.key_columns == 0 || chunk.size() < columns)
    return r.damaged("is too short for its columns").err();
  r.layout_.key.clear();
  for (size_t c = 0; c < columns; ++c) {
    if (chunk[c] > std::byte{2} || (c == 0 && chunk[c] != std::byte{0}))
      return r.damaged("has a column of an unknown kind").err();
    (c < h.key_columns ? r.layout_.key : r.layout_.value)
        .push_back(static_cast<packed_kind>(chunk[c]));
  }
  r.upserts_ = h.upserts;
  r.deletes_ = h.deletes;
  r.fresh_ = h.fresh;
  r.rest_ = chunk.subspan(columns);
  return r;
}

bool packed_reader::unpack_column(uint32_t rows, uint64_t* out) {
  if (rest_.empty()) return false;
  const auto code = static_cast<uint32_t>(rest_[0]);
  const size_t width = code & 15, base_bytes = code >> 4;
  if (width > 8 || base_bytes > 8) return false;
  rest_ = rest_.subspan(1);
  if (rest_.size() < base_bytes + rows * width) return false;
  uint64_t base = 0;
  std::memcpy(&base, rest_.data(), base_bytes);
  if (base_bytes > 0 && base_bytes < 8) {
    const auto shift = 64 - 8 * base_bytes;
    base = static_cast<uint64_t>(static_cast<int64_t>(base << shift) >> shift);
  }
  const std::byte* p = rest_.data() + base_bytes;
  const std::byte* const end = rest_.data() + rest_.size();
  const uint64_t mask = width == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * width)) - 1;
  uint32_t i = 0;
  for (; i < rows && p + 8 <= end; ++i, p += width) {
    uint64_t d;
    std::memcpy(&d, p, 8);
    out[i] = base + (d & mask);
  }
  for (; i < rows; ++i, p += width) {
    uint64_t d = 0;
    std::memcpy(&d, p, width);
    out[i] = base + d;
  }
  rest_ = rest_.subspan(base_bytes + rows * width);
  return true;
}

result<bool> packed_reader::next(block& out) {
  if (rest_.empty()) {
    if (seen_upserts_ != upserts_ || seen_deletes_ != deletes_)
      return damaged("has not as many rows as its header says").err();
    return false;
  }
  block_header h;
  if (rest_.size() < sizeof h) return damaged("ends within a block").err();
  std::memcpy(&h, rest_.data(), sizeof h);
  rest_ = rest_.subspan(sizeof h);
  if (h.rows == 0 || h.rows > block_rows_max || h.deletes > 1 || rest_.size() < h.text_bytes)
    return damaged("has an impossible block").err();
  out.deletes = h.deletes != 0;
  out.rows = h.rows;
  out.columns = out.deletes ? layout_.key.size() : layout_.columns();
  out.text = reinterpret_cast<const char*>(rest_.data());
  rest_ = rest_.subspan(h.text_bytes);
  words_.resize(layout_.columns() * block_rows_max);
  uint64_t text_left = h.text_bytes;
  for (size_t c = 0; c < out.columns; ++c) {
    uint64_t* to = &words_[c * block_rows_max];
    if (!unpack_column(h.rows, to)) return damaged("ends within a column").err();
    if (!has_bytes(layout_.kind(c))) continue;
    for (uint32_t i = 0; i < h.rows; ++i) {
      if (to[i] > text_left) return damaged("has texts that are longer than their bytes").err();
      text_left -= to[i];
    }
  }
  if (text_left != 0) return damaged("has texts that are shorter than their bytes").err();
  out.words = words_.data();
  (out.deletes ? seen_deletes_ : seen_upserts_) += h.rows;
  return true;
}

std::vector<std::byte> packed_reader::records_of(const block& b, std::vector<size_t>& ends) const {
  std::vector<std::byte> bytes;
  bytes.reserve(size_t{b.rows} * b.columns * 8);
  const char* text = b.text;
  for (uint32_t i = 0; i < b.rows; ++i) {
    for (size_t c = 0; c < b.columns; ++c) {
      if (c == layout_.key.size()) ends.push_back(bytes.size());
      const uint64_t v = b.column(c)[i];
      const bool is_text = has_bytes(layout_.kind(c));
      put_bytes(bytes, &v, c == 0 || is_text ? 4 : 8);
      if (!is_text) continue;
      put_bytes(bytes, text, v);
      text += v;
    }
    ends.resize(2 * (size_t{i} + 1), bytes.size());
  }
  return bytes;
}

chunk_counts count_records(std::span<const std::byte> chunk) {
  if (packed_reader::is_packed(chunk)) {
    auto r = packed_reader::open(chunk);
    return r ? chunk_counts{r->upserts(), r->deletes(), r->fresh()} : chunk_counts{};
  }
  auto r = record_reader::open(chunk);
  return r ? chunk_counts{r->upserts(), r->deletes(), 0} : chunk_counts{};
}

}  // namespace weir
