#include <doctest/doctest.h>

#include "tests/expr/harness.hpp"

using namespace weir;
using namespace weir::expr;
using namespace weir::expr::test;

namespace {

schema flights() {
  schema s;
  s.fields = {{"carrier", type_id::string}, {"dep_delay", type_id::int32}};
  return s;
}
std::string whole_error(const std::string& sql) {
  auto n = expr::bind(sql, flights());
  return n ? "bound" : n.err().message;
}

}  // namespace

TEST_CASE("errors of binding point at the column and name what is near") {
  CHECK(whole_error("lower(carier)") ==
        "column \"carier\" does not exist; did you mean \"carrier\"? at column 7\n"
        "  lower(carier)\n"
        "        ^");
  CHECK(whole_error("lowr(carrier)") ==
        "function lowr(text) does not exist; did you mean \"lower\"? at column 1\n"
        "  lowr(carrier)\n"
        "  ^");
  CHECK(whole_error("dep_delay > 'ten'") ==
        "invalid input syntax for type integer: \"ten\" at column 13\n"
        "  dep_delay > 'ten'\n"
        "              ^");
  CHECK(whole_error("carrier +\n  nosuch") ==
        "column \"nosuch\" does not exist at line 2, column 3\n"
        "    nosuch\n"
        "    ^");
  CHECK(whole_error("carrier = 'ä' AND nosuch") ==
        "column \"nosuch\" does not exist at column 19\n"
        "  carrier = 'ä' AND nosuch\n"
        "                    ^");
  CHECK(whole_error("1 +") ==
        "syntax error at the end of the expression at column 4\n"
        "  1 +\n"
        "     ^");
  CHECK(whole_error("1 +\n-- why\n\n") ==
        "syntax error at the end of the expression at line 1, column 4\n"
        "  1 +\n"
        "     ^");
}

TEST_CASE("constant templates and format strings that are wrong are refused where they stand") {
  CHECK(whole_error("to_date(carrier, 'YYYY TZ')") ==
        "pattern \"TZ\" is not supported at column 18\n"
        "  to_date(carrier, 'YYYY TZ')\n"
        "                   ^");
  auto first_line = [](const std::string& sql) {
    auto all = whole_error(sql);
    return all.substr(0, all.find('\n'));
  };
  CHECK(first_line("to_timestamp(carrier, 'OF')") ==
        "pattern \"OF\" is not supported where text is read at column 23");
  CHECK(first_line("to_char(dep_delay, '9.9.9')") == "multiple decimal points at column 20");
  CHECK(first_line("to_char(dep_delay * interval '1 min', 'M' || 'onth')") ==
        "pattern \"Month\" is not for intervals, which are not tied to dates of the calendar at "
        "column 43");
  CHECK(first_line("format('%s %d', carrier, 1)") ==
        "unrecognized format() type specifier \"d\" at column 8");
  CHECK(first_line("format('%2$s', carrier)") == "too few arguments for format() at column 8");
  // What is not constant, or not reached, is an error of rows.
  CHECK(whole_error("to_char(dep_delay, carrier)") == "bound");
  CHECK(whole_error("format(carrier || '%', carrier)") == "bound");
  CHECK(first_line("age(to_timestamp(1))").substr(0, 45) ==
        "age() of one argument is not supported: it co");
}

TEST_CASE("what cannot be an expression is refused with the reason") {
  auto s = flights();
  CHECK(bind_error("", s) == "the expression is empty");
  CHECK(bind_error("1, 2", s).find("a list of expressions is not supported") == 0);
  CHECK(bind_error("1) FROM x WHERE (true", s).find("expected one scalar expression") == 0);
  CHECK(bind_error("now()", s).find("now() is not supported: a replay") == 0);
  CHECK(bind_error("current_date", s).find("current_date() is not supported: a replay") == 0);
  CHECK(bind_error("random()", s).find("random() is not supported") == 0);
  CHECK(bind_error("count(*)", s).find("an aggregate is not supported") == 0);
  CHECK(bind_error("sum(dep_delay)", s).find("aggregate function sum() is not allowed") == 0);
  CHECK(bind_error("(SELECT 1)", s).find("a subquery is not supported") == 0);
  CHECK(bind_error("$1", s).find("a parameter ($n) is not supported") == 0);
  CHECK(bind_error("carrier COLLATE \"C\"", s).find("COLLATE") == 0);
  CHECK(bind_error("dep_delay + carrier", s).find("operator does not exist: integer + text") == 0);
  std::string deep;
  for (int i = 0; i < 3000; ++i) deep += "-(dep_delay + ";
  deep += "1" + std::string(3000, ')');
  CHECK(!expr::bind(deep, s).ok());
}

TEST_CASE("negative and zero constants are read right") {
  CHECK(value_of("-5") == "-5");
  CHECK(value_of("- 5 + 0") == "-5");
  CHECK(value_of("0") == "0");
  CHECK(value_of("-(7)") == "-7");
  CHECK(value_of("- - 3") == "3");
}

TEST_CASE("bind_as casts where an assignment would") {
  auto s = flights();
  auto n = bind_as("dep_delay + 1", s, data_type(type_id::decimal, 2));
  REQUIRE(n.ok());
  CHECK((*n)->type == data_type(type_id::decimal, 2));
  CHECK(bind_as("dep_delay", s, type_id::string).ok());
  CHECK(bind_as("'2013-01-01'", s, type_id::date).ok());
  auto refused = bind_as("carrier", s, type_id::int32);
  REQUIRE(!refused.ok());
  CHECK(refused.err().message.find("write CAST(... AS int)") != std::string::npos);
}

TEST_CASE("trees: SQL text, columns, renaming") {
  auto s = flights();
  auto n = expr::bind("dep_delay > 15 AND carrier IN ('AA', 'UA')", s);
  REQUIRE(n.ok());
  CHECK(to_sql(**n, s) == "((dep_delay > 15) AND (carrier IN ('AA', 'UA')))");
  CHECK(columns_of(**n) == std::vector<uint32_t>{0, 1});
  auto swapped = remap_columns(*n, {1, 0});
  schema other;
  other.fields = {s.fields[1], s.fields[0]};
  CHECK(to_sql(*swapped, other) == to_sql(**n, s));
  // A tree that does not fit its schema is refused when it is compiled.
  auto p = program::compile({swapped}, std::make_shared<schema>(s));
  CHECK(!p.ok());
}
