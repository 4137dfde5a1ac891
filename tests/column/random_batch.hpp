// Random schemas and batches for property tests: every type, nulls, dictionaries, lists, structs,
// selections, weights, slices. Deterministic in the generator's seed.
#pragma once

#include <cmath>
#include <random>

#include "runtime/column/bitmap.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/column/text.hpp"

namespace weir::test {

using generator = std::mt19937_64;

inline uint64_t below(generator& g, uint64_t n) {
  return g() % n;
}

inline data_type random_type(generator& g, int depth = 0) {
  const auto id = static_cast<type_id>(below(g, depth < 2 ? 13 : 11));
  data_type t(id, id == type_id::decimal ? static_cast<uint8_t>(below(g, 39)) : 0);
  if (id == type_id::list) {
    t.fields = std::make_shared<std::vector<field>>(1, field{"item", random_type(g, depth + 1)});
  } else if (id == type_id::struct_) {
    auto f = std::make_shared<std::vector<field>>();
    for (uint64_t n = 1 + below(g, 3), i = 0; i < n; ++i)
      f->push_back({"f" + std::to_string(i), random_type(g, depth + 1)});
    t.fields = std::move(f);
  }
  return t;
}

inline schema_ptr random_schema(generator& g, uint64_t columns_max = 6) {
  auto s = std::make_shared<schema>();
  for (uint64_t n = 1 + below(g, columns_max), i = 0; i < n; ++i)
    s->fields.push_back({"c" + std::to_string(i), random_type(g)});
  return s;
}

inline scalar random_scalar(generator& g, const data_type& t, unsigned nulls_percent) {
  if (below(g, 100) < nulls_percent) return scalar::of_null(t);
  scalar v{t, false};
  switch (t.id) {
    case type_id::boolean:
      v.i = static_cast<int64_t>(below(g, 2));
      break;
    case type_id::int32:
    case type_id::date:
      v.i = static_cast<int32_t>(g()) >> below(g, 32);
      break;
    case type_id::int64:
    case type_id::timestamp:
      v.i = static_cast<int64_t>(g()) >> below(g, 63);
      break;
    case type_id::float64: {
      const double special[] = {0.0, -0.0, std::nan(""), HUGE_VAL, 1.5};
      v.d = below(g, 4) ? static_cast<double>(static_cast<int64_t>(g()) >> below(g, 63)) / 8
                        : special[below(g, 5)];
      break;
    }
    case type_id::decimal:
      v.dec = static_cast<int128>(static_cast<int64_t>(g())) * static_cast<int64_t>(below(g, 1000));
      break;
    case type_id::interval:
      v.interval = {static_cast<int32_t>(below(g, 50)) - 25,
                    static_cast<int32_t>(below(g, 50)) - 25, static_cast<int64_t>(g()) >> 20};
      break;
    case type_id::json:
      v.s = "[" + std::to_string(below(g, 100000)) + "]";
      break;
    case type_id::string:
    case type_id::bytes: {
      const uint64_t lengths[] = {0, 3, 8, 9, 16, 17, 40, 300};
      const uint64_t n = below(g, lengths[below(g, 8)] + 1);
      for (uint64_t i = 0; i < n; ++i) v.s += static_cast<char>('a' + below(g, 26));
      break;
    }
    case type_id::list:
      for (uint64_t n = below(g, 4), i = 0; i < n; ++i)
        v.items.push_back(random_scalar(g, t.fields->front().type, nulls_percent));
      break;
    case type_id::struct_:
      for (const auto& f : *t.fields) v.items.push_back(random_scalar(g, f.type, nulls_percent));
  }
  return v;
}

inline column_ptr random_column(generator& g, const data_type& t, uint32_t rows,
                                memory_pool& pool) {
  const unsigned nulls = below(g, 3) == 0 ? static_cast<unsigned>(below(g, 60)) : 0;
  if (below(g, 4) == 0 && t.id != type_id::list && t.id != type_id::struct_) {
    column_builder d(t, pool);
    const uint64_t n = 1 + below(g, 20);
    for (uint64_t i = 0; i < n; ++i) d.append_scalar(random_scalar(g, t, 0));
    auto c = std::make_shared<column>();
    c->type = t;
    c->length = rows;
    c->dictionary = d.finish();
    c->values = buffer::allocate(pool, size_t{rows} * 4);
    for (uint32_t i = 0; i < rows; ++i)
      c->values.mutable_as<uint32_t>()[i] = static_cast<uint32_t>(below(g, n));
    if (nulls != 0) {
      c->validity = buffer::allocate_zero(pool, bitmap::bytes_of(rows));
      for (uint32_t i = 0; i < rows; ++i)
        if (below(g, 100) >= nulls) bitmap::set(c->validity.mutable_as<uint8_t>(), i);
    }
    return c;
  }
  column_builder b(t, pool);
  for (uint32_t i = 0; i < rows; ++i) b.append_scalar(random_scalar(g, t, nulls));
  return b.finish();
}

inline batch_ptr random_batch(generator& g, const schema_ptr& s, uint32_t rows, memory_pool& pool) {
  // Sometimes a slice of something larger, so that offsets do not begin at 0.
  const auto before = static_cast<uint32_t>(below(g, 3) ? 0 : below(g, 20));
  std::vector<column_ptr> columns;
  for (const auto& f : s->fields) {
    auto c = random_column(g, f.type, rows + before, pool);
    columns.push_back(before ? slice(*c, before, rows, pool) : c);
  }
  buffer_ref weights;
  if (below(g, 3) == 0) {
    weights = buffer::allocate(pool, size_t{rows} * 4);
    for (uint32_t i = 0; i < rows; ++i)
      weights.mutable_as<int32_t>()[i] = static_cast<int32_t>(below(g, 5)) - 2;
  }
  auto b = make_batch(s, std::move(columns), std::move(weights), rows);
  if (below(g, 3) == 0) {
    auto sel = buffer::allocate(pool, size_t{rows} * 4);
    uint32_t n = 0;
    const auto keep = below(g, 100);
    for (uint32_t i = 0; i < rows; ++i)
      if (below(g, 100) < keep) sel.mutable_as<uint32_t>()[n++] = i;
    sel.truncate(size_t{n} * 4);
    b = with_selection(*b, std::move(sel), n);
  }
  return b;
}

/// Every logical row as text.
inline std::vector<std::string> rows_of(const batch& b) {
  std::vector<std::string> rows;
  for (uint32_t i = 0; i < b.rows; ++i) rows.push_back(format_row(b, i));
  return rows;
}

}  // namespace weir::test
