// Lists and structs in operators: flat map over lists, and state that holds them as keys and rows.
#include <random>

#include "runtime/column/hash.hpp"
#include "runtime/column/text.hpp"
#include "tests/operators/harness.hpp"

using namespace weir;
using namespace weir::test;

namespace {

instance unnest(const std::string& function, const schema_ptr& in, const std::string& argument,
                std::vector<uint32_t> kept, const std::string& type) {
  auto out = std::make_shared<schema>();
  for (uint32_t k : kept) out->fields.push_back(in->fields[k]);
  out->fields.push_back({"element", *parse_type(type), true});
  flat_map_spec s{function, bind(argument, *in), "", kept};
  return {operator_node{"op", function, s, out, false, 0}, {in}};
}

/// Rows whose key is a list (or its text), and what an operator makes of them.
std::string random_list(std::mt19937_64& g) {
  std::string s = "{";
  for (auto n = g() % 4; n > 0; --n) {
    if (s.size() > 1) s += ',';
    s += g() % 5 == 0 ? "NULL" : std::to_string(g() % 3);
  }
  return s + '}';
}

}  // namespace

TEST_CASE("unnest of lists: elements, NULLs, weights") {
  auto in = columns({{"k", "int"}, {"a", "int[]"}});
  auto u = unnest("unnest", in, "a", {0}, "int");
  u.push(rows(in, {{"1", "{5,NULL}"}, {"2", "{}"}, {"3", "NULL"}, {"4", "{7}"}}, {1, 1, 1, -2}));
  CHECK(u.out.all() == lines{"1,5", "1,NULL", "-2: 4,7"});
}

TEST_CASE("unnest keeps rows without elements, and numbers elements") {
  auto in = columns({{"k", "int"}, {"a", "text[]"}});
  auto data =
      rows(in, {{"1", "{x,NULL}"}, {"2", "{}"}, {"3", "NULL"}, {"4", "{y}"}}, {1, -1, 1, 1});
  auto outer = unnest("unnest outer", in, "a", {0}, "text");
  outer.push(data);
  CHECK(outer.out.all() == lines{"1,x", "1,NULL", "-1: 2,NULL", "3,NULL", "4,y"});
  auto numbered = unnest("unnest ordinality", in, "a", {0}, "struct(item text, ordinality bigint)");
  numbered.push(data);
  CHECK(numbered.out.all() == lines{"1,(x,1)", "1,(,2)", "4,(y,1)"});
  auto both =
      unnest("unnest outer ordinality", in, "a", {0}, "struct(item text, ordinality bigint)");
  both.push(data);
  CHECK(both.out.all() == lines{"1,(x,1)", "1,(,2)", "-1: 2,(,)", "3,(,)", "4,(y,1)"});
  auto text = columns({{"t", "text"}});
  auto words =
      unnest("words outer ordinality", text, "t", {}, "struct(item text, ordinality bigint)");
  words.push(rows(text, {{"Two words"}, {"1"}}));
  CHECK(words.out.all() == lines{"(two,1)", "(words,2)", "(,)"});
}

TEST_CASE("unnest of long lists in batches of a bounded size") {
  auto in = columns({{"k", "int"}, {"a", "int[]"}});
  std::string list = "{0";
  for (int i = 1; i < 3000; ++i) list += ',' + std::to_string(i);
  list += '}';
  auto u = unnest("unnest ordinality", in, "a", {0}, "struct(item int, ordinality bigint)");
  u.push(rows(in, std::vector<std::vector<std::string>>(10, {"1", list})));
  uint32_t total = 0;
  for (const auto& b : u.out.batches) {
    CHECK(b->rows <= batch_rows_target + 3000);
    total += b->rows;
  }
  CHECK(total == 30000);
  CHECK(u.out.all()[2999] == "1,(2999,3000)");
}

