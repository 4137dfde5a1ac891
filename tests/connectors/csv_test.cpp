#include <doctest/doctest.h>

#include "support.hpp"

using namespace weir;
using namespace weir::test;
using rows = std::vector<std::string>;

namespace {

const auto text3 =
    schema_of({{"a", type_id::string}, {"b", type_id::string}, {"c", type_id::string}});

rows read_text(std::string_view text, schema_ptr columns = text3, option_map options = {}) {
  temporary_folder dir;
  environment env;
  write_file(dir / "t.csv", text);
  auto r = read_all(env, file_source(dir / "t.csv", std::move(columns), std::move(options)));
  if (!r) return {"error: " + r.err().message.substr(r.err().message.find("t.csv"))};
  return *r;
}

}  // namespace

TEST_CASE("CSV: RFC 4180 and what PostgreSQL's COPY makes of the rest") {
  struct {
    const char* text;
    rows expected;
  } table[] = {
      {"1,2,3\n", {"1|2|3"}},
      {"1,2,3", {"1|2|3"}},
      {"1,2,3\r\n4,5,6\r\n", {"1|2|3", "4|5|6"}},
      {"\"a\",\"b,c\",\"d\"\"e\"\n", {"a|b,c|d\"e"}},
      {"\"line 1\nline 2\",x,\"\r\n\"\n1,2,3\n", {"line 1\nline 2|x|\r\n", "1|2|3"}},
      {",,\n", {"NULL|NULL|NULL"}},
      {"\"\",x,\"\"\n", {"|x|"}},
      {"\"\",\"\",\"\"\r\n", {"||"}},
      {" a , b ,c \n", {" a | b |c "}},
      {"x\"y,z\"w,1,2\n", {"xy,zw|1|2"}},
      {"1,2,3\n\n4,5,6\n\r\n", {"1|2|3", "4|5|6"}},
      {"\xEF\xBB\xBF"
       "1,2,3\n",
       {"1|2|3"}},
      {"", {}},
      {"\n", {}},
      {"h\xC3\xA9,\xE2\x82\xAC,3\n", {"h\xC3\xA9|\xE2\x82\xAC|3"}},
      {"1,2\n",
       {"error: t.csv:1: expected 3 fields, found 2; if this is a header line, set header = true"}},
      {"1,2,3\n1,2,3,4\n", {"error: t.csv:2: expected 3 fields, found 4"}},
      {"1,2,3\n1,\"2,3\n", {"error: t.csv:2: a quoted field is not closed; is a quote missing?"}},
      {"1,\"\n\",3\n1,\xFF,3\n", {"error: t.csv:3: column b: the text is not valid UTF-8"}},
  };
  for (const auto& t : table) {
    CAPTURE(t.text);
    CHECK(read_text(t.text) == t.expected);
  }
}

TEST_CASE("CSV: header by name, unused columns, delimiter and null_text") {
  auto two = schema_of({{"n", type_id::int32}, {"s", type_id::string}});
  option_map header{{"header", "true"}};
  CHECK(read_text("s,x,n\r\nhi,9,1\r\nho,bad,2\r\n", two, header) == rows{"1|hi", "2|ho"});
  CHECK(read_text("\xEF\xBB\xBF\"s\",\"n\"\na,1\n", two, header) == rows{"1|a"});
  CHECK(read_text("s,x,n\n", two, header) == rows{});
  CHECK(read_text("s;n\nNA;NA\n\"NA\";\"3\"\n", two,
                  {{"header", "true"}, {"delimiter", ";"}, {"null_text", "NA"}}) ==
        rows{"NULL|NULL", "3|NA"});
  CHECK(read_text("s\tn\n\t7\n", two,
                  {{"header", "1"}, {"delimiter", "\\t"}, {"null_text", "-"}}) == rows{"7|"});
  CHECK(read_text("s,m\na,1\n", two, header) ==
        rows{"error: t.csv: the header has no column n; did you mean \"s\"? (it has s, m)"});
  CHECK(read_text("s,n,n\na,1,1\n", two, header) ==
        rows{"error: t.csv: the header names column n more than once"});
  // Without a header places are those of the declared columns.
  temporary_folder dir;
  environment env;
  write_file(dir / "t.csv", "1,2,3\n4,5,6\n");
  auto spec = file_source(dir / "t.csv", schema_of({{"c", type_id::int32}}));
  spec.table_columns = {"a", "b", "c"};
  CHECK(*read_all(env, spec) == rows{"3", "6"});
}

