// Text forms of every type against a table, and that parsers are the formatters' inverse.
#include "runtime/column/text.hpp"

#include <doctest/doctest.h>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "runtime/base/nearest.hpp"
#include "runtime/column/calendar.hpp"

using namespace weir;

namespace {

std::string text_of(const char* type, const char* value) {
  auto v = parse_scalar(value, *parse_type(type));
  return v ? to_text(*v) : "error: " + v.err().message;
}
bool refused(const char* type, std::string_view value) {
  return !parse_scalar(value, *parse_type(type)).ok();
}
std::string float_text(double d) {
  return to_text(scalar::of_double(d));
}

}  // namespace

TEST_CASE("type names") {
  for (const char* n : {"boolean", "int", "bigint", "double precision", "decimal(38,2)", "text",
                        "bytea", "date", "timestamp", "interval", "json", "text[]", "int[][]",
                        "struct(a int, b text[])", "struct(\"B c\" decimal(38,0))"}) {
    auto t = parse_type(n);
    REQUIRE_MESSAGE(t.ok(), n);
    CHECK(to_string(*t) == n);
    CHECK(*parse_type(to_string(*t)) == *t);
  }
  CHECK(to_string(*parse_type("INT4")) == "int");
  CHECK(to_string(*parse_type("Double  Precision")) == "double precision");
  CHECK(to_string(*parse_type("numeric( 10 , 3 )")) == "decimal(38,3)");
  CHECK(to_string(*parse_type("numeric(5)")) == "decimal(38,0)");
  CHECK(to_string(*parse_type("timestamp without time zone")) == "timestamp");
  CHECK(to_string(*parse_type("float8")) == "double precision");
  CHECK(parse_type("bigintt").err().message ==
        "unknown type \"bigintt\"; did you mean \"bigint\"?");
  CHECK(parse_type("numeric").err().code == errc::unsupported);
  CHECK(parse_type("varchar(20)").err().code == errc::unsupported);
  CHECK(parse_type("timestamptz").err().code == errc::unsupported);
  CHECK(parse_type("decimal(39,2)").err().code == errc::invalid_argument);
  CHECK(!parse_type("").ok());
  CHECK(!parse_type("struct()").ok());
  CHECK(!parse_type("struct(a)").ok());
  CHECK(!parse_type(std::string("int") +
                    [] {
                      std::string s;
                      for (int i = 0; i < 100; ++i) s += "[]";
                      return s;
                    }())
             .ok());
}

TEST_CASE("schema find and equality") {
  schema s{{{"a", type_id::int32}, {"b", type_id::string}}, std::nullopt};
  CHECK(s.find("b") == 1u);
  CHECK(!s.find("B"));
  CHECK(!s.find("c"));
  schema t = s;
  CHECK(s == t);
  t.event_time = 0;
  CHECK(!(s == t));
  CHECK(data_type(type_id::decimal, 2) == data_type(type_id::decimal, 2));
  CHECK(!(data_type(type_id::decimal, 2) == data_type(type_id::decimal, 3)));
}

TEST_CASE("nearest names") {
  const std::string_view names[] = {"null_text", "header", "delimiter", "watermark_delay"};
  CHECK(nearest_name("nul_text", names) == "null_text");
  CHECK(nearest_name("delimeter", names) == "delimiter");
  CHECK(nearest_name("HEADER", names) == "header");
  CHECK(nearest_name("ehader", names) == "header");
  CHECK(nearest_name("zzz", names).empty());
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(nearest_hint("hedaer", names) == "; did you mean \"header\"?");
}

TEST_CASE("integers") {
  CHECK(text_of("bigint", "0") == "0");
  CHECK(text_of("bigint", "-0") == "0");
  CHECK(text_of("bigint", "+7") == "7");
  CHECK(text_of("bigint", "9223372036854775807") == "9223372036854775807");
  CHECK(text_of("bigint", "-9223372036854775808") == "-9223372036854775808");
  CHECK(text_of("bigint", "0000000000000000000000012") == "12");
  CHECK(text_of("int", "2147483647") == "2147483647");
  CHECK(text_of("int", "-2147483648") == "-2147483648");
  for (const char* bad : {"", "-", "+", "1 ", " 1", "1.0", "12a", "a", "--1", "1234567x",
                          "12345678x", "9223372036854775808", "-9223372036854775809",
                          "99999999999999999999", "123456789012345678901"})
    CHECK_MESSAGE(refused("bigint", bad), bad);
  CHECK(refused("int", "2147483648"));
  CHECK(refused("int", "-2147483649"));
}

