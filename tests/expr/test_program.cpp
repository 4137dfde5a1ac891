#include <doctest/doctest.h>

#include <thread>

#include "tests/expr/harness.hpp"

using namespace weir;
using namespace weir::expr;
using namespace weir::expr::test;
using texts = std::vector<std::string>;

namespace {

table numbers() {
  table t;
  t.type->fields = {{"a", type_id::int64},
                    {"b", type_id::int64},
                    {"x", type_id::int32},
                    {"f", type_id::float64},
                    {"s", type_id::string},
                    {"p", type_id::boolean},
                    {"d", data_type(type_id::decimal, 2)}};
  t.rows = {{"1", "10", "5", "1.5", "one", "true", "1.25"},
            {"2", "NULL", "0", "-2", "NULL", "NULL", "NULL"},
            {"NULL", "30", "-7", "NaN", "three", "false", "-3.50"},
            {"4", "0", "NULL", "NULL", "", "true", "0.00"}};
  return t;
}

}  // namespace

TEST_CASE("arithmetic, comparison and logic over columns with nulls") {
  auto b = make_batch(numbers());
  CHECK(evaluate("a + b", b) == texts{"11", "NULL", "NULL", "4"});
  CHECK(evaluate("a * 2 - 1", b) == texts{"1", "3", "NULL", "7"});
  CHECK(evaluate("-x", b) == texts{"-5", "0", "7", "NULL"});
  CHECK(evaluate("a > 1", b) == texts{"false", "true", "NULL", "true"});
  CHECK(evaluate("1 < a", b) == texts{"false", "true", "NULL", "true"});
  CHECK(evaluate("a >= b", b) == texts{"false", "NULL", "NULL", "true"});
  CHECK(evaluate("f > 1", b) == texts{"true", "false", "true", "NULL"});
  CHECK(evaluate("s = 'one'", b) == texts{"true", "NULL", "false", "false"});
  CHECK(evaluate("p AND a > 1", b) == texts{"false", "NULL", "false", "true"});
  CHECK(evaluate("p OR a > 1", b) == texts{"true", "true", "NULL", "true"});
  CHECK(evaluate("NOT p", b) == texts{"false", "NULL", "true", "false"});
  CHECK(evaluate("d * 2", b) == texts{"2.50", "NULL", "-7.00", "0.00"});
  CHECK(evaluate("d + x", b) == texts{"6.25", "NULL", "-10.50", "NULL"});
  CHECK(evaluate("p IS NULL", b) == texts{"false", "true", "false", "false"});
  CHECK(evaluate("p IS NOT TRUE", b) == texts{"false", "true", "true", "false"});
  CHECK(evaluate("a IS DISTINCT FROM b", b) == texts{"true", "true", "true", "true"});
  CHECK(evaluate("a IS NOT DISTINCT FROM 2", b) == texts{"false", "true", "false", "false"});
  CHECK(evaluate("a IS DISTINCT FROM NULL", b) == texts{"true", "true", "false", "true"});
  CHECK(evaluate("s IN ('one', 'two')", b) == texts{"true", "NULL", "false", "false"});
  CHECK(evaluate("a NOT IN (1, NULL)", b) == texts{"false", "NULL", "NULL", "NULL"});
  CHECK(evaluate("x BETWEEN -10 AND 1", b) == texts{"false", "true", "true", "NULL"});
  CHECK(evaluate("coalesce(b, a, 0)", b) == texts{"10", "2", "30", "0"});
  CHECK(evaluate("coalesce(s, 'none')", b) == texts{"one", "none", "three", ""});
  CHECK(evaluate("nullif(a, 4)", b) == texts{"1", "2", "NULL", "NULL"});
  CHECK(evaluate("CASE x WHEN 5 THEN 'five' WHEN 0 THEN s ELSE 'other' END", b) ==
        texts{"five", "NULL", "other", "other"});
  CHECK(evaluate("CASE WHEN a = 1 THEN 1 WHEN a = 2 THEN 2.5 END", b) ==
        texts{"1.0", "2.5", "NULL", "NULL"});
  CHECK(evaluate("a::text || '!'", b) == texts{"1!", "2!", "NULL", "4!"});
}

TEST_CASE("branches that a row does not take raise no errors") {
  auto b = make_batch(numbers());
  CHECK(evaluate("CASE WHEN x <> 0 THEN 10 / x ELSE -1 END", b) == texts{"2", "-1", "-1", "-1"});
  CHECK(evaluate("x <> 0 AND 10 / x > 1", b) == texts{"true", "false", "false", "NULL"});
  CHECK(evaluate("x = 0 OR 10 / x > 1", b) == texts{"true", "true", "false", "NULL"});
  CHECK(evaluate("coalesce(a, 1 / 0)", b) == texts{"ERROR: division by zero in (1 / 0)"});
  CHECK(evaluate("coalesce(x, 1, 1 / 0)", b) == texts{"5", "0", "-7", "1"});
  CHECK(evaluate("CASE WHEN s <> 'three' THEN 1 ELSE 2 END", b) == texts{"1", "2", "2", "1"});
  CHECK(evaluate("CASE WHEN a = 99 THEN s::int ELSE 0 END", b) == texts{"0", "0", "0", "0"});
  CHECK(evaluate("10 / x", b) == texts{"ERROR: division by zero in (10 / x)"});
  // Rows outside the selection raise nothing.
  CHECK(evaluate("10 / x", select_rows(b, {0, 2})) == texts{"2", "-1"});
}

