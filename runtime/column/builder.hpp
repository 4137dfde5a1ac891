// Builds columns and batches value by value or in runs. One thread's; a finished column is
// immutable and the builder starts afresh with room for as much as it held. Nulls cost nothing
// until the first one. Asserts (bugs of ours): a value of another type than the column's, more than
// 2^32-2 values or bytes in one column.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/column/batch.hpp"
#include "runtime/column/scalar.hpp"

namespace weir {

/// Copies few bytes without a call. Reads and writes only [0, n).
inline void copy_short(char* to, const char* from, size_t n) noexcept {
  if (n > 16) {
    std::memcpy(to, from, n);
  } else if (n >= 8) {
    uint64_t a, b;
    std::memcpy(&a, from, 8);
    std::memcpy(&b, from + n - 8, 8);
    std::memcpy(to, &a, 8);
    std::memcpy(to + n - 8, &b, 8);
  } else if (n >= 4) {
    uint32_t a, b;
    std::memcpy(&a, from, 4);
    std::memcpy(&b, from + n - 4, 4);
    std::memcpy(to, &a, 4);
    std::memcpy(to + n - 4, &b, 4);
  } else if (n != 0) {
    const char first = from[0], middle = from[n >> 1], last = from[n - 1];
    to[0] = first;
    to[n >> 1] = middle;
    to[n - 1] = last;
  }
}

namespace detail {
constexpr uint32_t bit_of(type_id t) noexcept {
  return 1u << static_cast<uint32_t>(t);
}
/// The column types whose values are stored as T.
template <class T>
inline constexpr uint32_t stored_as = 0;
template <>
inline constexpr uint32_t stored_as<bool> = bit_of(type_id::boolean);
template <>
inline constexpr uint32_t stored_as<uint8_t> = bit_of(type_id::boolean);
template <>
inline constexpr uint32_t stored_as<int32_t> = bit_of(type_id::int32) | bit_of(type_id::date);
template <>
inline constexpr uint32_t stored_as<int64_t> = bit_of(type_id::int64) | bit_of(type_id::timestamp);
template <>
inline constexpr uint32_t stored_as<long long> = stored_as<int64_t>;
template <>
inline constexpr uint32_t stored_as<double> = bit_of(type_id::float64);
template <>
inline constexpr uint32_t stored_as<int128> = bit_of(type_id::decimal);
template <>
inline constexpr uint32_t stored_as<interval_value> = bit_of(type_id::interval);
}  // namespace detail

class column_builder {
 public:
  column_builder(data_type type, memory_pool& pool);
  column_builder(column_builder&&) noexcept = default;
  column_builder& operator=(column_builder&&) noexcept = default;

  const data_type& type() const noexcept { return type_; }
  uint32_t length() const noexcept { return length_; }
  /// Bytes of values so far, for deciding when to close a batch.
  size_t bytes() const noexcept;

  /// Room for `rows` more values and, for varlen types, `bytes` more bytes.
  void reserve(size_t rows, size_t bytes = 0);

  /// A value of a fixed-width type, stored as T. An int literal fits int64 and float64 columns too.
  template <class T>
  requires(detail::stored_as<T> != 0) void append(T v) {
    if ((detail::stored_as<T> & id_bit_) == 0) [[unlikely]] {
      if constexpr (std::is_same_v<T, int32_t>) return append_int(v);
      weir_assert(false, "the value's C++ type does not store the column's type");
    }
    if (length_ == capacity_) [[unlikely]]
      grow_rows(1);
    reinterpret_cast<T*>(data_)[length_++] = v;
  }
  /// A value of a string, bytes or json column.
  void append(std::string_view v) {
    char* p = begin_string(v.size());
    copy_short(p, v.data(), v.size());
    end_string(p + v.size());
  }
  void append(const char* v) { append(std::string_view(v)); }
  /// In two steps, to format in place: room for up to `bytes`, then the end of what was written.
  char* begin_string(size_t bytes) {
    weir_assert(is_varlen(type_.id), "a string for a column that holds none");
    if (length_ == capacity_) [[unlikely]]
      grow_rows(1);
    if (bytes_capacity_ - bytes_used_ < bytes) [[unlikely]]
      grow_bytes(bytes);
    return reinterpret_cast<char*>(data_) + bytes_used_;
  }
  void end_string(const char* end) {
    bytes_used_ = static_cast<size_t>(end - reinterpret_cast<char*>(data_));
    offsets_data_[++length_] = static_cast<uint32_t>(bytes_used_);
  }
  void append_null();
  void append_nulls(uint32_t n);
  /// `n` values with the bits of `validity` (from bit 0; absent = all valid).
  template <class T>
  requires(detail::stored_as<T> != 0) void append_n(const T* v, uint32_t n,
                                                    const uint8_t* validity = nullptr) {
    T* to = extend<T>(n);
    if (n != 0) std::memcpy(static_cast<void*>(to), v, n * sizeof(T));
    if (validity) clear_by_bits(length_ - n, n, validity);
  }
  /// `n` times the same value.
  template <class T>
  requires(detail::stored_as<T> != 0) void append_repeat(T v, uint32_t n) {
    T* to = extend<T>(n);
    for (uint32_t i = 0; i < n; ++i) to[i] = v;
  }
  /// `n` valid values for the caller to fill in; valid until the next call.
  template <class T>
  requires(detail::stored_as<T> != 0) T* extend(uint32_t n) {
    weir_assert((detail::stored_as<T> & id_bit_) != 0,
                "the value's C++ type does not store the column's type");
    if (capacity_ - length_ < n) grow_rows(n);
    T* to = reinterpret_cast<T*>(data_) + length_;
    length_ += n;
    return to;
  }
  /// Makes value i (already appended) null.
  void set_null(uint32_t i);

