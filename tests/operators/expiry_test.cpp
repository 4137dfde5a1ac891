// state_ttl: entries that nothing touches go, silently and in bounded parts, on processing timers;
// their times are in snapshots.
#include "harness.hpp"
#include "runtime/operators/exchange.hpp"
#include "runtime/operators/state_expiry.hpp"

using namespace weir;
using namespace weir::test;

namespace {

constexpr int64_t minute = 60'000'000, ttl_us = 60 * minute;
// After this much silence an entry has gone for sure.
constexpr int64_t over_us = ttl_us + ttl_us / 4;

operator_node with_ttl(operator_node n) {
  REQUIRE(takes_state_ttl(n.spec));
  n.state_ttl_us = ttl_us;
  return n;
}

/// What a push gives.
lines give(instance& op, const batch_ptr& b, uint16_t port = 0) {
  op.out.clear();
  op.push(b, port);
  auto out = op.out.all();
  op.out.clear();
  return out;
}

schema_ptr pairs() {
  return columns({{"k", "text"}, {"v", "bigint"}});
}

over_call row_number() {
  over_call c;
  c.type = type_id::int64;
  c.name = "n";
  return c;
}

}  // namespace

TEST_CASE(
    "a group that nothing touched for the TTL starts anew, and its rows stay where they are") {
  const auto in = pairs();
  using f = aggregate_function;
  instance op(
      with_ttl(node_of(
          aggregate(
              in, {0},
              {{f::count_star, ""}, {f::min, "v"}, {f::count_distinct, "v"}, {f::string_agg, "k"}},
              emit_mode::changes, true),
          in)),
      {in});
  CHECK(give(op, rows(in, {{"a", "1"}, {"b", "2"}})) == lines{"a,1,1,1,a", "b,1,2,1,b"});
  op.advance(ttl_us - minute);
  CHECK(op.out.all().empty());
  CHECK(give(op, rows(in, {{"a", "3"}})) == lines{"-1: a,1,1,1,a", "a,2,1,2,a,a"});
  op.advance(over_us - ttl_us + minute);  // b is gone by now, a is not
  CHECK(op.out.all().empty());
  const auto last = give(op, rows(in, {{"a", "1"}, {"b", "5"}}));
  CHECK(last == lines{"b,1,5,1,b", "-1: a,2,1,2,a,a", "a,3,1,2,a,a,a"});
}

TEST_CASE("an entry stays for the TTL at least, whatever the steps of the clock") {
  const auto in = pairs();
  const auto node = with_ttl(
      node_of(aggregate(in, {0}, {{aggregate_function::count_star, ""}}, emit_mode::changes), in));
  for (int64_t step : {int64_t{1'000'003}, int64_t{777'777'777}, ttl_us - 1}) {
    instance op(node, {in});
    op.advance(step / 3);
    give(op, rows(in, {{"a", "1"}}));
    for (int64_t t = 0; t + step < ttl_us; t += step) op.advance(step);
    CHECK(give(op, rows(in, {{"a", "1"}})) == lines{"-1: a,1", "a,2"});
    for (int64_t t = 0; t < over_us; t += step) op.advance(step);
    CHECK(give(op, rows(in, {{"a", "1"}})) == lines{"a,1"});
  }
}

TEST_CASE("times of entries survive a restart at another parallelism") {
  const auto in = pairs();
  const auto node = with_ttl(
      node_of(aggregate(in, {0}, {{aggregate_function::sum, "v"}}, emit_mode::changes), in));
  instance op(node, {in});
  std::vector<std::vector<std::string>> old, fresh;
  for (int i = 0; i < 50; ++i) old.push_back({"old" + std::to_string(i), "1"});
  for (int i = 0; i < 50; ++i) fresh.push_back({"new" + std::to_string(i), "1"});
  op.push(rows(in, old));
  op.advance(ttl_us / 2);
  op.push(rows(in, fresh));
  chunk_list_writer w(pool(), epoch(1), "op");
  op.snapshot(w);
  const auto chunks = w.take();
  size_t began_anew = 0, went_on = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    instance part(node, {in}, range_of_subtask(128, 3, i), nullptr, op.time.now(), i, 3);
    part.restore(chunks);
    part.advance(over_us - ttl_us / 2);
    for (const auto* keys : {&old, &fresh}) {
      auto b = rows(in, *keys);
      const uint32_t by[] = {0};
      auto mine = partition(b, hash_keys(*b, by, pool()), 3, 128, pool())[i];
      if (!mine) continue;
      for (const auto& line : give(part, mine)) {
        if (line.starts_with("-1: ")) continue;
        CAPTURE(line);
        CHECK(line.ends_with(keys == &old ? ",1" : ",2"));
        ++(keys == &old ? began_anew : went_on);
      }
    }
  }
  CHECK(began_anew == 50);
  CHECK(went_on == 50);
}

