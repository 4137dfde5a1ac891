// Preselections in front of first rows: what they leave out is never among those, whatever task and
// batch a row comes by; and they leave out what they can.
#include <random>

#include "harness.hpp"
#include "runtime/operators/preselect.hpp"

using namespace weir;
using namespace weir::test;

namespace {

schema_ptr input() {
  return columns({{"k", "bigint"}, {"v", "bigint"}, {"t", "text"}, {"f", "double precision"}});
}

operator_node preselect_node(top_n_spec s, const schema_ptr& in) {
  s.preselect = true;
  s.with_number = false;
  return {"op/preselect", "preselect", s, in, false, 0};
}

std::string number(std::mt19937_64& g, uint64_t below) {
  return g() % 9 == 0 ? "NULL" : std::to_string(static_cast<int64_t>(g() % below) - 3);
}

batch_ptr random_batch(const schema_ptr& in, std::mt19937_64& g) {
  static const std::vector<std::string> floats{"NULL",     "NaN",  "-0.0", "0.0",
                                               "Infinity", "-1.5", "2"};
  std::vector<std::vector<std::string>> cells;
  const auto most = g() % 4 == 0 ? 900 : 60;
  for (uint64_t n = 1 + g() % most; n > 0; --n)
    cells.push_back(
        {number(g, 5), number(g, 40),
         std::string(1 + g() % 14, static_cast<char>('a' + g() % 2)) + std::string(g() % 2, 'b'),
         floats[g() % floats.size()]});
  auto b = rows(in, cells);
  if (g() % 3 != 0) return b;
  // As a filter leaves it.
  auto selection = buffer::allocate(pool(), size_t{b->rows} * 4);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < b->rows; ++i)
    if (g() % 3 != 0) selection.mutable_as<uint32_t>()[kept++] = i;
  return with_selection(*b, std::move(selection), kept);
}

/// What comes of the rows of two tasks, chosen beforehand or not.
void compare(uint64_t seed, const top_n_spec& s) {
  CAPTURE(seed);
  CAPTURE(s.limit);
  CAPTURE(s.offset);
  CAPTURE(s.keys.size());
  if (!s.keys.empty()) CAPTURE(s.keys[0]);
  CAPTURE(s.order[0].column);
  CAPTURE(static_cast<int>(s.function));
  std::mt19937_64 g(seed);
  const auto in = input();
  REQUIRE(can_preselect(s, *in));
  auto type = std::make_shared<schema>(*in);
  if (s.with_number) type->fields.push_back({"n", type_id::int64});
  const operator_node node{"op", "top", s, type, true, 0};
  instance whole(node, {in}), chosen(node, {in});
  instance first(preselect_node(s, in), {in}), second(preselect_node(s, in), {in});
  uint64_t rows = 0, passed = 0;
  for (int i = 0; i < 40; ++i) {
    auto& task = g() % 2 ? first : second;
    const auto b = random_batch(in, g);
    if (b->rows == 0) continue;
    rows += b->rows;
    whole.push(b);
    task.push(b);
    for (const auto& part : task.out.batches) {
      passed += part->rows;
      chosen.push(part);
    }
    task.out.clear();
    CHECK(chosen.out.net() == whole.out.net());
  }
  CHECK(passed < rows);
}

}  // namespace

TEST_CASE("the first rows are the same behind a preselection") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 g(seed * 7);
    top_n_spec s;
    if (g() % 4 != 0) s.keys = {static_cast<uint32_t>(g() % 4 == 0 ? 3 : 0)};
    if (g() % 5 == 0) s.keys = {0, 3};
    const auto of = static_cast<uint32_t>(g() % 4);
    s.order = {{of, g() % 2 == 0, g() % 2 == 0}, {2, g() % 2 == 0, false}};
    if (s.order[0].column == 2) s.order.pop_back();
    s.limit = 1 + g() % 6;
    s.offset = g() % 3 == 0 ? g() % 3 : 0;
    s.with_number = g() % 2;
    switch (g() % 5) {
      case 0:
        s.function = rank_function::rank;
        break;
      case 1:
        s.function = rank_function::dense_rank;
        break;
      case 2:
        s.with_ties = true;
        s.with_number = false;
        break;
      default:
        break;
    }
    if (preselect_order(s, *input())) compare(seed, s);
  }
}

