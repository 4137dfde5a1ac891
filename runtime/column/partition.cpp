// Splitting a batch by key: which rows go where as bitmaps (few targets) or as places,
// then per column one compressing or scattering pass.

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/column/bitmap.hpp"
#include "runtime/column/compress.hpp"
#include "runtime/column/kernels.hpp"

namespace weir {
namespace {

// One compressing pass costs a step per eight rows and target; beyond this, scattering row by row
// is cheaper (measured with tests/bench/column_bench.cpp).
constexpr uint32_t bitmap_targets_max = 4;
// Targets are kept as 16 bits.
constexpr uint32_t targets_max = 65535;

// The least top half of a hash that belongs to subtask k; 2^32 when none does.
uint64_t first_hash(uint32_t key_groups, uint32_t parallelism, uint32_t k) noexcept {
  const uint64_t group = uint64_t{key_groups} * k / parallelism;
  return ((group << 32) + key_groups - 1) / key_groups;
}

// ---- any number of targets: every row's target and place in it, then one pass per column ----

// Rows are counted in sections, each with counters of its own: with one set, every row would wait
// for the counter that the row before it stored.
constexpr uint32_t sections = 4;

struct row_places {
  buffer_ref targets;           // uint16 per logical row
  buffer_ref places;            // uint32 per logical row: its row within its target and section
  std::vector<uint32_t> count;  // rows per target
  std::vector<uint32_t> first;  // [section * targets + target]: where the section's rows begin
  uint32_t section_rows = 0;    // of all sections but the last
};

template <class Target>
row_places place_rows(uint32_t rows, uint32_t parallelism, memory_pool& pool, Target target_of) {
  row_places r;
  r.targets = buffer::allocate(pool, size_t{rows} * sizeof(uint16_t));
  r.places = buffer::allocate(pool, size_t{rows} * sizeof(uint32_t));
  r.section_rows = rows / sections;
  r.first.assign(size_t{sections} * parallelism, 0);
  auto* t = r.targets.mutable_as<uint16_t>();
  auto* at = r.places.mutable_as<uint32_t>();
  uint32_t* counts = r.first.data();
  auto place = [&](uint32_t i, uint32_t* count) {
    const uint32_t k = target_of(i);
    t[i] = static_cast<uint16_t>(k);
    at[i] = count[k]++;
  };
  const uint32_t q = r.section_rows;
  for (uint32_t i = 0; i < q; ++i) {
    place(i, counts);
    place(i + q, counts + parallelism);
    place(i + 2 * q, counts + 2 * parallelism);
    place(i + 3 * q, counts + 3 * parallelism);
  }
  for (uint32_t i = sections * q; i < rows; ++i) place(i, counts + 3 * parallelism);
  r.count.assign(parallelism, 0);
  for (uint32_t s = 0; s < sections; ++s)
    for (uint32_t k = 0; k < parallelism; ++k) {
      uint32_t& n = counts[s * parallelism + k];
      r.count[k] += n;
      n = r.count[k] - n;
    }
  return r;
}

template <class T, class Value>
void scatter(const std::vector<T*>& out, const row_places& p, uint32_t rows, Value value) {
  const auto* t = p.targets.as<uint16_t>();
  const auto* at = p.places.as<uint32_t>();
  std::vector<T*> to(out.size());
  for (uint32_t s = 0; s < sections; ++s) {
    for (size_t k = 0; k < out.size(); ++k) to[k] = out[k] + p.first[s * out.size() + k];
    const uint32_t end = s + 1 < sections ? (s + 1) * p.section_rows : rows;
    for (uint32_t i = s * p.section_rows; i < end; ++i) to[t[i]][at[i]] = value(i);
  }
}

// One buffer per target with that target's values.
template <class T>
std::vector<buffer_ref> scatter_values(const std::byte* in, const batch& b, const row_places& p,
                                       memory_pool& pool) {
  std::vector<buffer_ref> out(p.count.size());
  std::vector<T*> to(p.count.size());
  for (size_t k = 0; k < out.size(); ++k) {
    out[k] = buffer::allocate(pool, size_t{p.count[k]} * sizeof(T));
    to[k] = out[k].template mutable_as<T>();
  }
  const T* v = reinterpret_cast<const T*>(in);
  const uint32_t* sel = b.selection ? b.selection.as<uint32_t>() : nullptr;
  if (sel)
    scatter(to, p, b.rows, [v, sel](uint32_t i) { return v[sel[i]]; });
  else
    scatter(to, p, b.rows, [v](uint32_t i) { return v[i]; });
  return out;
}

std::vector<buffer_ref> scatter_rows(const batch& b, const row_places& p, memory_pool& pool) {
  std::vector<buffer_ref> out(p.count.size());
  std::vector<uint32_t*> to(p.count.size());
  for (size_t k = 0; k < out.size(); ++k) {
    out[k] = buffer::allocate(pool, size_t{p.count[k]} * sizeof(uint32_t));
    to[k] = out[k].mutable_as<uint32_t>();
  }
  scatter(to, p, b.rows, [&b](uint32_t i) { return b.row(i); });
  return out;
}

struct wide_value {
  uint64_t low, high;
};

std::vector<buffer_ref> scatter_width(size_t width, const std::byte* in, const batch& b,
                                      const row_places& p, memory_pool& pool) {
  switch (width) {
    case 1:
      return scatter_values<uint8_t>(in, b, p, pool);
    case 4:
      return scatter_values<uint32_t>(in, b, p, pool);
    case 8:
      return scatter_values<uint64_t>(in, b, p, pool);
    default:
      return scatter_values<wide_value>(in, b, p, pool);
  }
}

std::vector<batch_ptr> scatter_batch(const batch& b, const row_places& p, memory_pool& pool) {
  std::vector<std::shared_ptr<batch>> out(p.count.size());
  for (size_t k = 0; k < out.size(); ++k) {
    if (p.count[k] == 0) continue;
    out[k] = std::make_shared<batch>();
    out[k]->type = b.type;
    out[k]->rows = out[k]->physical_rows = p.count[k];
    out[k]->columns.reserve(b.columns.size());
  }
  std::vector<buffer_ref> rows;  // for what is gathered; made when the first needs it
  for (const auto& c : b.columns) {
    const size_t width = c->dictionary ? sizeof(uint32_t) : fixed_width(c->type.id);
    const bool by_row = width == 0 || c->validity;
    if (by_row && rows.empty()) rows = scatter_rows(b, p, pool);
    std::vector<buffer_ref> values;
    if (!by_row) values = scatter_width(width, c->values.data(), b, p, pool);
    for (size_t k = 0; k < out.size(); ++k) {
      if (!out[k]) continue;
      if (by_row) {
        out[k]->columns.push_back(gather(*c, {rows[k].as<uint32_t>(), p.count[k]}, pool));
        continue;
      }
      auto made = std::make_shared<column>();
      made->type = c->type;
      made->length = p.count[k];
      made->dictionary = c->dictionary;
      made->values = std::move(values[k]);
      out[k]->columns.push_back(std::move(made));
    }
  }
  if (b.weights) {
    auto weights = scatter_values<int32_t>(b.weights.data(), b, p, pool);
    for (size_t k = 0; k < out.size(); ++k)
      if (out[k]) out[k]->weights = std::move(weights[k]);
  }
  return {out.begin(), out.end()};
}

// ---- few targets: a bitmap of rows per target ----

struct row_bitmaps {
  buffer_ref bits;  // one bitmap of `stride` bytes per target
  size_t stride = 0;
  uint32_t count[bitmap_targets_max] = {};
  const uint8_t* of(uint32_t t) const { return bits.as<uint8_t>() + t * stride; }
};

row_bitmaps mark_rows(const uint64_t* hashes, uint32_t n, uint32_t key_groups, uint32_t parallelism,
                      memory_pool& pool) {
  row_bitmaps r;
  r.stride = (bitmap::bytes_of(n) + 63) & ~size_t{63};
  r.bits = buffer::allocate(pool, r.stride * parallelism);
  auto* out = r.bits.mutable_as<uint8_t>();
  // Bitmap k: rows of target k and all after it; then each loses those of the next.
  for (uint32_t k = 0; k < parallelism; ++k)
    compress::at_least(out + k * r.stride, hashes, n, first_hash(key_groups, parallelism, k));
  for (uint32_t k = 0; k < parallelism; ++k) {
    if (k + 1 < parallelism) bitmap::and_not_into(out + k * r.stride, r.of(k), r.of(k + 1), n);
    r.count[k] = static_cast<uint32_t>(bitmap::count(r.of(k), n));
  }
  return r;
}

buffer_ref compress_validity(const uint8_t* in, const uint8_t* mask, uint32_t n, uint32_t count,
                             memory_pool& pool) {
  auto out = buffer::allocate(pool, bitmap::bytes_of(count));
  compress::bits(out.mutable_as<uint8_t>(), in, mask, n);
  if (bitmap::all(out.as<uint8_t>(), count)) return {};
  return out;
}

buffer_ref compress_values(const std::byte* in, size_t width, const uint8_t* mask, uint32_t n,
                           uint32_t count, memory_pool& pool) {
  auto out = buffer::allocate(pool, count * width);
  auto* to = out.mutable_as<std::byte>();
  if (width == 8)
    compress::values8(reinterpret_cast<uint64_t*>(to), reinterpret_cast<const uint64_t*>(in), mask,
                      n);
  else if (width == 4)
    compress::values4(reinterpret_cast<uint32_t*>(to), reinterpret_cast<const uint32_t*>(in), mask,
                      n);
  else
    compress::values1(reinterpret_cast<uint8_t*>(to), reinterpret_cast<const uint8_t*>(in), mask,
                      n);
  return out;
}

batch_ptr compress_batch(const batch& b, const uint8_t* bits, uint32_t count, memory_pool& pool) {
  auto to = std::make_shared<batch>();
  to->type = b.type;
  to->rows = to->physical_rows = count;
  to->columns.reserve(b.columns.size());
  buffer_ref rows;  // for columns that are gathered; made when the first needs it
  for (const auto& c : b.columns) {
    const size_t width = c->dictionary ? sizeof(uint32_t) : fixed_width(c->type.id);
    if (width == 0 || width == 16) {
      if (!rows) {
        rows = buffer::allocate(pool, size_t{count} * sizeof(uint32_t));
        compress::rows(rows.mutable_as<uint32_t>(), bits, b.rows);
      }
      to->columns.push_back(gather(*c, {rows.as<uint32_t>(), count}, pool));
      continue;
    }
    auto made = std::make_shared<column>();
    made->type = c->type;
    made->length = count;
    made->dictionary = c->dictionary;
    made->values = compress_values(c->values.data(), width, bits, b.rows, count, pool);
    if (c->validity)
      made->validity = compress_validity(c->validity.as<uint8_t>(), bits, b.rows, count, pool);
    to->columns.push_back(std::move(made));
  }
  if (b.weights)
    to->weights = compress_values(b.weights.data(), sizeof(int32_t), bits, b.rows, count, pool);
  return to;
}

}  // namespace

std::vector<batch_ptr> partition(const batch_ptr& b, const buffer_ref& hashes, uint32_t parallelism,
                                 uint32_t key_groups, memory_pool& pool) {
  weir_assert(parallelism >= 1 && parallelism <= targets_max && key_groups >= 1,
              "a partition into nothing or too many");
  weir_assert(hashes.size() >= size_t{b->rows} * sizeof(uint64_t), "fewer hashes than rows");
  std::vector<batch_ptr> out(parallelism);
  if (b->rows == 0) return out;
  if (parallelism == 1) {
    out[0] = compact(b, pool);
    return out;
  }
  const auto* h = hashes.as<uint64_t>();
  if (parallelism <= bitmap_targets_max && !b->selection) {
    const auto marked = mark_rows(h, b->rows, key_groups, parallelism, pool);
    for (uint32_t t = 0; t < parallelism; ++t) {
      if (marked.count[t] == b->rows)
        out[t] = b;
      else if (marked.count[t] != 0)
        out[t] = compress_batch(*b, marked.of(t), marked.count[t], pool);
    }
    return out;
  }
  std::vector<uint32_t> target(key_groups);
  for (uint32_t g = 0; g < key_groups; ++g)
    target[g] = subtask_of_group(key_groups, parallelism, g);
  const auto places = place_rows(b->rows, parallelism, pool, [&](uint32_t i) {
    return target[group_of_hash(h[i], key_groups)];
  });
  return scatter_batch(*b, places, pool);
}

std::vector<batch_ptr> partition_by(const batch_ptr& b, std::span<const uint32_t> targets,
                                    uint32_t parallelism, memory_pool& pool) {
  weir_assert(targets.size() >= b->rows, "fewer targets than rows");
  weir_assert(parallelism >= 1 && parallelism <= targets_max, "a partition into too many");
  const auto places = place_rows(b->rows, parallelism, pool, [&](uint32_t i) {
    weir_assert(targets[i] < parallelism, "a target that does not exist");
    return targets[i];
  });
  return scatter_batch(*b, places, pool);
}

}  // namespace weir
