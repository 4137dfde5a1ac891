// The same program over a large batch and over each row alone gives the same values and errors.
#include <doctest/doctest.h>

#include <random>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "tests/expr/harness.hpp"

using namespace weir;
using namespace weir::expr;
using namespace weir::expr::test;

namespace {

constexpr uint64_t seed = 20130101;

batch_ptr random_batch(uint32_t rows) {
  std::mt19937_64 random(seed);
  auto s = std::make_shared<schema>();
  s->fields = {{"i", type_id::int32},
               {"j", type_id::int64},
               {"f", type_id::float64},
               {"s", type_id::string},
               {"b", type_id::boolean},
               {"ts", type_id::timestamp},
               {"n", data_type(type_id::decimal, 2)}};
  const std::vector<std::string> words = {"", "1", "42", "abc", "straße", "-7", "x y z"};
  std::vector<column_builder> columns;
  for (const auto& f : s->fields) columns.emplace_back(f.type, pool());
  for (uint32_t r = 0; r < rows; ++r) {
    for (auto& c : columns) {
      uint64_t v = random();
      if (v % 11 == 0) {
        c.append_null();
        continue;
      }
      bool wide = v % 97 == 1;
      auto small = static_cast<int64_t>(v % 2001) - 1000;
      switch (c.type().id) {
        case type_id::int32:
          c.append(wide ? INT32_MAX : static_cast<int32_t>(small / 100));
          break;
        case type_id::int64:
        case type_id::timestamp:
          c.append(wide ? INT64_MIN + 5 : small * 1'000'003);
          break;
        case type_id::float64:
          c.append(static_cast<double>(small) / 8);
          break;
        case type_id::boolean:
          c.append(small > 0);
          break;
        case type_id::decimal:
          c.append(static_cast<int128>(small));
          break;
        default:
          c.append(std::string_view(words[v / 16 % words.size()]));
      }
    }
  }
  auto b = std::make_shared<batch>();
  b->type = s;
  b->rows = b->physical_rows = rows;
  for (auto& c : columns) b->columns.push_back(c.finish());
  return b;
}

const char* const expressions[] = {"i + 1",
                                   "i * i",
                                   "j * 3 - i",
                                   "10 / i",
                                   "j % i",
                                   "f * 2 + i",
                                   "n * n",
                                   "n / i",
                                   "CASE WHEN i <> 0 THEN j / i ELSE -1 END",
                                   "i <> 0 AND 100 / i > 3",
                                   "i = 0 OR 100 / i > 3",
                                   "s::int + i",
                                   "CASE WHEN s ~ '^-?[0-9]+$' THEN s::int END",
                                   "upper(s) || i",
                                   "length(s) > i",
                                   "coalesce(s, i::text)",
                                   "b AND (i > 0 OR NOT b)",
                                   "b IS NOT TRUE",
                                   "i IS DISTINCT FROM 3",
                                   "i IN (1, 2, 3, NULL)",
                                   "s IN ('abc', '42')",
                                   "s LIKE '%a%'",
                                   "greatest(i, 3)",
                                   "nullif(i, 0)",
                                   "ts + interval '1 month'",
                                   "extract(hour FROM ts)",
                                   "date_trunc('day', ts)",
                                   "i BETWEEN SYMMETRIC 3 AND -3",
                                   "least(s, 'b')",
                                   "concat(s, i, b)",
                                   "f > n",
                                   "f::int"};

}  // namespace

TEST_CASE("large batches and single rows agree") {
  INFO("seed " << seed);
  auto b = random_batch(3001);
  for (const char* sql : expressions) {
    INFO(sql);
    auto n = expr::bind(sql, *b->type);
    REQUIRE_MESSAGE(n.ok(), (n.ok() ? "" : n.err().message));
    auto p = program::compile({*n}, b->type);
    REQUIRE(p.ok());
    std::vector<column_ptr> all, one;
    std::vector<row_error> errors, single;
    REQUIRE(p->evaluate(*b, pool(), all, &errors).ok());
    std::vector<std::string> failed(b->rows);
    for (const auto& e : errors) failed[e.row] = e.cause.message;
    auto q = program::compile({*n}, b->type);
    for (uint32_t r = 0; r < b->rows; r += 7) {
      batch row(*b);
      row.rows = row.physical_rows = 1;
      for (auto& c : row.columns) c = gather(*c, std::vector<uint32_t>{r}, pool());
      REQUIRE(q->evaluate(row, pool(), one, &single).ok());
      CHECK((single.empty() ? "" : single[0].cause.message) == failed[r]);
      if (single.empty()) CHECK(cell(*one[0], 0) == cell(*all[0], r));
    }
  }
}