TEST_CASE("integers: every length, both signs") {
  char p[64];
  int64_t v = 1;
  for (int digits = 1; digits <= 18; ++digits, v = v * 10 + digits % 10)
    for (int64_t x : {v, -v, v - 1, v * 10 - 1, v * 10, v * 10 + 1}) {
      std::string s(p, static_cast<size_t>(format_int64(p, x) - p));
      CHECK(s == std::to_string(x));
      CHECK(parse_int64(s) == x);
    }
}

TEST_CASE("booleans") {
  for (const char* t : {"true", "T", "yes", "y", "ON", "1"}) CHECK(text_of("bool", t) == "true");
  for (const char* f : {"false", "F", "No", "n", "off", "0"}) CHECK(text_of("bool", f) == "false");
  for (const char* bad : {"", "tru", "2", "truee", "falsee", " t"}) CHECK(refused("bool", bad));
}

TEST_CASE("float64 has PostgreSQL's shortest text") {
  CHECK(float_text(0) == "0");
  CHECK(float_text(-0.0) == "-0");
  CHECK(float_text(1) == "1");
  CHECK(float_text(0.1) == "0.1");
  CHECK(float_text(-2.5) == "-2.5");
  CHECK(float_text(123456.789) == "123456.789");
  CHECK(float_text(100) == "100");
  CHECK(float_text(1e14) == "100000000000000");
  CHECK(float_text(123456789012345.0) == "123456789012345");
  CHECK(float_text(1e15) == "1e+15");
  CHECK(float_text(1.5e20) == "1.5e+20");
  CHECK(float_text(1e100) == "1e+100");
  CHECK(float_text(0.0001) == "0.0001");
  CHECK(float_text(0.000125) == "0.000125");
  CHECK(float_text(0.00001) == "1e-05");
  CHECK(float_text(5e-324) == "5e-324");
  CHECK(float_text(1.7976931348623157e308) == "1.7976931348623157e+308");
  CHECK(float_text(12345678.9) == "12345678.9");
  CHECK(float_text(99999999999999.9) == "99999999999999.9");
  CHECK(float_text(1.0 / 3) == "0.3333333333333333");
  CHECK(float_text(HUGE_VAL) == "Infinity");
  CHECK(float_text(-HUGE_VAL) == "-Infinity");
  CHECK(float_text(std::nan("")) == "NaN");
  for (const char* s : {"Infinity", "-Infinity", "NaN"}) CHECK(text_of("float8", s) == s);
  CHECK(text_of("float8", "+1.50") == "1.5");
  CHECK(text_of("float8", "inf") == "Infinity");
  CHECK(text_of("float8", "0e99999") == "0");
  for (const char* bad : {"", "+", "-", ".", "1e400", "-1e400", "1e-400", "1.5x", " 1", "0x10",
                          "+-1", "infinit", "nanx", "1e", "--1"})
    CHECK_MESSAGE(refused("float8", bad), bad);
}

TEST_CASE("float64 reads back") {
  std::mt19937_64 random(7);
  char p[64];
  for (int i = 0; i < 20000; ++i) {
    uint64_t bits = random();
    double d;
    std::memcpy(&d, &bits, sizeof d);
    if (i % 2) d = static_cast<double>(static_cast<int64_t>(bits) >> (i % 60)) / 1000;
    if (!std::isfinite(d)) continue;
    char* end = format_float64(p, d);
    CHECK(end - p <= static_cast<ptrdiff_t>(float64_chars_max));
    CHECK(parse_float64({p, static_cast<size_t>(end - p)}) == d);
  }
}

