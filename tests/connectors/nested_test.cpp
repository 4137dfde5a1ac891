// Lists and structs in the formats: PostgreSQL's texts in CSV, arrays and objects in JSON.
#include <doctest/doctest.h>

#include "runtime/column/builder.hpp"
#include "runtime/connectors/row_encoder.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;
using lines = std::vector<std::string>;

namespace {

schema_ptr typed(std::vector<std::pair<std::string, std::string>> fields) {
  auto s = std::make_shared<schema>();
  for (auto& [name, type] : fields) s->fields.push_back({name, *parse_type(type), true});
  return s;
}

lines read_as(const std::string& name, std::string_view text, schema_ptr columns,
              option_map options = {}, error_policy on_error = error_policy::fail) {
  temporary_folder dir;
  environment env;
  write_file(dir / name, text);
  auto spec = file_source(dir / name, std::move(columns), std::move(options));
  spec.on_error = on_error;
  auto r = read_all(env, spec);
  if (!r) return {"error: " + r.err().message.substr(r.err().message.find(name))};
  return *r;
}

const auto both =
    typed({{"id", "int"}, {"l", "text[]"}, {"s", "struct(x int, y struct(z boolean)[])"}});

}  // namespace

TEST_CASE("CSV reads array and record literals") {
  CHECK(read_as("t.csv",
                "1,\"{a,NULL,\"\"b c\"\"}\",\"(5,\"\"{(t),(f)}\"\")\"\n"
                "2,{},\n"
                ",,\"(,)\"\n",
                both) ==
        lines{R"~(1|{a,NULL,"b c"}|(5,"{(t),(f)}"))~", "2|{}|NULL", "NULL|NULL|(,)"});
  CHECK(read_as("t.csv", "1,{a,\n", both)[0].find("error:") == 0);
  CHECK(read_as("t.csv", "1,{},\n1,{a},\"(x,{})\"\n", both) ==
        lines{"error: t.csv:2: column s: '(x,{})' is not a valid struct(x int, y struct(z "
              "boolean)[])"});
  CHECK(read_as("t.csv", "1,{},\n1,\"{{a}}\",\n", both) ==
        lines{"error: t.csv:2: column l: '{{a}}' is not a valid text[]"});
  CHECK(read_as("t.csv", "1,\"{\xFF}\",\n", both)[0].find("column l") != std::string::npos);
  // A bad row leaves nothing behind in the columns of the good ones.
  CHECK(read_as("t.csv", "1,{a},\"(1,{})\"\nx,{b},\"(2,{})\"\n3,{c},\"(y,{})\"\n4,{d},\"(4,{})\"\n",
                both, {}, error_policy::skip) == lines{"1|{a}|(1,{})", "4|{d}|(4,{})"});
}

TEST_CASE("JSON reads arrays and objects") {
  option_map json{{"format", "json"}};
  CHECK(read_as(
            "t.json",
            R"({"id": 1, "l": ["a", null, "b\nc"], "s": {"y": [{"z": true, "more": [1]}], "x": 7}})"
            "\n"
            R"({"s": {}, "l": []})"
            "\n"
            R"({"id": 3, "s": null})"
            "\n",
            both,
            json) == lines{"1|{a,NULL,\"b\nc\"}|(7,\"{(t)}\")", "NULL|{}|(,)", "3|NULL|NULL"});
  auto bad = [&](std::string_view text) { return read_as("t.json", text, both, json)[0]; };
  CHECK(bad(R"({"l": "a"})") == "error: t.json:1: column l: a string where text[] is expected");
  CHECK(bad(R"({"l": ["a", 1]})") ==
        "error: t.json:1: column l[2]: a number where text is expected");
  CHECK(bad(R"({"s": {"y": [{}, {"z": 0}]}})") ==
        "error: t.json:1: column s.y[2].z: a number where boolean is expected");
  CHECK(bad(R"({"s": {"x": 1, "x": 2}})") ==
        "error: t.json:1: column s.x: the member occurs more than once");
  CHECK(bad(R"({"s": {"x": 99999999999}})") ==
        "error: t.json:1: column s.x: '99999999999' is not a valid int");
  CHECK(bad(R"({"s": [1]})").find("column s: an array where struct(") != std::string::npos);
  CHECK(bad(R"({"l": ["a", })").find("error: t.json:1") == 0);
  CHECK(read_as("t.json", "{\"l\": [\"a\"]}\n{\"l\": [1]}\n{\"l\": [\"c\"]}\n", both, json,
                error_policy::skip) == lines{"NULL|{a}|NULL", "NULL|{c}|NULL"});
  const auto kinds = typed({{"v",
                             "struct(a bigint, b double precision, c decimal(38,2), d date, e "
                             "timestamp, f bytea, g json, h interval)[]"}});
  CHECK(
      read_as(
          "t.json",
          R"({"v": [{"a": 5000000000, "b": 1.5e3, "c": 2.345, "d": "2024-02-29", "e": "2024-02-29T10:00:00Z",)"
          R"( "f": "\\x01ff", "g": {"k": [1, 2]}, "h": "1 day"}, null]})",
          kinds, json) ==
      lines{
          R"~({"(5000000000,1500,2.35,2024-02-29,\"2024-02-29 10:00:00\",\"\\\\x01ff\",\"{\"\"k\"\": [1, 2]}\",\"1 day\")",NULL})~"});
}

TEST_CASE("what the encoders write reads back the same") {
  memory_pool pool;
  auto b =
      *batch_from_text(both,
                       {{"1", R"~({a,NULL,"b,c","q\"\\","NULL",""})~", R"~((5,"{(t),NULL}"))~"},
                        {"2", "{}", "(,)"},
                        {"NULL", "NULL", "NULL"}},
                       pool);
  const auto expected = [&] {
    lines out;
    append_rows(out, *b);
    return out;
  }();
  for (const char* format : {"csv", "json"}) {
    sink_spec spec;
    spec.columns = both;
    spec.options = {{"format", format}};
    auto encoder = row_encoder::of(spec);
    REQUIRE(encoder.ok());
    std::string text;
    for (uint32_t i = 0; i < b->rows; ++i) encoder->row(text, *b, i, 0);
    CAPTURE(text);
    CHECK(read_as("back", text, both, {{"format", format}}) == expected);
    if (format == std::string("json"))
      CHECK(text.substr(0, text.find('\n')) ==
            R"({"id":1,"l":["a",null,"b,c","q\"\\","NULL",""],"s":{"x":5,"y":[{"z":true},null]}})");
  }
}
