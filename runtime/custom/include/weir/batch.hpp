// Batches as custom operators read them: views of the engine's columns, nothing is copied. Views
// are valid until process_batch returns; what is needed longer goes into state or is copied.
// Rows are addressed by row_index, which only a batch gives out, since a batch may hold rows that
// an earlier filter took away. Part of the SDK: include <weir/operator.hpp>.
#pragma once

#include <cstring>
#include <iterator>
#include <span>

#include <weir/types.hpp>

namespace weir {
inline namespace sdk1 {

/// Where a row of a batch stands in its columns.
struct [[maybe_unused]] row_index {
  uint32_t value = 0;
};

template <class T>
class column_view {
 public:
  static_assert(detail::is_column_type<T>);
  explicit column_view(const abi::column& c) : validity_(c.validity), values_(c.values) {}
  /// The value in a row; unspecified when it is null.
  T operator[](row_index r) const {
    if constexpr (std::is_same_v<T, bool>)
      return static_cast<const uint8_t*>(values_)[r.value] != 0;
    else
      return static_cast<const T*>(values_)[r.value];
  }
  bool is_null(row_index r) const {
    return validity_ && (validity_[r.value >> 3] >> (r.value & 7) & 1) == 0;
  }
  std::optional<T> get(row_index r) const {
    return is_null(r) ? std::nullopt : std::optional<T>((*this)[r]);
  }
  bool has_nulls() const { return validity_ != nullptr; }
  /// The physical values, for loops over batches without a selection (batch::dense).
  const T* data() const requires(!std::is_same_v<T, bool>) {
    return static_cast<const T*>(values_);
  }

 private:
  const uint8_t* validity_;
  const void* values_;
};

template <>
class column_view<decimal> {
 public:
  explicit column_view(const abi::column& c)
      : validity_(c.validity), values_(static_cast<const char*>(c.values)), scale_(c.scale) {}
  decimal operator[](row_index r) const {
    decimal d{0, scale_};
    std::memcpy(&d.unscaled, values_ + size_t{r.value} * 16, 16);
    return d;
  }
  bool is_null(row_index r) const {
    return validity_ && (validity_[r.value >> 3] >> (r.value & 7) & 1) == 0;
  }
  std::optional<decimal> get(row_index r) const {
    return is_null(r) ? std::nullopt : std::optional<decimal>((*this)[r]);
  }
  bool has_nulls() const { return validity_ != nullptr; }

 private:
  const uint8_t* validity_;
  const char* values_;
  uint8_t scale_;
};

template <>
class column_view<std::string_view> {
 public:
  explicit column_view(const abi::column& c) : validity_(c.validity) {
    const abi::column* plain = c.dictionary ? c.dictionary : &c;
    if (c.dictionary) indices_ = static_cast<const uint32_t*>(c.values);
    offsets_ = plain->offsets;
    bytes_ = static_cast<const char*>(plain->values);
  }
  std::string_view operator[](row_index r) const {
    uint32_t i = indices_ ? indices_[r.value] : r.value;
    return {bytes_ + offsets_[i], offsets_[i + 1] - offsets_[i]};
  }
  bool is_null(row_index r) const {
    return validity_ && (validity_[r.value >> 3] >> (r.value & 7) & 1) == 0;
  }
  std::optional<std::string_view> get(row_index r) const {
    return is_null(r) ? std::nullopt : std::optional<std::string_view>((*this)[r]);
  }
  bool has_nulls() const { return validity_ != nullptr; }
  /// Equal values of a dictionary column have equal numbers; nothing for plain columns.
  std::optional<uint32_t> dictionary_index(row_index r) const {
    return indices_ ? std::optional<uint32_t>(indices_[r.value]) : std::nullopt;
  }

 private:
  const uint8_t* validity_;
  const uint32_t* indices_ = nullptr;
  const uint32_t* offsets_ = nullptr;
  const char* bytes_ = nullptr;
};

namespace detail {

/// The value of a cell that is of T's type and not null.
template <class T>
T cell_value(const abi::cell& c) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return view(c.s);
  } else if constexpr (std::is_same_v<T, double>) {
    return c.d;
  } else if constexpr (std::is_same_v<T, decimal>) {
    auto u = static_cast<uint128>(static_cast<uint64_t>(c.high)) << 64 | static_cast<uint64_t>(c.i);
    return decimal{static_cast<int128>(u), c.scale};
  } else if constexpr (std::is_same_v<T, interval>) {
    return interval{static_cast<int32_t>(c.high), static_cast<int32_t>(c.high >> 32), c.i};
  } else {
    return static_cast<T>(c.i);
  }
}

}  // namespace detail

