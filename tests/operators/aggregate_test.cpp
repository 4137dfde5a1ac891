#include "harness.hpp"

#include <algorithm>
#include <random>

using namespace weir;
using namespace weir::test;
using fn = aggregate_function;

namespace {

const std::vector<call> all_calls = {{fn::count_star, ""},
                                     {fn::count, "v"},
                                     {fn::sum, "v"},
                                     {fn::min, "v"},
                                     {fn::max, "v"},
                                     {fn::avg, "v"},
                                     {fn::first, "t"},
                                     {fn::last, "t"},
                                     {fn::count_distinct, "t"},
                                     {fn::string_agg, "t"},
                                     {fn::bool_and, "v > 1"},
                                     {fn::bool_or, "v > 1"},
                                     {fn::count_star, "", "v > 1"},
                                     {fn::min, "t"}};

schema_ptr input() {
  return columns({{"k", "text"}, {"v", "bigint"}, {"t", "text"}});
}

}  // namespace

TEST_CASE("every function over one batch, NULLs as PostgreSQL has them") {
  auto in = input();
  for (bool changes : {false, true}) {
    CAPTURE(changes);
    instance a(node_of(aggregate(in, {0}, all_calls, emit_mode::final_only, changes), in), {in});
    a.push(rows(in, {{"x", "1", "b"},
                     {"x", "3", "a"},
                     {"x", "NULL", "NULL"},
                     {"x", "3", "b"},
                     {"NULL", "NULL", "NULL"},
                     {"a key that is longer than twelve", "2", "c"}}));
    CHECK(a.out.all().empty());
    a.end();
    const std::string text = changes ? "\"b,b,a\"" : "\"b,a,b\"";
    auto got = a.out.net();
    REQUIRE(got.size() == 3);
    INFO(got[0], "\n", got[1], "\n", got[2]);
    CHECK(got[0].starts_with("NULL,1,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,0,NULL"));
    CHECK(got[1].starts_with("a key that is longer than twelve,1,1,2,2,2,2,c,c,1,c,true,true,1,c"));
    CHECK(got[2].starts_with("x,4,3,7,1,3,2.33333333333333"));
  }
}

TEST_CASE("changes: first only new, then old and new, nothing when equal, only old when gone") {
  auto in = columns({{"k", "int"}, {"v", "bigint"}});
  instance a(
      node_of(aggregate(in, {0}, {{fn::max, "v"}, {fn::sum, "v"}}, emit_mode::changes, true), in),
      {in});
  a.push(rows(in, {{"1", "5"}, {"2", "7"}}));
  CHECK(a.out.all() == lines{"1,5,5", "2,7,7"});
  a.out.clear();
  a.push(rows(in, {{"1", "0"}}));  // changes neither result
  CHECK(a.out.all().empty());
  a.push(rows(in, {{"1", "9"}, {"2", "7"}}, {1, -1}));
  CHECK(a.out.all() == lines{"-1: 1,5,5", "1,9,14", "-1: 2,7,7"});
  a.out.clear();
  a.push(rows(in, {{"1", "9"}}, {-1}));  // the maximum before comes back
  CHECK(a.out.all() == lines{"-1: 1,9,14", "1,5,5"});
  a.out.clear();
  a.push(rows(in, {{"3", "1"}, {"3", "1"}}, {1, -1}));  // came and went
  CHECK(a.out.all().empty());
  CHECK(a.op->state_bytes() > 0);
}

TEST_CASE("retracted values leave every function") {
  auto in = input();
  instance a(node_of(aggregate(in, {0}, all_calls, emit_mode::changes, true), in), {in});
  auto keep = rows(in, {{"x", "2", "m"}});
  a.push(keep);
  const auto before = a.out.net();
  a.push(rows(in, {{"x", "1", "a"}, {"x", "9", "z"}, {"y", "4", "q"}}));
  a.push(rows(in, {{"x", "9", "z"}, {"y", "4", "q"}, {"x", "1", "a"}}, {-1, -1, -1}));
  CHECK(a.out.net() == before);
  a.push(rows(in, {{"x", "2", "m"}}, {-1}));
  CHECK(a.out.net().empty());
}