TEST_CASE("state is freed in parts of bounded size, and snapshots know what went") {
  const auto in = columns({{"k", "bigint"}});
  const auto node = with_ttl(
      node_of(aggregate(in, {0}, {{aggregate_function::count_star, ""}}, emit_mode::changes), in));
  instance op(node, {in});
  constexpr int64_t n = 100'000;
  for (int64_t begin = 0; begin < n; begin += 5000) {
    column_builder k(type_id::int64, pool());
    for (int64_t i = begin; i < begin + 5000; ++i) k.append(i);
    op.push(make_batch(in, {k.finish()}));
  }
  op.out.clear();
  chunk_list_writer all(pool(), epoch(1), "op");
  op.snapshot(all);
  REQUIRE(op.op->on_epoch_complete(epoch(1)).ok());
  auto chunks = all.take();
  const auto before = op.timers_fired;
  op.advance(ttl_us + ttl_us / 8 + minute);
  // Each timer looks at so many rows; a pass comes every 16th of the TTL.
  CHECK(op.timers_fired - before >= 17 * (n / state_expiry::sweep_rows_max));
  CHECK(op.timers_fired - before <= 20 * (n / state_expiry::sweep_rows_max + 2));
  chunk_list_writer gone(pool(), epoch(2), "op");
  op.snapshot(gone);
  REQUIRE(op.op->on_epoch_complete(epoch(2)).ok());
  for (auto& c : gone.take()) chunks.push_back(std::move(c));
  instance back(node, {in}, {}, nullptr, op.time.now());
  back.restore(chunks);
  for (auto* x : {&op, &back}) {
    auto out = give(*x, rows(in, {{"7"}, {"99999"}}));
    std::sort(out.begin(), out.end());
    CHECK(out == lines{"7,1", "99999,1"});
  }
}

TEST_CASE("distinct rows come again after the TTL") {
  const auto in = pairs();
  instance op(with_ttl({"op", "distinct", distinct_spec{}, in, false, 0}), {in});
  CHECK(give(op, rows(in, {{"a", "1"}, {"a", "1"}})) == lines{"a,1"});
  op.advance(ttl_us - minute);
  CHECK(give(op, rows(in, {{"a", "1"}})).empty());
  op.advance(ttl_us - minute);  // the copy touched it
  CHECK(give(op, rows(in, {{"a", "1"}})).empty());
  op.advance(over_us);
  CHECK(give(op, rows(in, {{"a", "1"}})) == lines{"a,1"});
}

