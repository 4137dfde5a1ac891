#include "runtime/column/nested.hpp"

#include <doctest/doctest.h>

#include "runtime/column/codec.hpp"
#include "tests/column/random_batch.hpp"

using namespace weir;
using namespace weir::test;

namespace {

data_type type_of(const char* name) {
  return *parse_type(name);
}
std::string text_of(const char* type, const char* text) {
  auto v = parse_scalar(text, type_of(type));
  if (!v) return v.err().message;
  return to_text(*v);
}
std::string json_of(const char* type, const char* text) {
  memory_pool pool;
  std::string out;
  append_json(out, *constant_column(*parse_scalar(text, type_of(type)), 1, pool), 0);
  return out;
}
std::string stored(const column& c, uint32_t row) {
  std::string s;
  append_stored_part(s, c, row);
  return s;
}
int sign(int v) {
  return v < 0 ? -1 : v > 0;
}
// A list of lists has a text that does not read back; json need not be equal byte for byte.
bool has_text(const data_type& t) {
  if (t.id == type_id::list && t.fields->front().type.id == type_id::list) return false;
  if (t.fields)
    for (const auto& f : *t.fields)
      if (!has_text(f.type)) return false;
  return true;
}
// Intervals of equal length are equal values with different stored forms.
bool has_intervals(const data_type& t) {
  if (t.id == type_id::interval) return true;
  if (t.fields)
    for (const auto& f : *t.fields)
      if (has_intervals(f.type)) return true;
  return false;
}

}  // namespace

TEST_CASE("texts of lists are PostgreSQL's array literals") {
  CHECK(text_of("int[]", "{}") == "{}");
  CHECK(text_of("int[]", " { 1 , 2,NULL } ") == "{1,2,NULL}");
  CHECK(text_of("boolean[]", "{true,f,null}") == "{t,f,NULL}");
  CHECK(text_of("text[]", R"~({a, b c ,"a b","",NULL,"NULL","x,y","q\"q","b\\s","{}"})~") ==
        R"~({a,"b c","a b","",NULL,"NULL","x,y","q\"q","b\\s","{}"})~");
  CHECK(text_of("text[]", R"~({a\,b,\"})~") == R"~({"a,b","\""})~");
  CHECK(text_of("timestamp[]", "{2013-01-01 10:00:00}") == "{\"2013-01-01 10:00:00\"}");
  CHECK(text_of("bytea[]", R"~({"\\x01ff"})~") == R"~({"\\x01ff"})~");
  CHECK(text_of("decimal(38,2)[]", "{1,2.5}") == "{1.00,2.50}");
  CHECK(text_of("struct(a int, b text)[]", R"~({"(1,x)","(,\"a b\")",NULL})~") ==
        R"~({"(1,x)","(,\"a b\")",NULL})~");
}

TEST_CASE("texts of structs are PostgreSQL's record literals") {
  const char* pair = "struct(a int, b text)";
  CHECK(text_of(pair, "(1,x)") == "(1,x)");
  CHECK(text_of(pair, "(,)") == "(,)");
  CHECK(text_of(pair, R"~((1,""))~") == R"~((1,""))~");
  CHECK(text_of(pair, R"~((1,"a ""b"" \\c"))~") == R"~((1,"a ""b"" \\c"))~");
  CHECK(text_of(pair, "(1, x )") == R"~((1," x "))~");
  CHECK(text_of("struct(a int[], b boolean)", R"~(("{1,NULL}",true))~") == R"~(("{1,NULL}",t))~");
  CHECK(text_of("struct(a struct(b int, c int), d int)", R"~(("(1,2)",3))~") == R"~(("(1,2)",3))~");
}

TEST_CASE("texts that are none say what is wrong") {
  auto array = [](const char* text, const char* why) {
    CHECK(text_of("int[]", text) ==
          "malformed array literal: \"" + std::string(text) + "\": " + why);
  };
  array("1,2", "it must begin with \"{\"");
  array("{1,2", "the closing brace is missing");
  array("{1,,2}", "an element is missing");
  array("{1}x", "something follows the closing brace");
  array("{\"1", "a quote is not closed");
  array("{\"1\"2}", "something follows an element in quotes");
  CHECK(text_of("int[]", "{1,x}") == "\"x\" is not a valid int");
  CHECK(text_of("int[]", "{{1,2},{3,4}}") ==
        "arrays of several dimensions are not supported: \"{{1,2},{3,4}}\"");
  CHECK(text_of("int[]", "[2:3]={1,2}") ==
        "arrays with bounds of their own (\"[2:3]={1,2}\") are not supported: the first element is "
        "number 1");
  auto record = [](const char* text, const char* why) {
    CHECK(text_of("struct(a int, b int)", text) ==
          "malformed record literal: \"" + std::string(text) + "\": " + why);
  };
  record("(1)", "too few columns");
  record("(1,2,3)", "too many columns");
  record("1,2", "it must begin with \"(\"");
  record("(1,2", "the closing parenthesis is missing");
}