TEST_CASE("changes: rows that are taken back before they come leave what is there") {
  auto in = columns({{"k", "int"}, {"v", "bigint"}, {"l", "boolean"}});
  instance a(node_of(aggregate(in, {0},
                               {{fn::sum, "v"},
                                {fn::max, "v"},
                                {fn::count_star, "", "l"},
                                {fn::count_star, "", "NOT l"}},
                               emit_mode::changes, true),
                     in),
             {in});
  // No rows by their number, and yet one that is there and one that is to come.
  a.push(rows(in, {{"1", "7", "true"}, {"1", "5", "false"}}, {1, -1}));
  CHECK(a.out.net().empty());
  a.push(rows(in, {{"1", "5", "false"}}));
  CHECK(a.out.net() == lines{"1,7,7,1,0"});
  a.push(rows(in, {{"1", "7", "true"}}, {-1}));
  CHECK(a.out.net().empty());
}

TEST_CASE("changes: equal numbers of values that came and went are no empty group") {
  auto in = columns({{"k", "int"}, {"v", "bigint"}});
  instance a(node_of(aggregate(in, {0}, {{fn::sum, "v"}}, emit_mode::changes, true), in), {in});
  a.push(rows(in, {{"1", "7"}}));
  a.push(rows(in, {{"1", "5"}}, {-1}));
  CHECK(a.out.net().empty());
  a.push(rows(in, {{"1", "5"}}));
  CHECK(a.out.net() == lines{"1,7"});
}

TEST_CASE("floats: special values may leave again, sums end at zero") {
  auto in = columns({{"v", "double precision"}});
  instance a(node_of(aggregate(in, {}, {{fn::sum, "v"}, {fn::stddev_pop, "v"}, {fn::var_samp, "v"}},
                               emit_mode::changes, true),
                     in),
             {in});
  a.push(rows(in, {{"1"}, {"3"}}));
  CHECK(a.out.net() == lines{"4,1,2"});
  a.push(rows(in, {{"Infinity"}}));
  a.out.clear();
  a.push(rows(in, {{"Infinity"}, {"3"}}, {-1, -1}));
  REQUIRE(a.out.all().size() == 2);
  CHECK(a.out.all()[1].starts_with("1,"));
}

TEST_CASE("floats: what came and went is in no result any more") {
  auto in = columns({{"k", "int"}, {"v", "double precision"}, {"d", "decimal(38,2)"}});
  const std::vector<call> calls = {{fn::sum, "v"},
                                   {fn::avg, "v"},
                                   {fn::stddev_samp, "v"},
                                   {fn::var_pop, "v"},
                                   {fn::var_pop, "d"}};
  for (const char* gone : {"Infinity", "-Infinity", "NaN", "1e17", "1e15", "1e300"}) {
    CAPTURE(gone);
    auto node = node_of(aggregate(in, {0}, calls, emit_mode::changes, true), in);
    instance a(node, {in});
    a.push(rows(in, {{"1", "1.5", "1"}, {"1", gone, "5"}, {"1", "2.5", "2"}}));
    chunk_list_writer w(pool(), epoch(1), "op");
    a.snapshot(w);
    instance b(node, {in});
    b.restore(w.take());
    b.push(rows(in, {{"1", gone, "5"}, {"1", "3.5", "3"}}, {-1, 1}));
    REQUIRE(b.out.all().size() == 2);
    CHECK(b.out.all()[1] == "1,7.5,2.5,1,0.6666666666666666,0.6666666666666666");
    b.push(rows(in, {{"1", "1.5", "1"}, {"1", "2.5", "2"}, {"1", "3.5", "3"}}, {-1, -1, -1}));
    CHECK(b.out.all().size() == 3);
  }
}

