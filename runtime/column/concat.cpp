#include "runtime/base/assert.hpp"
#include "runtime/column/bitmap.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"

namespace weir {
namespace {

// Columns of one type end to end.
column_ptr concat_columns(std::vector<column_ptr> parts, memory_pool& pool) {
  auto to = std::make_shared<column>();
  to->type = parts[0]->type;
  bool same_dictionary = true, nulls = false;
  uint64_t rows = 0;
  for (const auto& p : parts) {
    same_dictionary = same_dictionary && p->dictionary == parts[0]->dictionary;
    nulls = nulls || p->validity;
    rows += p->length;
  }
  weir_assert(rows < UINT32_MAX, "a column holds at most 2^32-2 values");
  to->length = static_cast<uint32_t>(rows);
  if (same_dictionary)
    to->dictionary = parts[0]->dictionary;
  else
    for (auto& p : parts) p = flatten(p, pool);
  if (nulls) {
    to->validity = buffer::allocate(pool, bitmap::bytes_of(rows));
    auto* bits = to->validity.mutable_as<uint8_t>();
    size_t at = 0;
    for (const auto& p : parts) {
      if (p->validity)
        bitmap::copy(bits, at, p->validity.as<uint8_t>(), 0, p->length);
      else
        bitmap::set_range(bits, at, p->length, true);
      at += p->length;
    }
  }
  const size_t width = to->dictionary ? sizeof(uint32_t) : fixed_width(to->type.id);
  if (width != 0) {
    to->values = buffer::allocate(pool, rows * width);
    auto* p = to->values.mutable_as<std::byte>();
    for (const auto& c : parts) {
      if (c->length != 0) std::memcpy(p, c->values.data(), c->length * width);
      p += c->length * width;
    }
    return to;
  }
  if (to->type.id == type_id::struct_) {
    for (size_t f = 0; f < parts[0]->children.size(); ++f) {
      std::vector<column_ptr> children;
      for (const auto& p : parts) children.push_back(p->children[f]);
      to->children.push_back(concat_columns(std::move(children), pool));
    }
    return to;
  }
  // Offsets of each part move by what came before it minus where it begins.
  to->offsets = buffer::allocate(pool, (rows + 1) * sizeof(uint32_t));
  auto* o = to->offsets.mutable_as<uint32_t>();
  *o++ = 0;
  uint64_t total = 0;
  for (const auto& p : parts) {
    const auto* from = p->offsets.as<uint32_t>();
    const auto shift = static_cast<uint32_t>(total) - from[0];
    for (uint32_t i = 1; i <= p->length; ++i) *o++ = from[i] + shift;
    total += from[p->length] - from[0];
    weir_assert(total < UINT32_MAX, "a column holds at most 2^32-2 bytes or items");
  }
  if (to->type.id == type_id::list) {
    std::vector<column_ptr> children;
    for (const auto& p : parts) {
      const auto* from = p->offsets.as<uint32_t>();
      children.push_back(slice(*p->children[0], from[0], from[p->length] - from[0], pool));
    }
    to->children.push_back(concat_columns(std::move(children), pool));
    return to;
  }
  to->values = buffer::allocate(pool, total);
  auto* v = to->values.mutable_as<char>();
  for (const auto& p : parts) {
    const auto* from = p->offsets.as<uint32_t>();
    const size_t n = from[p->length] - from[0];
    if (n != 0) std::memcpy(v, p->values.as<char>() + from[0], n);
    v += n;
  }
  return to;
}

}  // namespace

batch_ptr concat(std::span<const batch_ptr> batches, memory_pool& pool) {
  weir_assert(!batches.empty(), "concat of no batches");
  if (batches.size() == 1) return compact(batches[0], pool);
  std::vector<batch_ptr> parts;
  uint64_t rows = 0;
  bool weighted = false;
  for (const auto& b : batches) {
    weir_assert(b->columns.size() == batches[0]->columns.size(), "concat of different schemas");
    parts.push_back(compact(b, pool));
    rows += b->rows;
    weighted = weighted || b->weights;
  }
  weir_assert(rows < UINT32_MAX, "a batch holds at most 2^32-2 rows");
  auto to = std::make_shared<batch>();
  to->type = batches[0]->type;
  to->rows = to->physical_rows = static_cast<uint32_t>(rows);
  for (size_t c = 0; c < batches[0]->columns.size(); ++c) {
    std::vector<column_ptr> columns;
    for (const auto& p : parts) columns.push_back(p->columns[c]);
    to->columns.push_back(concat_columns(std::move(columns), pool));
  }
  if (weighted) {
    to->weights = buffer::allocate(pool, rows * sizeof(int32_t));
    auto* w = to->weights.mutable_as<int32_t>();
    for (const auto& p : parts)
      for (uint32_t i = 0; i < p->rows; ++i) *w++ = p->weight(i);
  }
  return to;
}

batch_ptr scale_weights(const batch& b, int32_t factor, memory_pool& pool) {
  auto to = std::make_shared<batch>(b);
  if (factor == 1) return to;
  to->weights = buffer::allocate(pool, size_t{b.physical_rows} * sizeof(int32_t));
  auto* w = to->weights.mutable_as<int32_t>();
  if (!b.weights) {
    std::fill_n(w, b.physical_rows, factor);
    return to;
  }
  const auto* from = b.weights.as<int32_t>();
  bool overflow = false;
  for (uint32_t i = 0; i < b.physical_rows; ++i) {
    const int64_t v = int64_t{from[i]} * factor;
    w[i] = static_cast<int32_t>(v);
    overflow |= v != w[i];
  }
  weir_assert(!overflow, "a change weight beyond 32 bits");
  return to;
}

bool all_insertions(const batch& b) {
  if (!b.weights) return true;
  const auto* w = b.weights.as<int32_t>();
  bool other = false;
  for (uint32_t i = 0; i < b.rows; ++i) other |= w[b.row(i)] != 1;
  return !other;
}

namespace {

template <class T>
value_range range_plain(const T* v, uint32_t n) noexcept {
  // Independent lanes, which the compiler keeps in registers.
  constexpr uint32_t lanes = 32 / sizeof(T) * 2;
  T low[lanes], high[lanes];
  for (uint32_t k = 0; k < lanes; ++k) low[k] = high[k] = v[0];
  uint32_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (uint32_t k = 0; k < lanes; ++k) {
      low[k] = v[i + k] < low[k] ? v[i + k] : low[k];
      high[k] = v[i + k] > high[k] ? v[i + k] : high[k];
    }
  for (; i < n; ++i) {
    low[0] = std::min(low[0], v[i]);
    high[0] = std::max(high[0], v[i]);
  }
  return {*std::min_element(low, low + lanes), *std::max_element(high, high + lanes)};
}

template <class T>
std::optional<value_range> range_of_values(const batch& b, const column& c) {
  if (b.rows == 0) return std::nullopt;
  const T* v = c.data<T>();
  if (!b.selection && !c.validity) return range_plain(v, b.rows);
  value_range r{INT64_MAX, INT64_MIN};
  bool any = false;
  for (uint32_t i = 0; i < b.rows; ++i) {
    const uint32_t at = b.row(i);
    if (!c.is_valid(at)) continue;
    any = true;
    r.min = std::min<int64_t>(r.min, v[at]);
    r.max = std::max<int64_t>(r.max, v[at]);
  }
  if (!any) return std::nullopt;
  return r;
}

}  // namespace

std::optional<value_range> range_of(const batch& b, uint32_t column) {
  const auto& c = *b.columns[column];
  weir_assert(!c.dictionary, "range_of a dictionary column");
  switch (c.type.id) {
    case type_id::int64:
    case type_id::timestamp:
      return range_of_values<int64_t>(b, c);
    case type_id::int32:
    case type_id::date:
      return range_of_values<int32_t>(b, c);
    default:
      weir_assert(false, "range_of a column that holds no integers or times");
  }
}

}  // namespace weir