TEST_CASE("CSV: every type, its fast and its slow way") {
  auto all = schema_of({{"b", type_id::boolean},
                        {"i", type_id::int32},
                        {"l", type_id::int64},
                        {"f", type_id::float64},
                        {"d", type_id::decimal},
                        {"y", type_id::bytes},
                        {"dt", type_id::date},
                        {"ts", type_id::timestamp},
                        {"iv", type_id::interval},
                        {"j", type_id::json}});
  CHECK(read_text("true,-2147483648,9223372036854775807,1.5e3,12.345,\\x00ff,2013-01-01,"
                  "2013-01-01T10:00:00Z,1 day,{}\n"
                  "f,+5,-12345678,12345678,7,\\x,1969-12-31,\"2013-01-01 23:59:59.25\",01:00:00,"
                  "\"{\"\"a\"\": [1,2]}\"\n"
                  "\"1\",\"00000007\",-0,\"-0.25\",-1.005,\\xAB,2000-02-29,2013-01-01 10:00:00+02,"
                  "-3 mons,7\n",
                  all) ==
        rows{"true|-2147483648|9223372036854775807|1500|12.35|\\x00ff|2013-01-01|"
             "2013-01-01 10:00:00|1 day|{}",
             "false|5|-12345678|12345678|7.00|\\x|1969-12-31|2013-01-01 23:59:59.25|01:00:00|"
             "{\"a\": [1,2]}",
             "true|7|0|-0.25|-1.01|\\xab|2000-02-29|2013-01-01 08:00:00|-3 mons|7"});
  auto number = schema_of({{"n", type_id::int32}});
  for (std::string bad :
       {"x", "1.0", "2147483648", "-", "1 2", " ", "12345678901234567890", "1e3", "1-2"})
    CHECK(read_text("7\n" + bad + "\n", number) ==
          rows{"error: t.csv:2: column n: '" + bad + "' is not a valid int"});
  CHECK(read_text("\"\"\n", number)[0].find("'' is not a valid int") != std::string::npos);
  auto time = schema_of({{"t", type_id::timestamp}});
  for (std::string bad :
       {"2013-02-30 00:00:00", "2013-01-01 24:00:01", "2013-01-01 1x:00:00", "2013-01-01 10:61:00"})
    CHECK(read_text(bad + "\n", time)[0].find("is not a valid timestamp") != std::string::npos);
}

TEST_CASE("CSV: what the fast ways refuse is read as a cast reads it") {
  auto all = schema_of({{"b", type_id::boolean},
                        {"i", type_id::int32},
                        {"l", type_id::int64},
                        {"f", type_id::float64},
                        {"d", type_id::decimal},
                        {"dt", type_id::date},
                        {"ts", type_id::timestamp},
                        {"iv", type_id::interval},
                        {"s", type_id::string}});
  CHECK(read_text(" tru, 2, 3 ,\t1.5 , 3.5 ,2024-01-01T10:00:00, 2024-01-02 03:04:05 , 1 day , x \n"
                  "\" off \",\" 7\",\"8 \",\" -1\",\" 2\",20240103,2024/01/04 05:06,\" 2 day\n\","
                  "\" y\"\n",
                  all) == rows{"true|2|3|1.5|3.50|2024-01-01|2024-01-02 03:04:05|1 day| x ",
                               "false|7|8|-1|2.00|2024-01-03|2024-01-04 05:06:00|2 days| y"});
  auto date = schema_of({{"d", type_id::date}});
  CHECK(read_text("2024-02-30T10:00:00\n", date)[0].find("is not a valid date") !=
        std::string::npos);
}

