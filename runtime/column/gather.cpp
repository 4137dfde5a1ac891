#include <immintrin.h>

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/column/bitmap.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"

namespace weir {
namespace {

template <class T>
void gather_fixed(T* __restrict out, const T* in, const uint32_t* index, size_t n) noexcept {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const T a = in[index[i]], b = in[index[i + 1]], c = in[index[i + 2]], d = in[index[i + 3]];
    out[i] = a;
    out[i + 1] = b;
    out[i + 2] = c;
    out[i + 3] = d;
  }
  for (; i < n; ++i) out[i] = in[index[i]];
}

// Decimals and intervals; the latter are only 8-byte aligned in wrapped memory.
struct wide_value {
  uint64_t low, high;
};

buffer_ref gather_values(const std::byte* in, size_t width, std::span<const uint32_t> index,
                         memory_pool& pool) {
  auto out = buffer::allocate(pool, index.size() * width);
  auto* to = out.mutable_as<std::byte>();
  auto run = [&](auto example) {
    using T = decltype(example);
    gather_fixed(reinterpret_cast<T*>(to), reinterpret_cast<const T*>(in), index.data(),
                 index.size());
  };
  switch (width) {
    case 1:
      run(uint8_t{});
      break;
    case 4:
      run(uint32_t{});
      break;
    case 8:
      run(uint64_t{});
      break;
    case 16:
      run(wide_value{});
      break;
    default:
      weir_assert(false, "a fixed width that no type has");
  }
  return out;
}

buffer_ref gather_bits(const uint8_t* in, std::span<const uint32_t> index, memory_pool& pool) {
  auto out = buffer::allocate(pool, bitmap::bytes_of(index.size()));
  auto* to = out.mutable_as<uint8_t>();
  for (size_t at = 0; at < index.size(); at += 64) {
    const size_t n = std::min<size_t>(64, index.size() - at);
    uint64_t w = 0;
    for (size_t k = 0; k < n; ++k) w |= uint64_t{bitmap::get(in, index[at + k])} << k;
    std::memcpy(to + at / 8, &w, bitmap::bytes_of(n));
  }
  if (bitmap::all(to, index.size())) return {};
  return out;
}

void gather_varlen(column& to, const column& c, std::span<const uint32_t> index,
                   memory_pool& pool) {
  const auto* o = c.offsets.as<uint32_t>();
  const size_t n = index.size();
  auto offsets = buffer::allocate(pool, (n + 1) * sizeof(uint32_t));
  auto* out = offsets.mutable_as<uint32_t>();
  uint64_t total = 0;
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint32_t>(total);
    total += o[index[i] + 1] - o[index[i]];
  }
  weir_assert(total < UINT32_MAX, "a column holds at most 2^32-2 bytes");
  out[n] = static_cast<uint32_t>(total);
  auto values = buffer::allocate(pool, total);
  char* p = values.mutable_as<char>();
  const char* in = c.values.as<char>();
  if (c.values.padded()) {
    // Both sides have slack: sixteen bytes at once whatever the length, most strings are shorter.
    for (size_t i = 0; i < n; ++i) {
      const uint32_t at = o[index[i]];
      const size_t size = out[i + 1] - out[i];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p + out[i]),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + at)));
      if (size > 16) [[unlikely]]
        std::memcpy(p + out[i] + 16, in + at + 16, size - 16);
    }
  } else {
    for (size_t i = 0; i < n; ++i) copy_short(p + out[i], in + o[index[i]], out[i + 1] - out[i]);
  }
  to.offsets = std::move(offsets);
  to.values = std::move(values);
}

void gather_list(column& to, const column& c, std::span<const uint32_t> index, memory_pool& pool) {
  const auto* o = c.offsets.as<uint32_t>();
  uint64_t total = 0;
  for (uint32_t r : index) total += o[r + 1] - o[r];
  weir_assert(total < UINT32_MAX, "a column holds at most 2^32-2 list items");
  to.offsets = buffer::allocate(pool, (index.size() + 1) * sizeof(uint32_t));
  auto* out = to.offsets.mutable_as<uint32_t>();
  auto items = buffer::allocate(pool, total * sizeof(uint32_t));
  auto* item = items.mutable_as<uint32_t>();
  *out++ = 0;
  uint32_t n = 0;
  for (uint32_t r : index) {
    for (uint32_t i = o[r]; i < o[r + 1]; ++i) item[n++] = i;
    *out++ = n;
  }
  to.children.push_back(gather(*c.children[0], {item, n}, pool));
}

