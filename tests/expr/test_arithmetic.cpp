// Arithmetic that has quick ways (division by constants, products and casts of small decimals)
// gives what the plain ways give, at the edges of the quick ones, too.
#include <doctest/doctest.h>

#include <random>

#include "runtime/column/builder.hpp"
#include "runtime/column/text.hpp"
#include "tests/expr/harness.hpp"

using namespace weir;
using namespace weir::expr;
using namespace weir::expr::test;

namespace {

std::shared_ptr<batch> numbers(const std::vector<int64_t>& values, data_type type) {
  auto s = std::make_shared<schema>();
  s->fields = {{"x", type}};
  column_builder column(type, pool());
  for (auto v : values) {
    if (type.id == type_id::int32)
      column.append(static_cast<int32_t>(v));
    else
      column.append(v);
  }
  auto b = std::make_shared<batch>();
  b->type = s;
  b->rows = b->physical_rows = static_cast<uint32_t>(values.size());
  b->columns.push_back(column.finish());
  return b;
}

std::vector<int64_t> edges(type_id type) {
  const bool narrow = type == type_id::int32;
  const int64_t low = narrow ? INT32_MIN : INT64_MIN, high = narrow ? INT32_MAX : INT64_MAX;
  std::vector<int64_t> out{0, 1, -1, low, low + 1, high, high - 1};
  for (int bits : {2, 30, 31, 49, 50, 51, 52, 53, 62})
    for (int64_t off : {-2, -1, 0, 1, 2})
      for (int64_t sign : {-1, 1}) {
        const auto v = sign * ((int64_t{1} << bits) + off);
        if (v >= low && v <= high) out.push_back(v);
      }
  return out;
}

}  // namespace

TEST_CASE("integers by constants: quotients and remainders are exact") {
  std::mt19937_64 random(7);
  for (auto type : {type_id::int32, type_id::int64}) {
    const auto special = edges(type);
    auto divisors = special;
    for (int64_t d : {3, 7, 10, 123, 1000, 60'000'000}) divisors.push_back(d);
    for (int i = 0; i < 40; ++i)
      divisors.push_back(type == type_id::int32 ? static_cast<int32_t>(random())
                                                : static_cast<int64_t>(random() >> (i + 10)));
    for (auto d : divisors) {
      if (d == 0 || d == INT64_MIN || d == INT32_MIN) continue;  // no literals
      CAPTURE(d);
      std::vector<int64_t> values;
      for (auto v : special)
        if (d != -1 || (v != INT64_MIN && v != INT32_MIN)) values.push_back(v);
      // Multiples and what is beside them are where a rounding would show.
      for (int i = 0; i < 300; ++i) {
        const int64_t limit = type == type_id::int32 ? INT32_MAX : (int64_t{1} << 51);
        const int64_t k = static_cast<int64_t>(random()) % (limit / (d < 0 ? -d : d) + 1);
        for (int64_t off : {-1, 0, 1}) {
          const auto v = k * d + off;
          if (type == type_id::int64 || (v >= INT32_MIN && v <= INT32_MAX)) values.push_back(v);
        }
      }
      if (d == -1)
        std::erase_if(values, [](int64_t v) { return v == INT32_MIN || v == INT64_MIN; });
      const auto b = numbers(values, type);
      const auto by =
          "(" + std::to_string(d) + ")" + (type == type_id::int64 ? "::bigint" : "::int");
      const auto q = evaluate("x / " + by, b), m = evaluate("x % " + by, b),
                 same = evaluate("mod(x, " + by + ")", b);
      REQUIRE(q.size() == values.size());
      REQUIRE(m.size() == values.size());
      REQUIRE(same == m);
      for (size_t i = 0; i < values.size(); ++i) {
        if (q[i] != std::to_string(values[i] / d) || m[i] != std::to_string(values[i] % d)) {
          CAPTURE(values[i]);
          CHECK(q[i] == std::to_string(values[i] / d));
          CHECK(m[i] == std::to_string(values[i] % d));
        }
      }
    }
  }
  const auto b = numbers({5, INT64_MIN}, type_id::int64);
  CHECK(evaluate("x / 0", b)[0].starts_with("ERROR: division by zero"));
  CHECK(evaluate("x % 0", b)[0].starts_with("ERROR: division by zero"));
  CHECK(evaluate("x / -1::bigint", b)[0].starts_with("ERROR: bigint out of range"));
  CHECK(evaluate("x % -1", b) == std::vector<std::string>{"0", "0"});
  CHECK(evaluate("x / NULL::bigint", b) == std::vector<std::string>{"NULL", "NULL"});
}

TEST_CASE("decimals times integers: of 64 bits and beyond") {
  const std::vector<int64_t> values{0, 1, -1, 7, -12'345, INT64_MAX, INT64_MIN};
  const auto b = numbers(values, type_id::int64);
  auto product = [](int64_t v, int64_t factor, uint8_t scale) {
    char text[decimal_chars_max];
    return std::string(text, format_decimal(text, static_cast<int128>(v) * factor, scale));
  };
  for (int64_t factor : {int64_t{908}, int64_t{-1}, INT64_MAX, INT64_MIN + 1}) {
    CAPTURE(factor);
    char text[decimal_chars_max];
    const std::string literal(text, format_decimal(text, factor, 3));
    for (const auto& sql : {"(" + literal + ") * x", "x * (" + literal + ")",
                            "(" + literal + ")::numeric(30, 3) * x::numeric"}) {
      CAPTURE(sql);
      const auto made = evaluate(sql, b);
      REQUIRE(made.size() == values.size());
      for (size_t i = 0; i < values.size(); ++i) CHECK(made[i] == product(values[i], factor, 3));
    }
  }
  // Factors of more than 64 bits, and more digits than there are.
  const auto small = numbers({2, -3}, type_id::int64);
  CHECK(evaluate("12345678901234567890123.5 * x", small) ==
        std::vector<std::string>{"24691357802469135780247.0", "-37037036703703703670370.5"});
  CHECK(evaluate("1234567890123456789012345678901234567.5 * x * 100", small)[0].starts_with(
      "ERROR: numeric field overflow"));
  CHECK(evaluate("x::numeric * x::numeric", b)[5] == "85070591730234615847396907784232501249");
  CHECK(evaluate("x::numeric(38, 19)", b)[5] == "9223372036854775807.0000000000000000000");
  CHECK(evaluate("x::numeric(38, 20)", b)[0].starts_with("ERROR: numeric field overflow"));
  CHECK(evaluate("1.5 * NULLIF(x, 1)", numbers({1, 2}, type_id::int64)) ==
        std::vector<std::string>{"NULL", "3.0"});
  CHECK(evaluate("CASE WHEN x > 5 THEN x::numeric(38, 20) ELSE 0.5 * x END",
                 numbers({2, 6}, type_id::int64)) ==
        std::vector<std::string>{"1.00000000000000000000", "6.00000000000000000000"});
}