  /// The builder of a list's items (0) or a struct's fields.
  column_builder& child(size_t i) { return *children_[i]; }
  /// Closes a list value: the items appended to child(0) since the last one.
  void append_list();
  /// Closes a struct value: one value was appended to every child.
  void append_struct();

  /// A scalar of the column's type; integers and strings of another width or kind are taken too.
  void append_scalar(const scalar& v);
  /// Value `row` of a column of the same type, null included.
  void append_from(const column& c, uint32_t row);

  column_ptr finish();

 private:
  void append_int(int64_t v);
  void grow_rows(size_t rows);
  void grow_bytes(size_t bytes);
  void clear_by_bits(uint32_t at, uint32_t n, const uint8_t* validity);

  data_type type_;
  uint32_t id_bit_ = 0;
  uint32_t width_ = 0;
  uint32_t length_ = 0, capacity_ = 0;
  std::byte* data_ = nullptr;
  uint32_t* offsets_data_ = nullptr;
  uint8_t* validity_data_ = nullptr;
  size_t bytes_used_ = 0, bytes_capacity_ = 0;
  uint32_t rows_hint_ = 0;
  size_t bytes_hint_ = 0;
  memory_pool* pool_;
  buffer_ref values_, offsets_, validity_;
  std::vector<std::unique_ptr<column_builder>> children_;
};

/// One column_builder per field, and weights once one differs from +1.
class batch_builder {
 public:
  batch_builder(schema_ptr type, memory_pool& pool);

  column_builder& column(size_t i) { return columns_[i]; }
  /// Rows so far: the length of the first column (all must agree when finished).
  uint32_t rows() const noexcept {
    return columns_.empty() ? no_column_rows_ : columns_[0].length();
  }
  size_t bytes() const noexcept;
  bool full() const noexcept {
    return rows() >= batch_rows_target || bytes() >= batch_bytes_target;
  }
  void reserve(size_t rows);
  /// A whole row; `weight` is its change weight.
  void append_row(const std::vector<scalar>& values, int32_t weight = 1);
  /// Physical row `row` of a batch of the same types, weight included.
  void append_row(const batch& from, uint32_t row);
  /// For rows appended column by column: the weight of the row appended last.
  void set_weight(int32_t weight);
  /// The batch; an empty builder gives one of no rows.
  batch_ptr finish();

 private:
  schema_ptr type_;
  memory_pool* pool_;
  std::vector<column_builder> columns_;
  std::vector<int32_t> weights_;  // empty while all are +1
  uint32_t no_column_rows_ = 0;
};

/// A batch over finished columns, which must be as many, as long and of the types that the schema
/// says (asserted). `rows` matters only without columns.
batch_ptr make_batch(schema_ptr type, std::vector<column_ptr> columns, buffer_ref weights = {},
                     uint32_t rows = 0);
/// The same rows under another selection.
batch_ptr with_selection(const batch& b, buffer_ref selection, uint32_t rows);
/// The same rows with other columns of as many physical rows: what a projection makes.
batch_ptr with_columns(const batch& b, schema_ptr type, std::vector<column_ptr> columns);

/// Value `row` of a column of any type.
scalar scalar_at(const column& c, uint32_t row);
/// Equal type, null and value; NaN equals NaN, -0.0 equals 0.0.
bool identical(const scalar& a, const scalar& b);
/// `length` times the same value.
column_ptr constant_column(const scalar& v, uint32_t length, memory_pool& pool);

/// A batch from the text forms of values ("NULL" is null), for tests and small tables.
result<batch_ptr> batch_from_text(schema_ptr type,
                                  const std::vector<std::vector<std::string>>& rows,
                                  memory_pool& pool);
/// Logical row i as "1,foo,NULL"; with "weight: " in front when it is not +1.
std::string format_row(const batch& b, uint32_t i);
/// Every logical row, one per line.
std::string format_rows(const batch& b);
/// A header and aligned columns, at most `rows_max` rows.
std::string format_table(const batch& b, uint32_t rows_max = 100);

}  // namespace weir
