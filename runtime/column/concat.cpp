#include <algorithm>

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

}  // namespace weir
