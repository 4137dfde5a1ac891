// Columns under construction, as the decoders of source formats fill them: values are written in
// place, row after row, and rows can be taken back when one of them turns out bad. One reader's;
// not thread-safe.
#pragma once

#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/column/batch.hpp"

namespace weir {

class column_filler {
 public:
  column_filler(data_type type, memory_pool& pool) : type_(std::move(type)), pool_(&pool) {}

  /// Room for rows [0, rows); called before they are written.
  void reserve(uint32_t rows);
  /// Values of a fixed-width column.
  template <class T>
  T* fixed() noexcept {
    return values_.mutable_as<T>();
  }
  void set_null(uint32_t row) {
    if (!validity_) make_validity();
    validity_.mutable_as<uint8_t>()[row >> 3] &= static_cast<uint8_t>(~(1u << (row & 7)));
  }
  /// Varlen columns, and lists and structs by their stored form (nested.hpp): the value of `row`,
  /// in order without gaps (also for nulls: empty). 64 bytes from s.data() must be readable when
  /// s.size() <= 64.
  void append_padded(uint32_t row, std::string_view s) {
    if (bytes_ + s.size() + 64 > values_.size()) [[unlikely]]
      grow_bytes(s.size() + 64);
    char* to = values_.mutable_as<char>() + bytes_;
    if (s.size() <= 16) {
      std::memcpy(to, s.data(), 16);
    } else if (s.size() <= 64) {
      std::memcpy(to, s.data(), 64);
    } else {
      std::memcpy(to, s.data(), s.size());
    }
    bytes_ += static_cast<uint32_t>(s.size());
    offsets_.mutable_as<uint32_t>()[row + 1] = bytes_;
  }
  /// The same from anywhere.
  void append(uint32_t row, std::string_view s) {
    if (bytes_ + s.size() + 64 > values_.size()) [[unlikely]]
      grow_bytes(s.size() + 64);
    if (!s.empty()) std::memcpy(values_.mutable_as<char>() + bytes_, s.data(), s.size());
    bytes_ += static_cast<uint32_t>(s.size());
    offsets_.mutable_as<uint32_t>()[row + 1] = bytes_;
  }
  /// Forgets rows from `rows` on.
  void truncate(uint32_t rows);
  column_ptr finish(uint32_t rows);
  /// Bytes of varlen values so far.
  size_t value_bytes() const noexcept { return bytes_; }
  const data_type& type() const noexcept { return type_; }

 private:
  void make_validity();
  void grow_bytes(size_t more);
  data_type type_;
  memory_pool* pool_;
  uint32_t capacity_ = 0;
  uint32_t bytes_ = 0;
  buffer_ref values_, offsets_, validity_;
};

/// Of a format whose records say what changed: from which record of the chunk a row is, and whether
/// it is there from now on (+1) or no longer (-1).
struct row_change {
  uint32_t record;
  int32_t weight;
};

class row_builder {
 public:
  /// The first `columns` fields of `type`.
  row_builder(const schema& type, uint32_t columns, memory_pool& pool);
  void reserve(uint32_t more);
  column_filler& operator[](size_t column) { return columns_[column]; }
  size_t width() const noexcept { return columns_.size(); }
  uint32_t rows() const noexcept { return rows_; }
  void set_rows(uint32_t rows) noexcept { rows_ = rows; }
  void truncate(uint32_t rows);
  /// Per row, or empty: every record is one row that is added.
  std::vector<row_change>& changes() noexcept { return changes_; }
  /// Approximate bytes of the batch so far.
  size_t bytes() const noexcept;
  /// The columns; the builder is empty afterwards.
  std::vector<column_ptr> finish();

 private:
  std::vector<column_filler> columns_;
  std::vector<row_change> changes_;
  size_t fixed_bytes_per_row_ = 0;
  uint32_t rows_ = 0, capacity_ = 0;
};

}  // namespace weir