TEST_CASE("CSV: blanks around the names of a header") {
  auto two = schema_of({{"a", type_id::int32}, {"b", type_id::int32}});
  option_map header{{"header", "true"}};
  CHECK(read_text("b , a\n1, 2\n", two, header) == rows{"2|1"});
  CHECK(read_text("a,b, b\n1,2,3\n", two, header) == rows{"1|2"});
  CHECK(read_text("a,b , b\n1,2,3\n", two, header) ==
        rows{"error: t.csv: the header names column b more than once"});
}

TEST_CASE("raw: one column per line") {
  auto lines = schema_of({{"line", type_id::string}});
  CHECK(read_text("a b\r\n\n\"x,\nlast", lines, {{"format", "raw"}}) ==
        rows{"a b", "", "\"x,", "last"});
  CHECK(read_text("a\r\nb", schema_of({{"line", type_id::bytes}}), {{"format", "raw"}}) ==
        rows{"\\x610d", "\\x62"});
  CHECK(read_text("ok\n\xFF\n", lines, {{"format", "raw"}})[0].find("t.csv:2") !=
        std::string::npos);
}

TEST_CASE("JSON lines") {
  auto s = schema_of({{"a", type_id::int32},
                      {"b", type_id::string},
                      {"c", type_id::json},
                      {"d", type_id::decimal},
                      {"t", type_id::timestamp},
                      {"f", type_id::float64}});
  auto read = [&](std::string_view text) { return read_text(text, s, {{"format", "json"}}); };
  CHECK(read("{\"a\":1,\"b\":\"x\\ny\\u00e9\",\"c\":{\"k\":[1, 2]},\"d\":1.255,"
             "\"t\":\"2013-01-01 10:00:00\",\"f\":-2e3}\n\n"
             "{\"zz\":[{}],\"b\":null}\r\n  {\"c\":7 , \"a\":-3,\"d\":12}\n{\"c\":\"s\"}") ==
        rows{"1|x\ny\xC3\xA9|{\"k\":[1, 2]}|1.26|2013-01-01 10:00:00|-2000",
             "NULL|NULL|NULL|NULL|NULL|NULL", "-3|NULL|7|12.00|NULL|NULL",
             "NULL|NULL|\"s\"|NULL|NULL|NULL"});
  struct {
    const char *text, *message;
  } bad[] = {
      {"{\"a\":\"1\"}", "column a: a string where int is expected"},
      {"{\"a\":1.5}", "column a: '1.5' is not a valid int"},
      {"{\"a\":3000000000}", "column a: '3000000000' is not a valid int"},
      {"{\"b\":1}", "column b: a number where text is expected"},
      {"{\"a\":[1]}", "column a: an array where int is expected"},
      {"{\"t\":\"today\"}", "column t: 'today' is not a valid timestamp"},
      {"{\"a\":1,\"a\":2}", "member \"a\" occurs more than once"},
      {"{\"a\":1} x", "not a valid JSON object"},
      {"{\"a\":1}{\"a\":2}", "text follows the JSON object"},
      {"[1]", "not a valid JSON object"},
      {"{\"a\":1", "not a valid JSON object"},
      {"nonsense", "not a valid JSON object"},
      {"{\"d\":tru}", "column d: a boolean where decimal(38,2) is expected"},
  };
  for (const auto& t : bad) {
    CAPTURE(t.text);
    auto got = read(std::string("{\"a\":1}\n") + t.text + "\n");
    CAPTURE(got[0]);
    CHECK(got[0].find(std::string("t.csv:2: ") + t.message) != std::string::npos);
  }
}