TEST_CASE("JSON of lists and structs") {
  CHECK(json_of("int[]", "{1,NULL}") == "[1,null]");
  CHECK(json_of("boolean[]", "{t,f}") == "[true,false]");
  CHECK(json_of("double precision[]", "{1.5,NaN,-Infinity}") == R"([1.5,"NaN","-Infinity"])");
  CHECK(json_of("text[]", R"({"a\"b",NULL})") == R"(["a\"b",null])");
  CHECK(json_of("struct(a int, b date[])", "(1,\"{2013-01-02}\")") ==
        R"({"a":1,"b":["2013-01-02"]})");
}

TEST_CASE("PostgreSQL's order of arrays and records") {
  memory_pool pool;
  auto order = [&](const char* type, const char* a, const char* b) {
    auto x = constant_column(*parse_scalar(a, type_of(type)), 1, pool);
    auto y = constant_column(*parse_scalar(b, type_of(type)), 1, pool);
    const int c = compare_values(*x, 0, *y, 0);
    CHECK(sign(stored(*x, 0).compare(stored(*y, 0))) == sign(c));
    return sign(c);
  };
  CHECK(order("int[]", "{1,2}", "{1,2}") == 0);
  CHECK(order("int[]", "{1,2}", "{1,3}") == -1);
  CHECK(order("int[]", "{-1}", "{1}") == -1);
  CHECK(order("int[]", "{}", "{NULL}") == -1);
  CHECK(order("int[]", "{1}", "{1,NULL}") == -1);
  CHECK(order("int[]", "{NULL}", "{5}") == 1);
  CHECK(order("int[]", "{NULL}", "{NULL}") == 0);
  CHECK(order("int[]", "{2}", "{1,9}") == 1);
  CHECK(order("text[]", "{a}", "{ab}") == -1);
  CHECK(order("text[]", "{ab}", "{a,b}") == 1);
  CHECK(order("double precision[]", "{NaN}", "{Infinity}") == 1);
  CHECK(order("double precision[]", "{-0}", "{0}") == 0);
  CHECK(order("struct(a int, b text)", "(1,)", "(1,z)") == 1);
  CHECK(order("struct(a int, b text)", "(1,a)", "(2,)") == -1);
}

TEST_CASE("stored forms read back, and their bytes order like the values") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    const auto type = random_type(g);
    auto c = random_column(g, type, 30, pool);
    column_builder back(type, pool);
    for (uint32_t i = 0; i < c->length; ++i) {
      const auto bytes = stored(*c, i);
      std::string_view in(bytes);
      REQUIRE(read_stored_part(in, back));
      CHECK(in.empty());
      // Cut anywhere they are no value.
      column_builder cut(type, pool);
      std::string_view part(bytes.data(), below(g, bytes.size()));
      CHECK(!read_stored_part(part, cut));
    }
    auto read = back.finish();
    REQUIRE(validate_column(*read).ok());
    for (uint32_t i = 0; i < c->length; ++i) {
      CHECK(identical(scalar_at(*c, i), scalar_at(*read, i)));
      const auto j = static_cast<uint32_t>(below(g, c->length));
      const int bytes = sign(stored(*c, i).compare(stored(*c, j)));
      const int values = sign(compare_values(*c, i, *c, j));
      if (has_intervals(type))
        CHECK((values == 0 || bytes == values));
      else
        CHECK(bytes == values);
    }
    if (is_nested(type.id)) {
      auto whole = from_stored(*to_stored(*c, pool), type, pool);
      for (uint32_t i = 0; i < c->length; ++i)
        CHECK(identical(scalar_at(*c, i), scalar_at(*whole, i)));
    }
  }
}

TEST_CASE("texts read back") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    const auto type = random_type(g);
    if (!is_nested(type.id) || !has_text(type)) continue;
    auto c = random_column(g, type, 20, pool);
    for (uint32_t i = 0; i < c->length; ++i) {
      if (!c->is_valid(i)) continue;
      std::string text;
      append_text(text, *c, i);
      auto back = parse_scalar(text, type);
      CAPTURE(text);
      REQUIRE(back.ok());
      CHECK(identical(*back, scalar_at(*c, i)));
      // Mutated texts are values or errors, and never anything else.
      if (!text.empty()) text[below(g, text.size())] = "{}(),\"\\ N1"[below(g, 10)];
      if (auto other = parse_scalar(text, type); other.ok()) CHECK(!other->null);
    }
  }
}
