#include "runtime/connectors/row_builder.hpp"

#include <bit>

#include "runtime/column/nested.hpp"

namespace weir {
namespace {

constexpr size_t value_bytes_first = 4096;

buffer_ref grown(memory_pool& pool, const buffer_ref& old, size_t used, size_t bytes) {
  auto b = buffer::allocate(pool, bytes);
  if (used) std::memcpy(b.mutable_as<std::byte>(), old.data(), used);
  return b;
}

}  // namespace

void column_filler::reserve(uint32_t rows) {
  if (rows <= capacity_) return;
  size_t width = fixed_width(type_.id);
  if (width) {
    values_ = grown(*pool_, values_, capacity_ * width, rows * width);
  } else {
    bool first = !offsets_;
    offsets_ = grown(*pool_, offsets_, first ? 0 : (capacity_ + 1) * sizeof(uint32_t),
                     (size_t{rows} + 1) * sizeof(uint32_t));
    if (first) {
      offsets_.mutable_as<uint32_t>()[0] = 0;
      values_ = buffer::allocate(*pool_, value_bytes_first);
    }
  }
  uint32_t old = capacity_;
  capacity_ = rows;
  if (validity_) {
    auto before = std::move(validity_);
    make_validity();
    std::memcpy(validity_.mutable_as<uint8_t>(), before.data(), (old + 7) / 8);
  }
}

void column_filler::make_validity() {
  size_t bytes = (size_t{capacity_} + 7) / 8;
  validity_ = buffer::allocate_zero(*pool_, bytes);
  std::memset(validity_.mutable_as<uint8_t>(), 0xff, bytes);
}

void column_filler::grow_bytes(size_t more) {
  values_ = grown(*pool_, values_, bytes_, std::bit_ceil(bytes_ + more + 64));
}

void column_filler::truncate(uint32_t rows) {
  if (offsets_) bytes_ = offsets_.as<uint32_t>()[rows];
  if (!validity_) return;
  auto* bits = validity_.mutable_as<uint8_t>();
  size_t first = rows / 8 + 1, total = (size_t{capacity_} + 7) / 8;
  if (rows / 8 < total) bits[rows / 8] |= static_cast<uint8_t>(0xff << (rows & 7));
  if (first < total) std::memset(bits + first, 0xff, total - first);
}

column_ptr column_filler::finish(uint32_t rows) {
  reserve(std::max(rows, 1u));
  auto c = std::make_shared<column>();
  c->type = type_;
  c->length = rows;
  if (size_t width = fixed_width(type_.id)) {
    values_.truncate(rows * width);
  } else {
    values_.truncate(bytes_);
    offsets_.truncate((size_t{rows} + 1) * sizeof(uint32_t));
    c->offsets = std::move(offsets_);
  }
  c->values = std::move(values_);
  if (validity_) {
    if (rows & 7)
      validity_.mutable_as<uint8_t>()[rows / 8] &= static_cast<uint8_t>((1u << (rows & 7)) - 1);
    validity_.truncate((size_t{rows} + 7) / 8);
    c->validity = std::move(validity_);
  }
  values_ = offsets_ = validity_ = {};
  capacity_ = bytes_ = 0;
  return is_nested(type_.id) ? from_stored(*c, type_, *pool_) : c;
}

row_builder::row_builder(const schema& type, uint32_t columns, memory_pool& pool) {
  for (uint32_t i = 0; i < columns; ++i) {
    columns_.emplace_back(type.fields[i].type, pool);
    auto width = fixed_width(type.fields[i].type.id);
    fixed_bytes_per_row_ += width ? width : sizeof(uint32_t);
  }
}

void row_builder::reserve(uint32_t more) {
  if (rows_ + more <= capacity_) return;
  capacity_ = std::max(rows_ + more, std::min(capacity_ * 2, capacity_ + batch_rows_target));
  for (auto& c : columns_) c.reserve(capacity_);
}

void row_builder::truncate(uint32_t rows) {
  for (auto& c : columns_) c.truncate(rows);
  if (changes_.size() > rows) changes_.resize(rows);
  rows_ = rows;
}

size_t row_builder::bytes() const noexcept {
  size_t n = fixed_bytes_per_row_ * rows_;
  for (const auto& c : columns_) n += c.value_bytes();
  return n;
}

std::vector<column_ptr> row_builder::finish() {
  std::vector<column_ptr> out;
  for (auto& c : columns_) out.push_back(c.finish(rows_));
  rows_ = capacity_ = 0;
  changes_.clear();
  return out;
}

}  // namespace weir