TEST_CASE("deviations of integers and decimals keep no rounding errors of values that are gone") {
  auto in = columns({{"i", "int"}, {"b", "bigint"}, {"d", "decimal(38,2)"}});
  instance a(
      node_of(aggregate(in, {}, {{fn::stddev_pop, "i"}, {fn::var_pop, "b"}, {fn::var_pop, "d"}},
                        emit_mode::changes, true),
              in),
      {in});
  a.push(rows(in, {{"2000000007", "9000000000000000001", "123456789012345678901234567890.12"},
                   {"5", "-7", "0.30"},
                   {"-1999999999", "8999999999999999999", "-1.01"}}));
  a.push(rows(in, {{"5", "-7", "0.30"}}));
  a.push(rows(in,
              {{"2000000007", "9000000000000000001", "123456789012345678901234567890.12"},
               {"-1999999999", "8999999999999999999", "-1.01"}},
              {-1, -1}));
  CHECK(a.out.net() == lines{"0,0,0"});
  a.push(rows(in, {{"6", "-9", "0.50"}, {"6", "-9", "0.50"}}));
  CHECK(a.out.net() == lines{"0.5,1,0.01"});

  // Values so large that their squares are beyond 128 bits.
  instance large(node_of(aggregate(in, {}, {{fn::var_pop, "b"}, {fn::stddev_pop, "d"}},
                                   emit_mode::changes, true),
                         in),
                 {in});
  const std::string most = "9223372036854775807", least = "-9223372036854775808";
  large.push(rows(in, {{"0", most, "100000000000000000000000000000.00"},
                       {"0", least, "-100000000000000000000000000000.00"},
                       {"0", most, "100000000000000000000000000000.00"},
                       {"0", least, "-100000000000000000000000000000.00"}}));
  CHECK(large.out.net() == lines{"8.507059173023462e+37,1e+29"});
}

TEST_CASE("regression: rows that are only appended count as often as they are there") {
  auto in = columns({{"k", "int"}});
  std::vector<std::vector<std::string>> some;
  std::vector<int32_t> weights;
  for (int i = 0; i < 1000; ++i) {
    some.push_back({std::to_string(i % 3)});
    weights.push_back(1 + i % 2);
  }
  for (bool counts_only : {true, false}) {
    std::vector<call> calls = {{fn::count_star, ""}};
    if (!counts_only) calls.push_back({fn::sum, "k"});
    instance a(node_of(aggregate(in, {0}, calls, emit_mode::final_only), in), {in});
    a.push(rows(in, some, weights));
    a.end();
    const auto all =
        counts_only ? lines{"0,501", "1,500", "2,499"} : lines{"0,501,0", "1,500,500", "2,499,998"};
    CHECK(a.out.net() == all);
  }
}

TEST_CASE("sums: types and overflow") {
  auto in = columns({{"i", "int"}, {"b", "bigint"}, {"d", "decimal(38,2)"}});
  instance a(
      node_of(aggregate(in, {}, {{fn::sum, "i"}, {fn::sum, "b"}, {fn::sum, "d"}, {fn::avg, "d"}},
                        emit_mode::final_only),
              in),
      {in});
  a.push(rows(in, {{"2147483647", "9223372036854775807", "1.25"},
                   {"2147483647", "9223372036854775807", "0.10"}}));
  a.end();
  CHECK(a.out.all() == lines{"4294967294,18446744073709551614,1.35,0.6750000000000000"});

  instance o(node_of(aggregate(in, {}, {{fn::sum, "d"}}, emit_mode::final_only), in), {in});
  const std::string huge = "999999999999999999999999999999999999.99";
  auto bad = o.try_push(rows(in, {{"1", "1", huge}, {"1", "1", huge}}));
  REQUIRE(!bad.ok());
  CHECK(bad.err().code == errc::overflow);
}

TEST_CASE("the global group exists without input, and after all left") {
  auto in = columns({{"v", "bigint"}});
  for (auto emit : {emit_mode::changes, emit_mode::final_only}) {
    instance a(node_of(aggregate(in, {}, {{fn::count_star, ""}, {fn::sum, "v"}}, emit, true), in),
               {in});
    a.end();
    CHECK(a.out.all() == lines{"0,NULL"});
  }
  instance a(node_of(aggregate(in, {}, {{fn::count_star, ""}}, emit_mode::changes, true), in),
             {in});
  a.push(rows(in, {{"1"}}));
  a.push(rows(in, {{"1"}}, {-1}));
  CHECK(a.out.all() == lines{"1", "-1: 1", "0"});
}