TEST_CASE("decimals") {
  CHECK(text_of("decimal(38,2)", "1.5") == "1.50");
  CHECK(text_of("decimal(38,2)", "-0.004") == "0.00");
  CHECK(text_of("decimal(38,2)", "0.005") == "0.01");
  CHECK(text_of("decimal(38,2)", "-0.005") == "-0.01");
  CHECK(text_of("decimal(38,2)", "1e3") == "1000.00");
  CHECK(text_of("decimal(38,2)", "1.25E-1") == "0.13");
  CHECK(text_of("decimal(38,0)", "99999999999999999999999999999999999999") ==
        "99999999999999999999999999999999999999");
  CHECK(text_of("decimal(38,0)", "-99999999999999999999999999999999999999") ==
        "-99999999999999999999999999999999999999");
  CHECK(text_of("decimal(38,38)", "0.00000000000000000000000000000000000001") ==
        "0.00000000000000000000000000000000000001");
  CHECK(text_of("decimal(38,0)", "12345678901234567890123456789012345678.4") ==
        "12345678901234567890123456789012345678");
  CHECK(text_of("decimal(38,0)", "12345678901234567890123456789012345678.5") ==
        "12345678901234567890123456789012345679");
  CHECK(text_of("decimal(38,3)", "1e-60") == "0.000");
  CHECK(text_of("decimal(38,3)", "0e60") == "0.000");
  CHECK(text_of("decimal(38,1)", ".5") == "0.5");
  CHECK(text_of("decimal(38,1)", "5.") == "5.0");
  CHECK(refused("decimal(38,0)", "100000000000000000000000000000000000000"));
  CHECK(refused("decimal(38,0)", "99999999999999999999999999999999999999.5"));
  CHECK(refused("decimal(38,1)", "99999999999999999999999999999999999999"));
  for (const char* bad : {"", ".", "-", "1e", "1e+-2", "1.2.3", "NaN", "1 ", "e5", "1e999999999"})
    CHECK_MESSAGE(refused("decimal(38,2)", bad), bad);
  auto d = parse_decimal("-12.340");
  REQUIRE(d);
  CHECK(d->scale == 3);
  CHECK(static_cast<int64_t>(d->value) == -12340);
  CHECK(parse_decimal("1e3")->scale == 0);
  CHECK(static_cast<int64_t>(parse_decimal("1e3")->value) == 1000);
}

TEST_CASE("dates") {
  for (const char* s : {"2013-01-01", "1970-01-01", "1969-12-31", "2000-02-29", "0001-01-01",
                        "9999-12-31", "12345-06-07", "0001-12-31 BC", "0044-03-15 BC"})
    CHECK(text_of("date", s) == s);
  CHECK(parse_date("1970-01-01") == 0);
  CHECK(parse_date("2013-1-2") == parse_date("2013-01-02"));
  CHECK(parse_date("0001-01-01") == -719162);
  CHECK(parse_date("0001-12-31 BC") == -719163);
  for (const char* bad :
       {"", "2013", "2013-01", "2013-00-01", "2013-13-01", "2013-02-29", "1900-02-29", "2013-01-32",
        "2013-01-00", "13-01-01", "2013-01-01 ", "2013/01/01", "0000-01-01", "0000-01-01 BC",
        "2013-01-01x", "9999999-01-01"})
    CHECK_MESSAGE(refused("date", bad), bad);
  char p[64];
  for (int64_t d : {int64_t{INT32_MIN}, int64_t{INT32_MAX}, int64_t{-719163}, int64_t{0}})
    CHECK(parse_date({p, static_cast<size_t>(format_date(p, static_cast<int32_t>(d)) - p)}) == d);
  for (int32_t d = -800000; d < 800000; d += 37) {
    auto c = civil_from_days(d);
    CHECK(days_from_civil(c.year, c.month, c.day) == d);
  }
}

TEST_CASE("timestamps") {
  for (const char* s :
       {"2013-01-01 10:00:00", "1969-12-31 23:59:59.999999", "2013-01-01 00:00:00.5",
        "2013-12-31 23:59:59", "0001-01-01 00:00:00", "99999-01-01 01:02:03.000004",
        "0044-03-15 12:00:00 BC", "2000-02-29 00:00:00"})
    CHECK(text_of("timestamp", s) == s);
  CHECK(text_of("timestamp", "2013-01-01T10:00:00Z") == "2013-01-01 10:00:00");
  CHECK(text_of("timestamp", "2013-01-01T10:00:00.25Z") == "2013-01-01 10:00:00.25");
  CHECK(text_of("timestamp", "2013-01-01 10:00:00+02") == "2013-01-01 08:00:00");
  CHECK(text_of("timestamp", "2013-01-01 10:00:00.5 -0530") == "2013-01-01 15:30:00.5");
  CHECK(text_of("timestamp", "2013-01-01T10:00:00+02:00") == "2013-01-01 08:00:00");
  CHECK(text_of("timestamp", "2013-01-01 10:00") == "2013-01-01 10:00:00");
  CHECK(text_of("timestamp", "2013-01-01") == "2013-01-01 00:00:00");
  CHECK(text_of("timestamp", "2013-1-1 1:02:03") == "2013-01-01 01:02:03");
  CHECK(text_of("timestamp", "2013-01-01 24:00:00") == "2013-01-02 00:00:00");
  CHECK(text_of("timestamp", "2013-01-01 10:59:60") == "2013-01-01 11:00:00");
  CHECK(text_of("timestamp", "2013-01-01 00:00:00.1234567") == "2013-01-01 00:00:00.123457");
  CHECK(text_of("timestamp", "2013-01-01 00:00:00.9999995") == "2013-01-01 00:00:01");
  for (const char* bad : {"",
                          "x",
                          "2013-01-01 ",
                          "2013-01-01 10",
                          "2013-01-01 25:00:00",
                          "2013-01-01 10:60:00",
                          "2013-01-01 10:00:61",
                          "2013-02-30 10:00:00",
                          "2013-01-01 10:00:00x",
                          "2013-01-01_10:00:00",
                          "2013-01-01 10:00:00.",
                          "2013-01-01 10:00:00+",
                          "2013-01-01 10:00:00+2",
                          "0000-01-01 00:00:00",
                          "2013-01-01 24:00:01",
                          "infinity",
                          "2013-13-01 10:00:00",
                          "2013-01-01 10:00:00.5x",
                          "2013-01-01 10:00:00Zx",
                          "9999999-01-01 00:00:00",
                          "2013-0a-01 10:00:00"})
    CHECK_MESSAGE(refused("timestamp", bad), bad);
  char p[64];
  for (int64_t us : {INT64_MIN + 1, INT64_MIN + 2, INT64_MAX - 1})
    CHECK(parse_timestamp({p, static_cast<size_t>(format_timestamp(p, us) - p)}) == us);
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    auto us = static_cast<int64_t>(random()) >> (i % 24);
    char* end = format_timestamp(p, us);
    CHECK(end - p <= static_cast<ptrdiff_t>(timestamp_chars_max));
    CHECK(parse_timestamp({p, static_cast<size_t>(end - p)}) == us);
  }
}

