#include "runtime/column/builder.hpp"

#include <algorithm>

#include "runtime/column/bitmap.hpp"

namespace weir {
namespace {

constexpr size_t first_rows = 64;
constexpr size_t first_bytes = 1024;
constexpr size_t limit = UINT32_MAX - 1;

size_t next_capacity(size_t have, size_t need, size_t hint, size_t first) {
  weir_assert(need <= limit, "a column holds at most 2^32-2 values and bytes");
  size_t n = have == 0 ? std::max(hint, first) : have * 2;
  return std::min(std::max(n, need), limit);
}

// Fewer than eight bytes past the end become part of the message when the buffer is sent as it is:
// they must not carry what was in memory before.
void zero_tail(buffer_ref& b) {
  std::memset(b.mutable_as<std::byte>() + b.size(), 0, 8);
}

}  // namespace

column_builder::column_builder(data_type type, memory_pool& pool)
    : type_(std::move(type)),
      id_bit_(detail::bit_of(type_.id)),
      width_(static_cast<uint32_t>(fixed_width(type_.id))),
      pool_(&pool) {
  if (type_.id == type_id::list || type_.id == type_id::struct_)
    for (const auto& f : *type_.fields)
      children_.push_back(std::make_unique<column_builder>(f.type, pool));
}

size_t column_builder::bytes() const noexcept {
  size_t n = size_t{length_} * width_ + bytes_used_ + (offsets_data_ ? size_t{length_} * 4 : 0);
  for (const auto& c : children_) n += c->bytes();
  return n;
}

void column_builder::reserve(size_t rows, size_t bytes) {
  if (capacity_ - length_ < rows) grow_rows(rows);
  if (is_varlen(type_.id) && bytes_capacity_ - bytes_used_ < bytes) grow_bytes(bytes);
}

void column_builder::grow_rows(size_t rows) {
  const size_t n = next_capacity(capacity_, size_t{length_} + rows, rows_hint_, first_rows);
  if (width_ != 0) {
    auto b = buffer::allocate(*pool_, n * width_);
    if (length_ != 0) std::memcpy(b.mutable_as<std::byte>(), data_, size_t{length_} * width_);
    values_ = std::move(b);
    data_ = values_.mutable_as<std::byte>();
  } else if (type_.id != type_id::struct_) {
    auto b = buffer::allocate(*pool_, (n + 1) * sizeof(uint32_t));
    auto* o = b.mutable_as<uint32_t>();
    o[0] = 0;
    if (length_ != 0) std::memcpy(o, offsets_data_, (size_t{length_} + 1) * sizeof(uint32_t));
    offsets_ = std::move(b);
    offsets_data_ = o;
    if (!values_ && is_varlen(type_.id)) grow_bytes(bytes_hint_);
  }
  if (validity_data_) {
    auto b = buffer::allocate(*pool_, bitmap::bytes_of(n));
    auto* v = b.mutable_as<uint8_t>();
    std::memset(v, 0xff, b.size());
    std::memcpy(v, validity_data_, bitmap::bytes_of(length_));
    validity_ = std::move(b);
    validity_data_ = v;
  }
  capacity_ = static_cast<uint32_t>(n);
}

void column_builder::grow_bytes(size_t bytes) {
  const size_t n = next_capacity(bytes_capacity_, bytes_used_ + bytes, bytes_hint_, first_bytes);
  auto b = buffer::allocate(*pool_, n);
  if (bytes_used_ != 0) std::memcpy(b.mutable_as<std::byte>(), data_, bytes_used_);
  values_ = std::move(b);
  data_ = values_.mutable_as<std::byte>();
  bytes_capacity_ = n;
}

void column_builder::set_null(uint32_t i) {
  weir_assert(i < length_, "set_null of a value that was not appended");
  if (!validity_data_) {
    // All bits up to the capacity are set, so that appending a valid value touches no bitmap.
    validity_ = buffer::allocate(*pool_, bitmap::bytes_of(capacity_));
    validity_data_ = validity_.mutable_as<uint8_t>();
    std::memset(validity_data_, 0xff, validity_.size());
  }
  bitmap::clear(validity_data_, i);
}

void column_builder::append_null() {
  if (length_ == capacity_) grow_rows(1);
  if (width_ != 0)
    std::memset(data_ + size_t{length_} * width_, 0, width_);
  else if (is_varlen(type_.id))
    offsets_data_[length_ + 1] = static_cast<uint32_t>(bytes_used_);
  else if (type_.id == type_id::list)
    offsets_data_[length_ + 1] = offsets_data_[length_];
  else
    for (auto& c : children_) c->append_null();
  set_null(length_++);
}

void column_builder::append_nulls(uint32_t n) {
  reserve(n);
  for (uint32_t i = 0; i < n; ++i) append_null();
}

void column_builder::clear_by_bits(uint32_t at, uint32_t n, const uint8_t* validity) {
  if (bitmap::all(validity, n)) return;
  if (!validity_data_) {
    set_null(at);
    bitmap::set(validity_data_, at);
  }
  bitmap::copy(validity_data_, at, validity, 0, n);
}

void column_builder::append_list() {
  weir_assert(type_.id == type_id::list, "append_list on a column that is no list");
  if (length_ == capacity_) grow_rows(1);
  offsets_data_[++length_] = children_[0]->length();
}

void column_builder::append_struct() {
  weir_assert(type_.id == type_id::struct_, "append_struct on a column that is no struct");
  if (length_ == capacity_) grow_rows(1);
  ++length_;
  for (const auto& c : children_)
    weir_assert(c->length() == length_, "append_struct needs one value in every field");
}

void column_builder::append_int(int64_t v) {
  switch (type_.id) {
    case type_id::boolean:
      return append<uint8_t>(v != 0);
    case type_id::int32:
    case type_id::date:
      weir_assert(v == static_cast<int32_t>(v), "the value does not fit the column's 32 bits");
      return append<int32_t>(static_cast<int32_t>(v));
    case type_id::int64:
    case type_id::timestamp:
      return append<int64_t>(v);
    case type_id::float64:
      return append<double>(static_cast<double>(v));
    default:
      weir_assert(false, "an integer for a column that holds none");
  }
}

void column_builder::append_scalar(const scalar& v) {
  if (v.null) return append_null();
  switch (type_.id) {
    case type_id::float64:
      return append(v.type.id == type_id::float64 ? v.d : static_cast<double>(v.i));
    case type_id::decimal:
      weir_assert(v.type == type_, "a decimal of another scale");
      return append(v.dec);
    case type_id::interval:
      return append(v.interval);
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return append(std::string_view(v.s));
    case type_id::list:
      for (const auto& item : v.items) children_[0]->append_scalar(item);
      return append_list();
    case type_id::struct_:
      weir_assert(v.items.size() == children_.size(), "a struct of other fields");
      for (size_t i = 0; i < children_.size(); ++i) children_[i]->append_scalar(v.items[i]);
      return append_struct();
    default:
      return append_int(v.i);
  }
}

void column_builder::append_from(const column& c, uint32_t row) {
  if (!c.is_valid(row)) return append_null();
  if (c.dictionary) return append_from(*c.dictionary, c.data<uint32_t>()[row]);
  switch (type_.id) {
    case type_id::string:
    case type_id::bytes:
    case type_id::json:
      return append(c.view(row));
    case type_id::list: {
      const auto* o = c.offsets.as<uint32_t>();
      for (uint32_t i = o[row]; i < o[row + 1]; ++i) children_[0]->append_from(*c.children[0], i);
      return append_list();
    }
    case type_id::struct_:
      for (size_t i = 0; i < children_.size(); ++i) children_[i]->append_from(*c.children[i], row);
      return append_struct();
    default: {
      if (length_ == capacity_) grow_rows(1);
      std::memcpy(data_ + size_t{length_++} * width_, c.data<std::byte>() + size_t{row} * width_,
                  width_);
    }
  }
}

column_ptr column_builder::finish() {
  if (!offsets_data_ && width_ == 0 && type_.id != type_id::struct_) grow_rows(0);
  if (!values_ && (width_ != 0 || is_varlen(type_.id))) values_ = buffer::allocate(*pool_, 0);
  auto c = std::make_shared<column>();
  c->type = type_;
  c->length = length_;
  if (values_) {
    values_.truncate(width_ != 0 ? size_t{length_} * width_ : bytes_used_);
    zero_tail(values_);
    c->values = std::move(values_);
  }
  if (offsets_) {
    offsets_.truncate((size_t{length_} + 1) * sizeof(uint32_t));
    zero_tail(offsets_);
    c->offsets = std::move(offsets_);
  }
  if (validity_) {
    validity_.truncate(bitmap::bytes_of(length_));
    zero_tail(validity_);
    c->validity = std::move(validity_);
  }
  for (auto& child : children_) c->children.push_back(child->finish());
  rows_hint_ = length_;
  bytes_hint_ = bytes_used_;
  values_ = offsets_ = validity_ = {};
  data_ = nullptr;
  offsets_data_ = nullptr;
  validity_data_ = nullptr;
  length_ = capacity_ = 0;
  bytes_used_ = bytes_capacity_ = 0;
  return c;
}

}  // namespace weir