TEST_CASE("windows leave when the watermark reaches their end; later rows are counted") {
  auto in = columns({{"k", "int"}, {"window_end", "timestamp"}, {"t", "text"}});
  auto s = aggregate(in, {0, 1}, {{fn::count_star, ""}, {fn::count_distinct, "t"}},
                     emit_mode::final_only);
  s.window_end_key = 1;
  instance a(node_of(s, in), {in});
  const std::string w1 = "2013-01-01 01:00:00", w2 = "2013-01-01 02:00:00";
  a.push(rows(
      in, {{"1", w1, "a"}, {"1", w2, "a"}, {"2", w1, "b"}, {"1", w1, "a"}, {"3", "NULL", "z"}}));
  constexpr timestamp_us hour = 3'600'000'000, day0 = 1356998400'000'000;
  a.watermark(day0 + hour - 1);
  CHECK(a.out.all().empty());
  a.watermark(day0 + hour);
  CHECK(a.out.net() == lines{"1," + w1 + ",2,1", "2," + w1 + ",1,1"});
  a.out.clear();
  a.push(rows(in, {{"1", w1, "late"}, {"1", w2, "b"}}));
  CHECK(a.metrics.late_rows == 1);

  chunk_list_writer w(pool(), epoch(1), "op");
  a.snapshot(w);
  instance b(node_of(s, in), {in});
  b.restore(w.take());
  for (auto* x : {&a, &b}) {
    x->push(rows(in, {{"2", w1, "late"}}));
    x->end();
    CHECK(x->out.net() == lines{"1," + w2 + ",2,2", "3,NULL,1,1"});
  }
  CHECK(b.metrics.late_rows == 1);
}

TEST_CASE("what gave its final answer does not give it again after a restore") {
  auto in = columns({{"k", "int"}});
  auto s = aggregate(in, {0}, {{fn::count_star, ""}}, emit_mode::final_only);
  instance a(node_of(s, in), {in});
  a.push(rows(in, {{"1"}}));
  a.end();
  CHECK(a.out.all() == lines{"1,1"});
  chunk_list_writer w(pool(), epoch(1), "op");
  a.snapshot(w);
  instance b(node_of(s, in), {in});
  b.restore(w.take());
  b.end();
  CHECK(b.out.all().empty());
}

TEST_CASE("a retraction that the plan rules out is an error") {
  auto in = columns({{"v", "bigint"}});
  instance a(node_of(aggregate(in, {}, {{fn::max, "v"}}, emit_mode::changes), in), {in});
  CHECK(a.try_push(rows(in, {{"1"}}, {2})).ok());
  CHECK(!a.try_push(rows(in, {{"1"}}, {-1})).ok());
}

TEST_CASE("functions that do not exist for a type are refused by name") {
  data_type text(type_id::string);
  auto t = aggregate_result_type(fn::sum, &text);
  REQUIRE(!t.ok());
  CHECK(t.err().message == "function sum(text) does not exist");
}

TEST_CASE("where all calls count rows, batches of few keys give the same groups") {
  auto in = columns({{"k", "bigint"}, {"v", "bigint"}});
  const std::vector<call> counts{{fn::count_star, ""}, {fn::count_star, ""}};
  std::mt19937_64 g(5);
  for (const int64_t apart : {int64_t{1}, int64_t{1} << 40})
    for (auto emit : {emit_mode::final_only, emit_mode::changes}) {
      CAPTURE(apart);
      instance a(node_of(aggregate(in, {0}, counts, emit, false), in), {in});
      instance chosen(node_of(aggregate(in, {0}, counts, emit, false), in), {in});
      std::map<std::string, int> expected, expected_chosen;
      for (int turn = 0; turn < 4; ++turn) {
        // More keys than are looked up at a time, and new ones in every batch.
        column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
        std::vector<uint32_t> some;
        for (uint32_t i = 0; i < 4000; ++i) {
          const int64_t key = (static_cast<int64_t>(g() % 600) + 300 * turn - 100) * apart;
          k.append(key);
          v.append(int64_t{1});
          ++expected[std::to_string(key)];
          if (g() % 3 == 0) continue;
          some.push_back(i);
          ++expected_chosen[std::to_string(key)];
        }
        const auto b = make_batch(in, {k.finish(), v.finish()});
        a.push(b);
        chosen.push(
            with_selection(*b, buffer::copy(pool(), std::as_bytes(std::span<const uint32_t>(some))),
                           static_cast<uint32_t>(some.size())));
      }
      a.end();
      chosen.end();
      auto text = [](const std::map<std::string, int>& groups) {
        lines out;
        for (const auto& [key, n] : groups)
          out.push_back(key + "," + std::to_string(n) + "," + std::to_string(n));
        std::sort(out.begin(), out.end());
        return out;
      };
      auto got = a.out.net(), got_chosen = chosen.out.net();
      std::sort(got.begin(), got.end());
      std::sort(got_chosen.begin(), got_chosen.end());
      CHECK(got == text(expected));
      CHECK(got_chosen == text(expected_chosen));
    }
}