TEST_CASE("intervals have PostgreSQL's text") {
  const std::pair<const char*, const char*> table[] = {
      {"1 minute", "00:01:00"},
      {"1 day", "1 day"},
      {"-1 day", "-1 days"},
      {"0", "00:00:00"},
      {"1 year 2 months -3 days 04:05:06.7", "1 year 2 mons -3 days +04:05:06.7"},
      {"-1 mon", "-1 mons"},
      {"1-2", "1 year 2 mons"},
      {"-1-2", "-1 years -2 mons"},
      {"1 02:03:04", "1 day 02:03:04"},
      {"2 hours ago", "-02:00:00"},
      {"1.5 hours", "01:30:00"},
      {"1.5 days", "1 day 12:00:00"},
      {"1.5 months", "1 mon 15 days"},
      {"1.5 years", "1 year 6 mons"},
      {"1 week", "7 days"},
      {"100:00:00", "100:00:00"},
      {"-00:00:01.5", "-00:00:01.5"},
      {"90", "00:01:30"},
      {"1.5", "00:00:01.5"},
      {"5 ms", "00:00:00.005"},
      {"1 h 30 m", "01:30:00"},
      {"1h30m", "01:30:00"},
      {"P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"},
      {"PT-5M", "-00:05:00"},
      {"P2W", "14 days"},
      {"@ 1 minute", "00:01:00"},
      {"1 century", "100 years"},
      {"+1 day -1 hour", "1 day -01:00:00"},
      {"0.7 months", "21 days"},
      {"1.3 years", "1 year 4 mons"},
      {"2.5 weeks", "17 days 12:00:00"},
      {"-1.5 months", "-1 mons -15 days"},
      {"1 day 12", "1 day 00:00:12"},
      {"1.25 centuries", "125 years"},
      {"-1 02:03:04", "-1 days +02:03:04"},
      {"1.5 12:00", "1 day 24:00:00"},
      {"-1-2 3", "-1 years -2 mons +00:00:03"},
      {"0.1 days", "02:24:00"},
      {"-1 day +1 hour", "-1 days +01:00:00"},
  };
  for (const auto& [in, out] : table) CHECK(text_of("interval", in) == out);
  for (const char* bad :
       {"", "x", "1 x", "day", "1 day x", "1:2:3:4", "P", "P1", "1 2", "ago", "5 ago",
        "99999999999999999999 days", "1:99", "-", "P1H", "3000000000 days"})
    CHECK_MESSAGE(refused("interval", bad), bad);
}

TEST_CASE("bytes and json") {
  CHECK(text_of("bytea", "\\x00ffA1") == "\\x00ffa1");
  CHECK(text_of("bytea", "\\x") == "\\x");
  for (const char* bad : {"", "x", "\\x0", "\\x0g", "00"}) CHECK(refused("bytea", bad));
  CHECK(text_of("json", "{\"a\": [1, null]}") == "{\"a\": [1, null]}");
  for (const char* bad : {"", "{", "[1,]", "nul"}) CHECK(refused("json", bad));
  CHECK(parse_scalar("1x", type_id::int32).err().message == "\"1x\" is not a valid int");
}
