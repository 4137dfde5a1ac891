// Output of custom operators: rows are gathered in columns and handed to the engine as batches of
// up to 8192 rows, at the latest when the call that made them ends. Part of the SDK: include
// <weir/operator.hpp>.
#pragma once

#include <memory>

#include <weir/batch.hpp>

namespace weir {
inline namespace sdk1 {

/// Rows and bytes of a batch under load, as the engine has them.
inline constexpr uint32_t emitted_rows_max = 8192;
inline constexpr size_t emitted_bytes_max = 256 * 1024;

namespace detail {

/// Bytes that grow without being zeroed.
class byte_buffer {
 public:
  char* extend(size_t n) {
    if (size_ + n > capacity_) grow(size_ + n);
    size_ += n;
    return data_.get() + size_ - n;
  }
  char* data() const { return data_.get(); }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  void grow(size_t needed) {
    size_t capacity = std::max(capacity_ * 2, std::max<size_t>(needed, 4096));
    std::unique_ptr<char[]> bigger(new char[capacity]);
    if (size_) std::memcpy(bigger.get(), data_.get(), size_);
    data_ = std::move(bigger);
    capacity_ = capacity;
  }
  std::unique_ptr<char[]> data_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace detail

/// One output column under construction. Appending is checked against the column's type once, in
/// emitter::column<T>(); values of rows are converted by row_builder.
class column_builder {
 public:
  explicit column_builder(field f) : field_(std::move(f)), width_(detail::width_of(field_.type)) {}

  const field& declared() const { return field_; }
  uint32_t size() const { return length_; }

  template <class T>
  void append(T v) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      append_bytes(v);
    } else if constexpr (std::is_same_v<T, decimal>) {
      std::memcpy(fixed(16), &v.unscaled, 16);
    } else if constexpr (std::is_same_v<T, bool>) {
      *fixed(1) = v ? 1 : 0;
    } else {
      std::memcpy(fixed(sizeof(T)), &v, sizeof(T));
    }
  }
  void append_null() {
    if (!field_.nullable) throw error("column '" + field_.name + "' must not be null");
    if (!nulls_) validity_.assign((length_ + 8) / 8, 0xff), nulls_ = true;
    if (width_)
      std::memset(fixed(width_), 0, width_);
    else
      append_bytes({});
    validity_[(length_ - 1) >> 3] &= static_cast<uint8_t>(~(1u << ((length_ - 1) & 7)));
  }
  void append_bytes(std::string_view v) {
    if (!length_) push_offset(0);
    if (!v.empty()) std::memcpy(values_.extend(v.size()), v.data(), v.size());
    if (values_.size() > UINT32_MAX)
      throw error("column '" + field_.name + "' holds over 4 GiB: flush the emitter earlier");
    push_offset(static_cast<uint32_t>(values_.size()));
    ++length_;
    extend_validity();
  }
  size_t bytes() const { return values_.size() + offsets_.size(); }

  /// Values [begin, begin + n) as the engine takes them; begin is a multiple of 8.
  abi::column view(uint32_t begin, uint32_t n) const {
    abi::column c{};
    c.type = static_cast<uint8_t>(field_.type);
    c.scale = field_.scale;
    c.length = n;
    c.values = width_ ? values_.data() + size_t{begin} * width_ : values_.data();
    if (!width_) c.offsets = reinterpret_cast<const uint32_t*>(offsets_.data()) + begin;
    if (nulls_) c.validity = validity_.data() + begin / 8;
    return c;
  }
  void clear() {
    values_.clear();
    offsets_.clear();
    validity_.clear();
    nulls_ = false;
    length_ = 0;
  }

 private:
  char* fixed(size_t n) {
    char* p = values_.extend(n);
    ++length_;
    extend_validity();
    return p;
  }
  void push_offset(uint32_t o) { std::memcpy(offsets_.extend(4), &o, 4); }
  void extend_validity() {
    if (nulls_ && (length_ + 7) / 8 > validity_.size()) validity_.push_back(0xff);
  }

  field field_;
  size_t width_;
  uint32_t length_ = 0;
  bool nulls_ = false;
  detail::byte_buffer values_, offsets_;
  std::vector<uint8_t> validity_;
};

/// Typed appending to one column, for speed: fill all columns to the same length.
template <class T>
class column_appender {
 public:
  explicit column_appender(column_builder* b) : b_(b) {}
  void append(T v) { b_->append<T>(v); }
  void append(std::span<const T> values) requires(!std::is_same_v<T, bool>) {
    for (const T& v : values) b_->append<T>(v);
  }
  void append_null() { b_->append_null(); }

 private:
  column_builder* b_;
};

class emitter;

/// Sets the columns of one new row by name, index or bound reference. What is not set is null.
class row_builder {
 public:
  explicit row_builder(emitter* e) : e_(e) {}
  template <class Column, class V>
  row_builder& set(const Column& column, const V& value);
  template <class Column>
  row_builder& set_null(const Column& column);
  /// Copies a value of the input, null included; the types are the same.
  template <class Column>
  row_builder& copy(const Column& column, const batch& in, uint32_t in_column, row_index row);
  /// Change weight; +1 without it.
  row_builder& weight(int32_t w);

 private:
  emitter* e_;
};

class emitter {
 public:
  emitter(uint32_t port, std::string name, weir::sdk1::schema s, const abi::host* host, void* self)
      : port_(port), name_(std::move(name)), schema_(std::move(s)), host_(host), self_(self) {
    for (const auto& f : schema_.fields()) columns_.emplace_back(f);
  }

  const weir::sdk1::schema& schema() const { return schema_; }
  /// Begins a row; it is complete when the next one begins or the call ends.
  row_builder row() {
    finish_row();
    if (rows_ && (rows_ >= emitted_rows_max || (rows_ % 256 == 0 && bytes() > emitted_bytes_max)))
      flush();
    ++rows_;
    return row_builder(this);
  }
  /// A column to append to; not to be mixed with row() within a batch.
  template <class T>
  column_appender<T> column(std::string_view name) {
    return column_appender<T>(&columns_[schema_.bind<T>(name).index]);
  }
  template <class T>
  column_appender<T> column(uint32_t i) {
    return column_appender<T>(&columns_[schema_.bind<T>(i).index]);
  }
  template <class T>
  column_appender<T> column(column_ref<T> ref) {
    return column_appender<T>(&columns_[ref.index]);
  }
  /// Weights of rows that were appended by column; without them all are +1.
  void append_weights(std::span<const int32_t> w) {
    weights_.insert(weights_.end(), w.begin(), w.end());
  }
  /// Hands what was gathered to the engine. Called by itself at the end of a call.
  void flush();

 private:
  friend class row_builder;
  void finish_row() {
    for (auto& c : columns_)
      if (c.size() < rows_) c.append_null();
    if (!weights_.empty()) weights_.resize(std::max<size_t>(weights_.size(), rows_), 1);
  }
  size_t bytes() const {
    size_t n = 0;
    for (const auto& c : columns_) n += c.bytes();
    return n;
  }
  column_builder& at(std::string_view name) { return columns_[schema_.index(name)]; }
  column_builder& at(uint32_t i) {
    if (i >= columns_.size()) throw error("output has no column " + std::to_string(i));
    return columns_[i];
  }
  template <class T>
  column_builder& at(column_ref<T> ref) {
    return columns_[ref.index];
  }
  column_builder& unset(column_builder& c) {
    if (c.size() + 1 != rows_)
      throw error("column '" + c.declared().name + "' of output '" + name_ +
                  "' is set twice in a row");
    return c;
  }

  uint32_t port_;
  std::string name_;
  weir::sdk1::schema schema_;
  const abi::host* host_;
  void* self_;
  std::vector<column_builder> columns_;
  std::vector<int32_t> weights_;
  uint32_t rows_ = 0;  // begun by row()
};

namespace detail {

inline error mismatch(const field& f, const char* got) {
  return error("column '" + f.name + "' is " + f.type_name() + ", set() got " + got);
}

template <class V>
void append_integer(column_builder& c, V v) {
  const field& f = c.declared();
  switch (f.type) {
    case type_id::int64:
    case type_id::timestamp:
      if (!std::in_range<int64_t>(v)) throw mismatch(f, "an integer beyond bigint");
      return c.append<int64_t>(static_cast<int64_t>(v));
    case type_id::int32:
    case type_id::date:
      if (!std::in_range<int32_t>(v)) throw mismatch(f, "an integer beyond int");
      return c.append<int32_t>(static_cast<int32_t>(v));
    case type_id::float64:
      return c.append<double>(static_cast<double>(v));
    default:
      throw mismatch(f, "an integer");
  }
}

/// A cell of a key into a column of its type.
inline void append_cell(column_builder& c, const abi::cell& v) {
  const field& f = c.declared();
  if (v.type != static_cast<uint8_t>(f.type) || v.scale != f.scale)
    throw mismatch(f, "a key column of another type");
  if (v.is_null) return c.append_null();
  if (accepts<std::string_view>(f.type)) return c.append(cell_value<std::string_view>(v));
  if (accepts<bool>(f.type)) return c.append(cell_value<bool>(v));
  if (accepts<int32_t>(f.type)) return c.append(cell_value<int32_t>(v));
  if (accepts<int64_t>(f.type)) return c.append(cell_value<int64_t>(v));
  if (accepts<double>(f.type)) return c.append(cell_value<double>(v));
  if (accepts<decimal>(f.type)) return c.append(cell_value<decimal>(v));
  c.append(cell_value<interval>(v));
}

template <class V>
void append_value(column_builder& c, const V& v) {
  const field& f = c.declared();
  if constexpr (std::is_same_v<V, std::nullopt_t> || std::is_same_v<V, std::nullptr_t>) {
    c.append_null();
  } else if constexpr (std::is_same_v<V, abi::cell>) {
    append_cell(c, v);
  } else if constexpr (std::is_same_v<V, bool>) {
    if (f.type != type_id::boolean) throw mismatch(f, "a bool");
    c.append<bool>(v);
  } else if constexpr (std::is_integral_v<V>) {
    append_integer(c, v);
  } else if constexpr (std::is_floating_point_v<V>) {
    if (f.type != type_id::float64) throw mismatch(f, "a double");
    c.append<double>(v);
  } else if constexpr (std::is_same_v<V, decimal>) {
    if (f.type != type_id::decimal || f.scale != v.scale)
      throw mismatch(f, "a decimal of another type or scale");
    c.append<decimal>(v);
  } else if constexpr (std::is_same_v<V, interval>) {
    if (f.type != type_id::interval) throw mismatch(f, "an interval");
    c.append<interval>(v);
  } else if constexpr (std::is_convertible_v<const V&, std::string_view>) {
    if (!accepts<std::string_view>(f.type)) throw mismatch(f, "a text");
    c.append<std::string_view>(std::string_view(v));
  } else {
    // std::optional<...>
    if (v)
      append_value(c, *v);
    else
      c.append_null();
  }
}

}  // namespace detail

template <class Column, class V>
row_builder& row_builder::set(const Column& column, const V& value) {
  detail::append_value(e_->unset(e_->at(column)), value);
  return *this;
}

template <class Column>
row_builder& row_builder::set_null(const Column& column) {
  e_->unset(e_->at(column)).append_null();
  return *this;
}

inline row_builder& row_builder::weight(int32_t w) {
  e_->weights_.resize(e_->rows_, 1);
  e_->weights_.back() = w;
  return *this;
}

template <class Column>
row_builder& row_builder::copy(const Column& column, const batch& in, uint32_t in_column,
                               row_index row) {
  column_builder& c = e_->unset(e_->at(column));
  const field& from = in.schema()[in_column];
  if (from.type != c.declared().type || from.scale != c.declared().scale)
    throw detail::mismatch(c.declared(), ("a copy of " + from.type_name()).c_str());
  const abi::column& source = in.raw().columns[in_column];
  size_t width = detail::width_of(from.type);
  if (in.is_null(in_column, row))
    c.append_null();
  else if (!width)
    c.append<std::string_view>(column_view<std::string_view>(source)[row]);
  else if (width == 1)
    c.append<bool>(column_view<bool>(source)[row]);
  else if (width == 4)
    c.append<int32_t>(column_view<int32_t>(source)[row]);
  else if (width == 8)
    c.append<int64_t>(column_view<int64_t>(source)[row]);
  else
    c.append<decimal>(column_view<decimal>(source)[row]);  // 16 bytes, whatever they are
  return *this;
}

inline void emitter::flush() {
  finish_row();
  uint32_t n = 0;
  for (const auto& c : columns_) n = std::max(n, c.size());
  for (const auto& c : columns_)
    if (c.size() != n)
      throw error("output '" + name_ + "': column '" + c.declared().name + "' has " +
                  std::to_string(c.size()) + " values, others have " + std::to_string(n));
  if (!weights_.empty() && weights_.size() != n)
    throw error("output '" + name_ + "' has " + std::to_string(weights_.size()) + " weights for " +
                std::to_string(n) + " rows");
  std::vector<abi::column> views(columns_.size());
  for (uint32_t begin = 0; begin < n; begin += emitted_rows_max) {
    abi::batch b{};
    b.rows = b.physical_rows = std::min(n - begin, emitted_rows_max);
    for (size_t i = 0; i < columns_.size(); ++i) views[i] = columns_[i].view(begin, b.rows);
    b.columns = views.data();
    b.column_count = static_cast<uint32_t>(views.size());
    b.port = port_;
    if (!weights_.empty()) b.weights = weights_.data() + begin;
    if (int32_t rc = host_->emit(self_, port_, &b))
      throw error(detail::str(detail::view(host_->last_error(self_))), static_cast<abi::code>(rc));
  }
  for (auto& c : columns_) c.clear();
  weights_.clear();
  rows_ = 0;
}

}  // namespace sdk1
}  // namespace weir