TEST_CASE("pairs with rows that a join dropped stand, and what comes later does not see them") {
  const auto in = pairs();
  auto node_of_kind = [&](join_kind kind) {
    join_spec j;
    j.kind = kind;
    j.left.keys = j.right.keys = {0};
    j.left.has_changes = j.right.has_changes = true;
    const bool one = kind == join_kind::semi || kind == join_kind::anti;
    j.output = one ? std::vector<uint32_t>{0, 1} : std::vector<uint32_t>{0, 1, 3};
    auto out = one ? columns({{"k", "text"}, {"v", "bigint"}})
                   : columns({{"k", "text"}, {"v", "bigint"}, {"w", "bigint"}});
    return with_ttl({"op", "join", j, out, true, 0});
  };
  auto run = [&](join_kind kind) {
    instance op(node_of_kind(kind), {in, in});
    std::vector<lines> out;
    out.push_back(give(op, rows(in, {{"a", "1"}}), 0));
    out.push_back(give(op, rows(in, {{"a", "10"}}), 1));
    op.advance(ttl_us / 2);
    out.push_back(give(op, rows(in, {{"a", "2"}}), 0));
    op.advance(over_us - ttl_us / 2);  // the first rows of both sides are gone
    CHECK(op.out.all().empty());
    out.push_back(give(op, rows(in, {{"a", "3"}}), 0));
    out.push_back(give(op, rows(in, {{"a", "20"}}), 1));
    return out;
  };
  using all = std::vector<lines>;
  CHECK(run(join_kind::inner) == all{{}, {"a,1,10"}, {"a,2,10"}, {}, {"a,3,20", "a,2,20"}});
  // Row 2 has a partner still: it had no row with NULL that could be taken back.
  CHECK(run(join_kind::left) == all{{"a,1,NULL"},
                                    {"a,1,10", "-1: a,1,NULL"},
                                    {"a,2,10"},
                                    {"a,3,NULL"},
                                    {"a,3,20", "-1: a,3,NULL", "a,2,20"}});
  CHECK(run(join_kind::semi) == all{{}, {"a,1"}, {"a,2"}, {}, {"a,3"}});
  CHECK(run(join_kind::anti) == all{{"a,1"}, {"-1: a,1"}, {}, {"a,3"}, {"-1: a,3"}});
}

TEST_CASE("a side of a join that stays keeps its rows") {
  const auto in = pairs();
  join_spec j;
  j.left.keys = j.right.keys = {0};
  j.right.stays = true;
  j.output = {1, 3};
  instance op(with_ttl({"op", "join", j, columns({{"v", "bigint"}, {"w", "bigint"}}), false, 0}),
              {in, in});
  op.push(rows(in, {{"a", "10"}}), 1);
  op.push(rows(in, {{"a", "1"}}), 0);
  op.advance(over_us);
  CHECK(give(op, rows(in, {{"a", "2"}}), 0) == lines{"2,10"});
  CHECK(give(op, rows(in, {{"a", "11"}}), 1) == lines{"2,11"});
}

TEST_CASE("first rows of a key are forgotten together, and rows that lose touch the key") {
  const auto in = pairs();
  for (uint64_t limit : {1, 2})
    for (bool changes : {false, true}) {
      CAPTURE(limit);
      CAPTURE(changes);
      top_n_spec s;
      s.keys = {0};
      s.order = {{1, true, false}};
      s.limit = limit;
      s.input_has_changes = changes;
      const auto node = with_ttl({"op", "top", s, in, true, 0});
      instance op(node, {in});
      op.push(rows(in, {{"a", "9"}, {"a", "8"}, {"b", "9"}, {"b", "8"}}));
      op.advance(ttl_us - minute);
      CHECK(give(op, rows(in, {{"a", "1"}})).empty());
      chunk_list_writer w(pool(), epoch(1), "op");
      op.snapshot(w);
      instance back(node, {in}, {}, nullptr, op.time.now());
      back.restore(w.take());
      for (auto* x : {&op, &back}) {
        x->advance(over_us - ttl_us + minute);
        CHECK(x->out.all().empty());
        CHECK(give(*x, rows(in, {{"a", "2"}})).empty());
        CHECK(give(*x, rows(in, {{"b", "2"}})) == lines{"b,2"});
      }
    }
}

TEST_CASE("of rows that change, those behind the first ones are forgotten one by one") {
  const auto in = columns({{"v", "bigint"}});
  top_n_spec s;
  s.order = {{0, true, false}};
  s.limit = 1;
  s.input_has_changes = true;
  instance op(with_ttl({"op", "top", s, in, true, 1}), {in});
  CHECK(give(op, rows(in, {{"9"}, {"8"}, {"7"}})) == lines{"9"});
  op.advance(ttl_us / 2);
  give(op, rows(in, {{"6"}}));
  op.advance(over_us - ttl_us / 2);
  CHECK(give(op, rows(in, {{"9"}}, {-1})) == lines{"-1: 9", "6"});
}