TEST_CASE("the row that came last passes, and those before it do not") {
  const auto in = input();
  top_n_spec s;
  s.keys = {0};
  s.last_arrived = true;
  REQUIRE(can_preselect(s, *in));
  instance op(preselect_node(s, in), {in});
  op.push(rows(in, {{"1", "1", "a", "0"},
                    {"2", "2", "b", "0"},
                    {"1", "3", "c", "0"},
                    {"NULL", "4", "d", "0"},
                    {"NULL", "5", "e", "0"},
                    {"1", "1", "a", "0"}}));
  CHECK(op.out.all() == lines{"2,2,b,0", "NULL,5,e,0", "1,1,a,0"});
}

TEST_CASE("rows with equal sort words all pass, in their order") {
  const auto in = columns({{"k", "text"}, {"v", "bigint"}, {"t", "text"}});
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  s.limit = 2;
  instance op(preselect_node(s, in), {in});
  op.push(rows(in, {{"a key of more than twelve bytes", "5", "x"},
                    {"a key of more than twelve bytes", "7", "y"},
                    {"a key of more than twelve bytfs", "1", "y"},
                    {"a key of more than twelve bytes", "4", "z"},
                    {"a key of more than twelve bytes", "5", "w"}}));
  CHECK(op.out.all() ==
        lines{"a key of more than twelve bytes,5,x", "a key of more than twelve bytes,7,y",
              "a key of more than twelve bytfs,1,y", "a key of more than twelve bytes,5,w"});
  op.out.clear();
  // Two of a row with a weight are two rows: nothing is left out.
  op.push(rows(in, {{"a", "1", "x"}, {"a", "2", "x"}, {"a", "3", "x"}}, {1, 2, 1}));
  CHECK(op.out.all() == lines{"a,1,x", "2: a,2,x", "a,3,x"});
}

TEST_CASE("rows of windows that may have closed pass, to be counted") {
  const auto in = columns({{"w", "timestamp"}, {"v", "bigint"}});
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  s.emit = emit_mode::final_only;
  s.window_end_key = 0;
  instance op(preselect_node(s, in), {in});
  op.watermark(946'688'400'000'000);  // 2000-01-01 01:00
  op.push(rows(in, {{"2000-01-01 01:00:00", "3"},
                    {"2000-01-01 02:00:00", "1"},
                    {"2000-01-01 01:00:00", "2"},
                    {"2000-01-01 02:00:00", "4"},
                    {"NULL", "5"},
                    {"NULL", "6"}}));
  CHECK(op.out.net() ==
        lines{"2000-01-01 01:00:00,2", "2000-01-01 01:00:00,3", "2000-01-01 02:00:00,4", "NULL,6"});
}

TEST_CASE("of a window what is worse than an earlier batch's best does not pass, equal rows do") {
  const auto in = columns({{"w", "timestamp"}, {"v", "bigint"}});
  const std::string one = "2000-01-01 01:00:00", two = "2000-01-01 02:00:00";
  for (bool descending : {true, false}) {
    CAPTURE(descending);
    top_n_spec s;
    s.keys = {0};
    s.order = {{1, descending, false}};
    s.emit = emit_mode::final_only;
    s.window_end_key = 0;
    instance op(preselect_node(s, in), {in});
    auto passed = [&](const std::vector<std::vector<std::string>>& cells) {
      op.out.clear();
      op.push(rows(in, cells));
      return op.out.all();
    };
    const std::string best = descending ? "-3" : "-9", worse = descending ? "-9" : "-3",
                      better = descending ? "-2" : "-10";
    CHECK(passed({{one, worse}, {one, best}}) == lines{one + "," + best});
    CHECK(passed({{one, worse}, {one, worse}}).empty());
    // NULL is last, and a tie is the business of what is behind.
    CHECK(passed({{one, "NULL"}, {one, best}, {one, best}}) ==
          lines{one + "," + best, one + "," + best});
    CHECK(passed({{one, "NULL"}, {one, worse}}).empty());
    // A batch of two windows is looked at by itself and forgets nothing.
    CHECK(passed({{two, worse}, {one, worse}}) == lines{two + "," + worse, one + "," + worse});
    CHECK(passed({{one, worse}, {one, worse}}).empty());
    CHECK(passed({{two, worse}, {two, worse}}) == lines{two + "," + worse, two + "," + worse});
    CHECK(passed({{two, better}, {two, worse}}) == lines{two + "," + better});
    // Too late, perhaps: all pass.
    op.watermark(946'688'400'000'000);  // the end of the first
    CHECK(passed({{one, worse}, {one, "NULL"}}) == lines{one + "," + worse, one + ",NULL"});
    CHECK(passed({{two, worse}, {two, best}}).empty());
  }
}