TEST_CASE("groups of one batch that do not come again are not gathered over batches") {
  auto in = columns({{"k", "bigint"}, {"v", "bigint"}});
  // How far the keys of a batch are from those of the batch before: all new, or always the same.
  for (const int64_t step : {int64_t{1000}, int64_t{0}}) {
    CAPTURE(step);
    auto spec = aggregate(in, {0}, {{fn::count_star, ""}, {fn::count_star, ""}},
                          emit_mode::final_only, false);
    spec.stage = aggregate_spec::phase::partial;
    instance a(node_of(spec, in), {in});
    std::map<int64_t, int64_t> expected;
    size_t held_last = 0;
    for (int64_t turn = 0; turn < 40; ++turn) {
      column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
      std::vector<uint32_t> some;
      for (uint32_t i = 0; i < batch_rows_target; ++i) {
        const int64_t key = turn * step + i / 10;
        k.append(key);
        v.append(int64_t{1});
        if (i % 5 == 1) continue;
        some.push_back(i);
        ++expected[key];
      }
      a.push(with_selection(*make_batch(in, {k.finish(), v.finish()}),
                            buffer::copy(pool(), std::as_bytes(std::span<const uint32_t>(some))),
                            static_cast<uint32_t>(some.size())));
      held_last = a.op->held_rows();
    }
    CHECK(held_last == (step == 0 ? 820 : 0));
    a.end();
    std::map<int64_t, int64_t> got;
    for (const auto& b : a.out.batches)
      for (uint32_t i = 0; i < b->rows; ++i) {
        const uint32_t r = b->row(i);
        got[b->columns[0]->data<int64_t>()[r]] += b->columns[1]->data<int64_t>()[r];
        CHECK(b->columns[1]->data<int64_t>()[r] == b->columns[2]->data<int64_t>()[r]);
      }
    CHECK(got == expected);
  }
}

TEST_CASE("keys within a narrow range, entries of dictionaries and others give the same groups") {
  auto in = columns({{"k", "bigint"}, {"d", "int"}, {"v", "bigint"}});
  const std::vector<call> calls{{fn::count_star, ""}, {fn::sum, "v"}, {fn::min, "v"}};
  for (const int64_t apart : {int64_t{1}, int64_t{1} << 40})
    for (bool changes : {false, true}) {
      CAPTURE(apart);
      CAPTURE(changes);
      instance a(node_of(aggregate(in, {0, 1}, calls, emit_mode::final_only, changes), in), {in});
      // Twice, so that groups are there already; 700 rows, four keys, one of them negative.
      for (int turn = 0; turn < 2; ++turn) {
        std::vector<std::vector<std::string>> cells;
        for (int i = 0; i < 700; ++i)
          cells.push_back(
              {std::to_string((i % 4 - 1) * apart), "5", i % 7 == 0 ? "NULL" : std::to_string(i)});
        a.push(rows(in, cells));
      }
      // A NULL among the keys.
      std::vector<std::vector<std::string>> cells(600, {"0", "5", "-1"});
      cells[599][0] = "NULL";
      a.push(rows(in, cells));
      a.end();
      auto key = [&](int i) { return std::to_string(i * apart); };
      CHECK(a.out.net() == [&] {
        lines l{key(-1) + ",5,350,105000,4", key(0) + ",5,949,103701,-1",
                key(1) + ",5,350,105000,2", key(2) + ",5,350,105700,3", "NULL,5,1,-1,-1"};
        std::sort(l.begin(), l.end());
        return l;
      }());
    }
}