TEST_CASE("partitions of window functions are forgotten when no row came") {
  const auto in = pairs();
  over_spec s;
  s.keys = {0};
  s.order = {{1, false, false}};
  s.calls = {row_number()};
  auto out = std::make_shared<schema>(*in);
  out->fields.push_back({"n", type_id::int64});
  instance op(with_ttl({"op", "over", s, out, true, 0}), {in});
  CHECK(give(op, rows(in, {{"a", "1"}, {"b", "1"}})) == lines{"a,1,1", "b,1,1"});
  op.advance(ttl_us - minute);
  CHECK(give(op, rows(in, {{"a", "2"}})) == lines{"a,2,2"});
  op.advance(over_us - ttl_us + minute);
  auto now = give(op, rows(in, {{"a", "3"}, {"b", "2"}}));
  std::sort(now.begin(), now.end());
  CHECK(now == lines{"a,3,3", "b,2,1"});
}

TEST_CASE("rows that wait for the watermark are not forgotten, what they add to is") {
  auto in = std::make_shared<schema>(*columns({{"k", "text"}, {"t", "timestamp"}}));
  in->event_time = 1;
  over_spec s;
  s.keys = {0};
  s.order = {{1, false, false}};
  s.calls = {row_number()};
  s.emit = emit_mode::final_only;
  s.time_column = 1;
  auto out = std::make_shared<schema>(*in);
  out->fields.push_back({"n", type_id::int64});
  instance op(with_ttl({"op", "over", s, out, false, 0}), {in});
  auto at = [](int hour) { return "2020-01-01 0" + std::to_string(hour) + ":00:00"; };
  const timestamp_us start = 1'577'836'800'000'000, hour = 3'600'000'000;
  op.push(rows(in, {{"a", at(1)}, {"b", at(1)}, {"b", at(5)}}));
  op.watermark(start + 2 * hour);
  CHECK(op.out.net() == lines{"a," + at(1) + ",1", "b," + at(1) + ",1"});
  op.out.clear();
  op.advance(over_us);
  op.push(rows(in, {{"a", at(6)}}));
  op.watermark(start + 7 * hour);
  // b's row was there all the time, a began anew.
  CHECK(op.out.net() == lines{"a," + at(6) + ",1", "b," + at(5) + ",2"});
  op.advance(over_us);
  op.out.clear();
  op.push(rows(in, {{"b", at(8)}}));
  op.watermark(start + 9 * hour);
  CHECK(op.out.net() == lines{"b," + at(8) + ",1"});
}

TEST_CASE("an as-of join forgets the newest right row of a key that no other one came for") {
  auto in =
      std::make_shared<schema>(*columns({{"k", "text"}, {"v", "bigint"}, {"t", "timestamp"}}));
  in->event_time = 2;
  join_spec j;
  j.kind = join_kind::as_of_left;
  j.left.keys = j.right.keys = {0};
  j.left.time_column = j.right.time_column = 2;
  j.output = {0, 1, 4};
  const auto out = columns({{"k", "text"}, {"v", "bigint"}, {"w", "bigint"}});
  auto at = [](int hour) { return "2020-01-01 0" + std::to_string(hour) + ":00:00"; };
  const timestamp_us start = 1'577'836'800'000'000, hour = 3'600'000'000;
  instance op(with_ttl({"op", "as_of", j, out, false, 0}), {in, in});
  op.push(rows(in, {{"a", "10", at(1)}, {"b", "20", at(1)}}), 1);
  op.push(rows(in, {{"a", "1", at(2)}, {"b", "2", at(2)}}), 0);
  op.watermark(start + 3 * hour);
  CHECK(op.out.net() == lines{"a,1,10", "b,2,20"});
  op.out.clear();
  op.advance(ttl_us - minute);
  op.push(rows(in, {{"b", "21", at(4)}}), 1);
  op.push(rows(in, {{"a", "3", at(5)}, {"b", "4", at(5)}}), 0);
  op.advance(over_us - ttl_us + minute);
  // Left rows wait for the watermark however long that takes.
  op.watermark(start + 6 * hour);
  CHECK(op.out.net() == lines{"a,3,NULL", "b,4,21"});
  op.out.clear();
  op.advance(over_us);
  op.push(rows(in, {{"b", "22", at(7)}}), 1);
  op.push(rows(in, {{"b", "5", at(7)}}), 0);
  op.watermark(start + 8 * hour);
  CHECK(op.out.net() == lines{"b,5,22"});
}