TEST_CASE("without windows nothing is remembered: what is behind may forget rows") {
  const auto in = columns({{"k", "bigint"}, {"v", "bigint"}});
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  instance op(preselect_node(s, in), {in});
  op.push(rows(in, {{"1", "5"}, {"1", "9"}}));
  op.push(rows(in, {{"1", "5"}, {"1", "4"}}));
  CHECK(op.out.all() == lines{"1,9", "1,5"});
}

TEST_CASE("long runs of keys, and runs that come again") {
  const auto in = columns({{"k", "text"}, {"v", "bigint"}});
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  instance op(preselect_node(s, in), {in});
  std::vector<std::vector<std::string>> cells;
  for (int i = 0; i < 600; ++i)
    cells.push_back({i / 200 == 1 ? "NULL" : "a key of more than twelve bytes",
                     std::to_string(i % 200 - 100 + (i >= 400))});
  op.push(rows(in, cells));
  CHECK(op.out.all() == lines{"NULL,99", "a key of more than twelve bytes,100"});
}

TEST_CASE("where nearly all rows pass they pass unasked, until the next trial") {
  const auto in = columns({{"k", "bigint"}, {"v", "bigint"}});
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  instance op(preselect_node(s, in), {in});
  auto batch = [&](bool same_key) {
    std::vector<std::vector<std::string>> cells;
    for (int i = 0; i < 8000; ++i)
      cells.push_back({same_key ? "1" : std::to_string(i), std::to_string(i)});
    return rows(in, cells);
  };
  const auto different = batch(false), same = batch(true);
  auto passed = [&](const batch_ptr& b) {
    op.out.clear();
    op.push(b);
    uint64_t n = 0;
    for (const auto& part : op.out.batches) n += part->rows;
    return n;
  };
  CHECK(passed(same) == 1);
  for (int i = 0; i < 40; ++i) CHECK(passed(different) == 8000);
  CHECK(passed(same) == 8000);
  for (int i = 0; i < 300; ++i) passed(different);
  uint64_t least = 8000;
  for (int i = 0; i < 300; ++i) least = std::min(least, passed(same));
  CHECK(least == 1);
}

TEST_CASE("what cannot leave rows out is not made") {
  const auto in = input();
  top_n_spec s;
  s.keys = {0};
  CHECK(can_preselect(s, *in));  // any row, the same as ever: by all columns
  s.function = rank_function::rank;
  CHECK_FALSE(can_preselect(s, *in));  // all are peers
  s.order = {{0, false, false}};
  CHECK_FALSE(can_preselect(s, *in));  // in their partition
  s.order.push_back({1, false, false});
  CHECK(can_preselect(s, *in));
  s.limit = UINT64_MAX;
  CHECK_FALSE(can_preselect(s, *in));
  s.limit = 0;
  CHECK_FALSE(can_preselect(s, *in));
  s.limit = 1;
  s.input_has_changes = true;
  CHECK_FALSE(can_preselect(s, *in));
  s.input_has_changes = false;
  CHECK_FALSE(can_preselect(s, *columns({{"k", "bigint"}, {"v", "bigint"}, {"l", "bigint[]"}})));
}