TEST_CASE("failing rows are collected once each, in order") {
  auto b = make_batch(numbers());
  auto n = expr::bind("10 / x + s::int", *b->type);
  REQUIRE(n.ok());
  auto p = program::compile({*n}, b->type);
  REQUIRE(p.ok());
  std::vector<column_ptr> out;
  std::vector<row_error> errors;
  REQUIRE(p->evaluate(*b, pool(), out, &errors).ok());
  REQUIRE(errors.size() == 4);
  CHECK(errors[0].row == 0);
  CHECK(errors[0].cause.message == "invalid input syntax for type integer: \"one\" in s::int");
  CHECK(errors[1].row == 1);
  CHECK(errors[1].cause.code == errc::division_by_zero);
  CHECK(errors[2].row == 2);
  CHECK(errors[3].row == 3);
  auto failed = p->evaluate(*b, pool(), out);
  REQUIRE(!failed.ok());
  CHECK(failed.err().message == errors[0].cause.message);
}

TEST_CASE("filter gives a selection") {
  auto b = make_batch(numbers());
  auto filtered = [&](const std::string& sql, const batch_ptr& in) {
    auto n = expr::bind(sql, *in->type);
    REQUIRE(n.ok());
    auto p = program::compile({*n}, in->type);
    REQUIRE(p.ok());
    buffer_ref selection;
    uint32_t rows = 0;
    REQUIRE(p->filter(*in, pool(), selection, rows).ok());
    std::vector<uint32_t> r;
    if (!selection && rows == in->physical_rows)
      for (uint32_t i = 0; i < rows; ++i) r.push_back(i);
    else
      r.assign(selection.as<uint32_t>(), selection.as<uint32_t>() + rows);
    return r;
  };
  using rows = std::vector<uint32_t>;
  CHECK(filtered("a > 1", b) == rows{1, 3});
  CHECK(filtered("a > 1 AND x IS NOT NULL", b) == rows{1});
  CHECK(filtered("x <> 0 AND 10 / x > 1", b) == rows{0});
  CHECK(filtered("x <> 0 AND 10 / x > 1", select_rows(b, {1, 2, 3})) == rows{});
  CHECK(filtered("true", b) == rows{0, 1, 2, 3});
  CHECK(filtered("f > 0", b) == rows{0, 2});
  CHECK(filtered("s = 'one' OR b = 30", b) == rows{0, 2});
  CHECK(filtered("false", b) == rows{});
}

TEST_CASE("a bare column shares the input's column") {
  auto b = make_batch(numbers());
  auto p = program::compile(
      {*expr::bind("s", *b->type), *expr::bind("a + 1", *b->type), *expr::bind("1 + 2", *b->type)},
      b->type);
  REQUIRE(p.ok());
  std::vector<column_ptr> out;
  REQUIRE(p->evaluate(*b, pool(), out).ok());
  CHECK(out[0] == b->columns[4]);
  CHECK(cell(*out[2], 3) == "3");
}

TEST_CASE("a dictionary larger than its batches is evaluated whole once enough rows share it") {
  table all;
  all.type->fields = {{"s", type_id::string}};
  for (int i = 0; i < 1000; ++i) all.rows.push_back({"Entry " + std::to_string(i)});
  all.rows[7] = {"x"};  // for which the cast below fails
  const auto whole = make_batch(all, true);
  auto p = program::compile({*bind("upper(s)", *all.type), *bind("length(s) > 8", *all.type),
                             *bind("CAST(substr(s, 7) AS int)", *all.type)},
                            all.type);
  REQUIRE(p.ok());
  for (uint32_t from = 0; from < 1000; from += 100) {
    // Batches of 100 rows that share the dictionary.
    auto b = std::make_shared<batch>(*whole);
    auto c = std::make_shared<column>(*whole->columns[0]);
    c->length = b->rows = b->physical_rows = 100;
    c->values = c->values.slice(from * sizeof(uint32_t), 100 * sizeof(uint32_t));
    b->columns[0] = c;
    std::vector<column_ptr> out;
    std::vector<row_error> errors;
    REQUIRE(p->evaluate(*b, pool(), out, &errors).ok());
    CHECK(errors.size() == (from == 0 ? 1 : 0));
    CHECK(static_cast<bool>(out[0]->dictionary) == (from >= 400));  // 500 rows have come
    for (uint32_t r = 0; r < 100; ++r) {
      if (from + r == 7) continue;
      const auto n = std::to_string(from + r);
      CHECK(cell(*out[0], r) == "ENTRY " + n);
      CHECK(cell(*out[1], r) == (n.size() > 2 ? "true" : "false"));
      CHECK(cell(*out[2], r) == n);
    }
  }
}

TEST_CASE("a batch without rows gives columns without rows") {
  table t = numbers();
  t.rows.clear();
  auto b = make_batch(t);
  for (const char* sql : {"a + b", "upper(s)", "10 / x", "1 + 1", "CASE WHEN p THEN s END"})
    CHECK(evaluate(sql, b) == texts{});
}

TEST_CASE("binding is safe on several threads") {
  auto b = make_batch(numbers());
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        good += expr::bind("a + b * 2 > 5 AND s = 'x'", *b->type).ok();
        good += !expr::bind("a + ", *b->type).ok();
      }
    });
  for (auto& t : threads) t.join();
  CHECK(good == 400);
}