TEST_CASE("unnest refuses plans whose types do not fit") {
  auto in = columns({{"a", "int[]"}});
  auto wrong = [&](const std::string& function, const std::string& type) {
    auto out = columns({{"e", type}});
    flat_map_spec s{function, bind("a", *in), "", {}};
    auto made = make_operator({"op", function, s, out, false, 0}, {in});
    REQUIRE(!made.ok());
    return made.err().message;
  };
  CHECK(wrong("unnest", "text").find("the kept columns and the list's items") != std::string::npos);
  CHECK(wrong("unnest ordinality", "int").find("a struct of an element and its number") !=
        std::string::npos);
  CHECK(wrong("words", "text").find("words needs a text argument") != std::string::npos);
}

TEST_CASE("groups by lists and structs are those by their texts, over changes and restores") {
  auto in = columns({{"a", "int[]"}, {"s", "struct(x int, y int[])"}, {"v", "int"}});
  auto plain = columns({{"a", "text"}, {"s", "text"}, {"v", "int"}});
  using f = aggregate_function;
  const std::vector<call> calls{{f::count_star, ""}, {f::sum, "v"}, {f::max, "v"}};
  std::mt19937_64 g(7);
  for (int round = 0; round < 20; ++round) {
    const bool changes = round % 2;
    auto nested = aggregate(in, {0, 1}, calls, emit_mode::changes, changes);
    auto texts = aggregate(plain, {0, 1}, calls, emit_mode::changes, changes);
    instance a(node_of(nested, in), {in}), b(node_of(texts, plain), {plain});
    auto second = std::make_unique<instance>(node_of(nested, in), std::vector{in});
    instance* now = &a;
    std::vector<std::vector<std::string>> there;
    for (int batch = 0; batch < 6; ++batch) {
      std::vector<std::vector<std::string>> cells;
      std::vector<int32_t> weights;
      for (int i = 0; i < 40; ++i) {
        if (changes && !there.empty() && g() % 3 == 0) {
          const auto k = g() % there.size();
          cells.push_back(there[k]);
          weights.push_back(-1);
          there.erase(there.begin() + static_cast<ptrdiff_t>(k));
          continue;
        }
        const auto list = random_list(g);
        cells.push_back(
            {g() % 6 ? list : "NULL",
             g() % 6 ? "(" + std::to_string(g() % 2) + ",\"" + random_list(g) + "\")" : "NULL",
             std::to_string(g() % 10)});
        weights.push_back(1);
        there.push_back(cells.back());
      }
      // The same text for the same value, so that the other side's keys are the values.
      auto typed = rows(in, cells, changes ? weights : std::vector<int32_t>{});
      for (size_t i = 0; i < cells.size(); ++i)
        for (size_t c : {0, 1})
          if (cells[i][c] != "NULL") {
            std::string text;
            append_text(text, *typed->columns[c], static_cast<uint32_t>(i));
            cells[i][c] = text;
          }
      now->push(typed);
      b.push(rows(plain, cells, changes ? weights : std::vector<int32_t>{}));
      if (batch == 2) {
        chunk_list_writer w(pool(), epoch(1), "op");
        a.snapshot(w);
        second->restore(w.take());
        second->out = a.out;
        now = second.get();
      }
    }
    CHECK(now->out.net() == b.out.net());
    CHECK(!now->out.net().empty());
  }
}

TEST_CASE("a key's group is the one that the exchange sends it to") {
  auto in = columns({{"a", "text[]"}, {"v", "int"}});
  auto s = aggregate(in, {0}, {{aggregate_function::sum, "v"}}, emit_mode::changes);
  std::mt19937_64 g(3);
  std::vector<std::vector<std::string>> cells;
  for (int i = 0; i < 200; ++i)
    cells.push_back({"{k" + std::to_string(g() % 50) + ",\"a b\"}", std::to_string(g() % 9)});
  auto data = rows(in, cells);
  instance whole(node_of(s, in), {in});
  whole.push(data);
  chunk_list_writer w(pool(), epoch(1), "op");
  whole.snapshot(w);
  const auto chunks = w.take();
  // Two instances own half of the groups each; rows go where hash_keys() sends them.
  const uint32_t key[] = {0};
  auto parts = partition(data, hash_keys(*data, key, pool()), 2, default_key_groups, pool());
  std::vector<std::string> got;
  for (uint32_t part : {0u, 1u}) {
    instance half(node_of(s, in), {in}, range_of_subtask(default_key_groups, 2, part));
    half.restore(chunks);
    half.push(parts[part]);
    for (auto& line : half.out.net()) got.push_back(line);
  }
  whole.out.clear();
  whole.push(data);
  std::sort(got.begin(), got.end());
  auto expected = whole.out.net();
  std::sort(expected.begin(), expected.end());
  CHECK(got == expected);
  CHECK(expected.size() > 50);
}