buffer_ref slice_bits(const buffer_ref& bits, uint32_t begin, uint32_t n, memory_pool& pool) {
  if (!bits) return {};
  if ((begin & 7) == 0) return bits.slice(begin / 8, bitmap::bytes_of(n));
  auto out = buffer::allocate(pool, bitmap::bytes_of(n));
  bitmap::copy(out.mutable_as<uint8_t>(), 0, bits.as<uint8_t>(), begin, n);
  return out;
}

}  // namespace

column_ptr gather(const column& c, std::span<const uint32_t> indices, memory_pool& pool) {
  weir_assert(indices.size() < UINT32_MAX, "a column holds at most 2^32-2 values");
  auto to = std::make_shared<column>();
  to->type = c.type;
  to->length = static_cast<uint32_t>(indices.size());
  if (c.validity) to->validity = gather_bits(c.validity.as<uint8_t>(), indices, pool);
  const size_t width = c.dictionary ? sizeof(uint32_t) : fixed_width(c.type.id);
  to->dictionary = c.dictionary;
  if (width != 0)
    to->values = gather_values(c.values.data(), width, indices, pool);
  else if (is_varlen(c.type.id))
    gather_varlen(*to, c, indices, pool);
  else if (c.type.id == type_id::list)
    gather_list(*to, c, indices, pool);
  else
    for (const auto& child : c.children) to->children.push_back(gather(*child, indices, pool));
  return to;
}

column_ptr slice(const column& c, uint32_t begin, uint32_t n, memory_pool& pool) {
  weir_assert(begin <= c.length && n <= c.length - begin, "a slice outside its column");
  auto to = std::make_shared<column>();
  to->type = c.type;
  to->length = n;
  to->dictionary = c.dictionary;
  to->validity = slice_bits(c.validity, begin, n, pool);
  const size_t width = c.dictionary ? sizeof(uint32_t) : fixed_width(c.type.id);
  if (width != 0) {
    to->values = c.values.slice(begin * width, n * width);
  } else if (c.type.id == type_id::struct_) {
    for (const auto& child : c.children) to->children.push_back(slice(*child, begin, n, pool));
  } else {
    to->offsets = c.offsets.slice(begin * sizeof(uint32_t), (size_t{n} + 1) * sizeof(uint32_t));
    to->values = c.values;
    to->children = c.children;
  }
  return to;
}

column_ptr flatten(const column_ptr& c, memory_pool& pool) {
  if (!c->dictionary) return c;
  auto plain = gather(*c->dictionary, {c->data<uint32_t>(), c->length}, pool);
  auto to = std::make_shared<column>(*plain);
  to->validity = c->validity;
  return to;
}

batch_ptr compact(const batch_ptr& b, memory_pool& pool) {
  if (!b->selection) return b;
  const std::span<const uint32_t> sel(b->selection.as<uint32_t>(), b->rows);
  auto to = std::make_shared<batch>();
  to->type = b->type;
  to->rows = to->physical_rows = b->rows;
  to->columns.reserve(b->columns.size());
  for (const auto& c : b->columns) to->columns.push_back(gather(*c, sel, pool));
  if (b->weights) to->weights = gather_values(b->weights.data(), sizeof(int32_t), sel, pool);
  return to;
}

batch_ptr slice(const batch_ptr& b, uint32_t begin, uint32_t n, memory_pool& pool) {
  weir_assert(begin <= b->rows && n <= b->rows - begin, "a slice outside its batch");
  if (n == b->rows) return b;
  auto to = std::make_shared<batch>();
  to->type = b->type;
  to->rows = n;
  if (b->selection) {
    to->physical_rows = b->physical_rows;
    to->columns = b->columns;
    to->weights = b->weights;
    to->selection = b->selection.slice(begin * sizeof(uint32_t), n * sizeof(uint32_t));
    return to;
  }
  to->physical_rows = n;
  for (const auto& c : b->columns) to->columns.push_back(slice(*c, begin, n, pool));
  if (b->weights) to->weights = b->weights.slice(begin * sizeof(int32_t), n * sizeof(int32_t));
  return to;
}

}  // namespace weir
