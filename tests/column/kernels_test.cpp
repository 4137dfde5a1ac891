// Gather, slice, concat, partition, weights: invariants over random batches, compared by the text
// of their rows.
#include "runtime/column/kernels.hpp"

#include <doctest/doctest.h>
#include <map>

#include "runtime/base/ids.hpp"
#include "tests/column/random_batch.hpp"

using namespace weir;
using namespace weir::test;

TEST_CASE("gather, slice, concat and compact keep rows") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    auto s = random_schema(g);
    auto b = random_batch(g, s, static_cast<uint32_t>(below(g, 200)), pool);
    const auto rows = rows_of(*b);

    auto c = compact(b, pool);
    CHECK(!c->selection);
    CHECK(rows_of(*c) == rows);
    if (!b->selection) CHECK(c == b);

    const auto begin = static_cast<uint32_t>(below(g, rows.size() + 1));
    const auto n = static_cast<uint32_t>(below(g, rows.size() - begin + 1));
    auto part = slice(b, begin, n, pool);
    CHECK(rows_of(*part) ==
          std::vector<std::string>(rows.begin() + begin, rows.begin() + begin + n));

    auto other = random_batch(g, s, static_cast<uint32_t>(below(g, 50)), pool);
    auto more = rows_of(*other);
    auto joined = concat(std::vector<batch_ptr>{b, part, other}, pool);
    auto expected = rows;
    for (const auto& r : rows_of(*part)) expected.push_back(r);
    expected.insert(expected.end(), more.begin(), more.end());
    CHECK(rows_of(*joined) == expected);

    if (b->physical_rows != 0) {
      std::vector<uint32_t> index;
      for (uint64_t i = below(g, 300); i > 0; --i)
        index.push_back(static_cast<uint32_t>(below(g, b->physical_rows)));
      for (const auto& column : b->columns) {
        auto picked = gather(*column, index, pool);
        auto plain = flatten(picked, pool);
        CHECK(!plain->dictionary);
        for (uint32_t i = 0; i < index.size(); ++i) {
          CHECK(identical(scalar_at(*picked, i), scalar_at(*column, index[i])));
          CHECK(identical(scalar_at(*plain, i), scalar_at(*column, index[i])));
        }
      }
    }
  }
}

TEST_CASE("gather reads wrapped memory only inside its bounds") {
  memory_pool pool;
  generator g(5);
  for (const char* type : {"text", "bigint", "boolean", "decimal(38,3)", "int"}) {
    auto t = *parse_type(type);
    column_builder builder(t, pool);
    for (int i = 0; i < 50; ++i) builder.append_scalar(random_scalar(g, t, 0));
    column c(*builder.finish());
    // An exact heap copy, so that the address sanitizer sees one byte too many.
    auto heap = std::make_shared<std::vector<std::byte>>(c.values.data(),
                                                         c.values.data() + c.values.size());
    c.values = buffer::wrap(*heap, heap);
    CHECK(!c.values.padded());
    const std::vector<uint32_t> index = {49, 0, 49, 7, 48, 49};
    auto picked = gather(c, index, pool);
    for (uint32_t i = 0; i < index.size(); ++i)
      CHECK(identical(scalar_at(*picked, i), scalar_at(c, index[i])));
  }
}

TEST_CASE("partition: each row once, in order, where its hash says") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    auto s = random_schema(g);
    auto b = random_batch(g, s, static_cast<uint32_t>(below(g, 400)), pool);
    std::vector<uint32_t> keys;
    for (uint32_t i = 0; i < s->size(); ++i)
      if (below(g, 2)) keys.push_back(i);
    const auto p = static_cast<uint32_t>(1 + below(g, seed % 3 ? 6 : 200));
    const auto groups = static_cast<uint32_t>(seed % 5 ? 128 : 1 + below(g, 1000));
    auto hashes = hash_keys(*b, keys, pool);
    auto parts = partition(b, hashes, p, groups, pool);
    REQUIRE(parts.size() == p);
    std::vector<std::vector<std::string>> expected(p);
    std::vector<uint32_t> targets;
    for (uint32_t i = 0; i < b->rows; ++i) {
      targets.push_back(
          subtask_of_group(groups, p, group_of_hash(hashes.as<uint64_t>()[i], groups)));
      expected[targets.back()].push_back(format_row(*b, i));
    }
    auto by_target = partition_by(b, targets, p, pool);
    for (uint32_t t = 0; t < p; ++t) {
      if (expected[t].empty()) {
        CHECK(!parts[t]);
        CHECK(!by_target[t]);
        continue;
      }
      REQUIRE(parts[t]);
      CHECK(!parts[t]->selection);
      CHECK(rows_of(*parts[t]) == expected[t]);
      CHECK(rows_of(*by_target[t]) == expected[t]);
    }
  }
}

TEST_CASE("weights") {
  memory_pool pool;
  generator g(3);
  auto s = std::make_shared<schema>();
  s->fields = {{"a", type_id::int32}};
  auto b = *batch_from_text(s, {{"1"}, {"2"}}, pool);
  CHECK(all_insertions(*b));
  auto n = negate(*b, pool);
  CHECK(format_rows(*n) == "-1: 1\n-1: 2\n");
  CHECK(!all_insertions(*n));
  auto back = negate(*n, pool);
  CHECK(format_rows(*back) == "1\n2\n");
  CHECK(all_insertions(*back));
  CHECK(format_rows(*scale_weights(*n, 3, pool)) == "-3: 1\n-3: 2\n");
}

TEST_CASE("range_of") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    auto s = std::make_shared<schema>();
    s->fields = {{"t", seed % 2 ? type_id::timestamp : type_id::int32}};
    column_builder values(s->fields[0].type, pool);
    const auto n = below(g, 100);
    for (uint64_t i = 0; i < n; ++i)
      values.append_scalar(random_scalar(g, s->fields[0].type, seed % 3 ? 0 : 30));
    auto b = make_batch(s, {values.finish()});
    if (seed % 4 == 0 && n != 0) b = slice(b, 0, static_cast<uint32_t>(below(g, n)), pool);
    std::optional<value_range> expected;
    for (uint32_t i = 0; i < b->rows; ++i) {
      auto v = scalar_at(*b->columns[0], b->row(i));
      if (v.null) continue;
      if (!expected) expected = value_range{v.i, v.i};
      expected->min = std::min(expected->min, v.i);
      expected->max = std::max(expected->max, v.i);
    }
    auto r = range_of(*b, 0);
    CHECK(r.has_value() == expected.has_value());
    if (r && expected) {
      CHECK(r->min == expected->min);
      CHECK(r->max == expected->max);
    }
  }
}