TEST_CASE("min, max, count(DISTINCT) and last of lists follow changes") {
  auto in = columns({{"k", "int"}, {"a", "int[]"}});
  using f = aggregate_function;
  auto s =
      aggregate(in, {0}, {{f::min, "a"}, {f::max, "a"}, {f::count_distinct, "a"}, {f::last, "a"}},
                emit_mode::changes, true);
  instance a(node_of(s, in), {in});
  a.push(rows(in, {{"1", "{2}"}, {"1", "{1,9}"}, {"1", "{NULL}"}, {"1", "{2}"}, {"1", "NULL"}}));
  CHECK(a.out.net() == lines{"1,{1,9},{NULL},3,{2}"});
  a.push(rows(in, {{"1", "{NULL}"}, {"1", "{1,9}"}}, {-1, -1}));
  CHECK(a.out.net() == lines{"1,{2},{2},1,{2}"});
}

TEST_CASE("joins, DISTINCT and first rows over lists and structs") {
  auto left = columns({{"a", "int[]"}, {"v", "int"}});
  auto right = columns({{"a", "int[]"}, {"s", "struct(x int)"}});
  auto out = columns({{"a", "int[]"}, {"v", "int"}, {"s", "struct(x int)"}});
  join_spec j;
  j.kind = join_kind::left;
  j.left.keys = {0};
  j.right.keys = {0};
  j.left.null_safe = j.right.null_safe = {false};
  j.left.has_changes = j.right.has_changes = true;
  j.output = {0, 1, 3};
  j.condition_columns = {1, 3};
  j.condition = bind("v < (s).x", *columns({{"v", "int"}, {"s", "struct(x int)"}}));
  instance join({"op", "join", j, out, true, 0}, {left, right});
  join.push(rows(left, {{"{1,2}", "1"}, {"{1,2}", "9"}, {"NULL", "3"}}), 0);
  join.push(rows(right, {{"{1,2}", "(5)"}, {"NULL", "(6)"}, {"{1}", "(7)"}}), 1);
  CHECK(join.out.net() == lines{"NULL,3,NULL", "{1,2},1,(5)", "{1,2},9,NULL"});
  join.push(rows(right, {{"{1,2}", "(5)"}}, {-1}), 1);
  CHECK(join.out.net() == lines{"NULL,3,NULL", "{1,2},1,NULL", "{1,2},9,NULL"});

  auto in = columns({{"s", "struct(x int, y text)"}});
  instance distinct({"op", "distinct", distinct_spec{}, in, true, 0}, {in});
  distinct.push(rows(in, {{"(1,a)"}, {"(1,a)"}, {"(1,)"}, {"NULL"}, {"NULL"}}));
  CHECK(distinct.out.net() == lines{"(1,)", "(1,a)", "NULL"});

  top_n_spec t;
  t.order = {{0, true, true}};
  t.limit = 2;
  t.input_has_changes = true;
  auto lists = columns({{"a", "int[]"}});
  instance top({"op", "top", t, lists, true, 0}, {lists});
  top.push(rows(lists, {{"{1}"}, {"{1,NULL}"}, {"NULL"}, {"{0,5}"}}));
  CHECK(top.out.net() == lines{"NULL", "{1,NULL}"});
  top.push(rows(lists, {{"NULL"}}, {-1}));
  CHECK(top.out.net() == lines{"{1,NULL}", "{1}"});
}