/// The rows of a batch in order; `Step` is called with each before the loop body runs.
template <class Step>
class row_range {
 public:
  row_range(const abi::batch* b, Step step) : b_(b), step_(step) {}
  class iterator {
   public:
    using value_type = row_index;
    using difference_type = std::ptrdiff_t;
    iterator(const abi::batch* b, uint32_t i, Step step) : b_(b), i_(i), step_(step) {}
    row_index operator*() const {
      row_index r{b_->selection ? b_->selection[i_] : i_};
      step_(r);
      return r;
    }
    iterator& operator++() { return ++i_, *this; }
    iterator operator++(int) { return iterator(b_, i_++, step_); }
    bool operator==(const iterator& o) const { return i_ == o.i_; }

   private:
    const abi::batch* b_;
    uint32_t i_;
    [[no_unique_address]] Step step_;
  };
  iterator begin() const { return {b_, 0, step_}; }
  iterator end() const { return {b_, b_->rows, step_}; }

 private:
  const abi::batch* b_;
  [[no_unique_address]] Step step_;
};

struct no_step {
  void operator()(row_index) const {}
};

class batch {
 public:
  batch(const abi::batch* b, const schema* s) : b_(b), schema_(s) {}

  /// Number of (logical) rows.
  uint32_t size() const { return b_->rows; }
  /// Which input the batch came in on.
  uint32_t port() const { return b_->port; }
  const weir::sdk1::schema& schema() const { return *schema_; }
  /// All rows: `for (auto row : in.rows())`. Keyed operators use context::rows.
  row_range<no_step> rows() const { return {b_, {}}; }
  /// Logical row i.
  row_index row(uint32_t i) const { return {b_->selection ? b_->selection[i] : i}; }
  /// Whether all physical rows count, so that column_view::data() may be read from 0 to size().
  bool dense() const { return b_->selection == nullptr; }

  template <class T>
  column_view<T> column(std::string_view name) const {
    return column_view<T>(b_->columns[schema_->bind<T>(name).index]);
  }
  template <class T>
  column_view<T> column(uint32_t i) const {
    return column_view<T>(b_->columns[schema_->bind<T>(i).index]);
  }
  /// Without any check: the reference was bound to this input's schema.
  template <class T>
  column_view<T> column(column_ref<T> ref) const {
    return column_view<T>(b_->columns[ref.index]);
  }
  bool is_null(uint32_t column, row_index r) const {
    const uint8_t* v = b_->columns[column].validity;
    return v && (v[r.value >> 3] >> (r.value & 7) & 1) == 0;
  }
  /// +1 for an insert, -1 for a delete; an update is -1 of the old row and +1 of the new one.
  int32_t weight(row_index r) const { return b_->weights ? b_->weights[r.value] : 1; }
  /// Whether rows with weights other than +1 may be in it.
  bool has_weights() const { return b_->weights != nullptr; }
  /// The event time of the rows; an error when the stream has none.
  column_view<timestamp_us> event_time() const {
    if (!schema_->event_time())
      throw error("the input has no event time: its source declares none", abi::invalid_argument);
    return column_view<timestamp_us>(b_->columns[*schema_->event_time()]);
  }
  const abi::batch& raw() const { return *b_; }

 private:
  const abi::batch* b_;
  const weir::sdk1::schema* schema_;
};

}  // namespace sdk1
}  // namespace weir
