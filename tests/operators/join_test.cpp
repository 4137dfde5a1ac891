// Joins against nested loops over all rows kept: random batches, weights, barriers, aborted epochs
// and restores at another parallelism; lifetimes against the same over rows that were not late.
#include <algorithm>
#include <optional>
#include <random>

#include "harness.hpp"

using namespace weir;
using namespace weir::test;

namespace {

struct row {
  std::optional<int64_t> k, v;
  std::string t;
  auto operator<=>(const row&) const = default;
  std::string text() const {
    auto n = [](auto x) { return x ? std::to_string(*x) : std::string("NULL"); };
    return n(k) + ',' + n(v) + ',' + t;
  }
};
using table = std::map<row, int64_t>;

schema_ptr input() {
  return columns({{"k", "bigint"}, {"v", "bigint"}, {"t", "text"}});
}

struct shape {
  join_kind kind = join_kind::inner;
  bool condition = false, null_safe = false, keyed = true;
  bool near = false;  // the condition bounds how far apart v is, which is a time then
};
constexpr int64_t before_us = 100'000, after_us = 150'000, near_step_us = 50'000;

bool matches(const shape& s, const row& l, const row& r) {
  if (s.keyed && !(l.k && r.k ? *l.k == *r.k : s.null_safe && !l.k && !r.k)) return false;
  if (s.near) return l.v && r.v && *r.v >= *l.v - before_us && *r.v <= *l.v + after_us;
  return !s.condition || (l.v && r.v && *l.v < *r.v);
}

operator_node node_of(const shape& s, bool changes = true) {
  join_spec j;
  j.kind = s.kind;
  const auto in = input();
  for (auto* side : {&j.left, &j.right}) {
    if (s.keyed) side->keys = {0};
    if (s.keyed) side->null_safe = {s.null_safe};
    side->has_changes = changes;
  }
  if (s.condition) {
    j.condition_columns = {1, 4};
    j.condition = bind(s.near ? "r BETWEEN l - 100000 AND l + 150000" : "l < r",
                       *columns({{"l", "bigint"}, {"r", "bigint"}}));
  }
  if (s.near) {
    j.left.time_column = j.right.time_column = 1;
    j.left.retain_us = after_us;
    j.right.retain_us = before_us;
  }
  auto out = std::make_shared<schema>(*in);
  j.output = {0, 1, 2};
  if (s.kind != join_kind::semi && s.kind != join_kind::anti)
    for (uint32_t c = 3; c < 6; ++c) {
      j.output.push_back(c);
      out->fields.push_back({"r" + std::to_string(c), in->fields[c - 3].type});
    }
  return {"op", "join", j, out, true, 0};
}

lines expected(const shape& s, const table& left, const table& right) {
  std::map<std::string, int64_t> sum;
  const auto k = s.kind;
  const bool pairs = k != join_kind::semi && k != join_kind::anti;
  const std::string nothing = ",NULL,NULL,NULL";
  for (const auto& [l, wl] : left) {
    int64_t partners = 0;
    for (const auto& [r, wr] : right) {
      if (!matches(s, l, r)) continue;
      partners += wr;
      if (pairs) sum[l.text() + ',' + r.text()] += wl * wr;
    }
    if ((k == join_kind::left || k == join_kind::full) && partners == 0)
      sum[l.text() + nothing] += wl;
    if ((k == join_kind::semi && partners > 0) || (k == join_kind::anti && partners == 0))
      sum[l.text()] += wl;
  }
  if (k == join_kind::right || k == join_kind::full)
    for (const auto& [r, wr] : right) {
      int64_t partners = 0;
      for (const auto& [l, wl] : left)
        if (matches(s, l, r)) partners += wl;
      if (partners == 0) sum["NULL,NULL,NULL," + r.text()] += wr;
    }
  lines out;
  for (auto& [text, w] : sum)
    if (w) out.push_back(w == 1 ? text : std::to_string(w) + ": " + text);
  return out;
}

batch_ptr random_batch(table& all, std::mt19937_64& g, bool near = false) {
  std::vector<std::vector<std::string>> cells;
  std::vector<int32_t> weights;
  for (uint64_t n = 1 + g() % 30; n > 0; --n) {
    row r;
    if (g() % 8) r.k = static_cast<int64_t>(g() % 12);
    if (g() % 8)
      r.v = near ? near_step_us * (static_cast<int64_t>(g() % 40) - 20)
                 : static_cast<int64_t>(g() % 6);
    r.t = std::string(1 + g() % 15, static_cast<char>('a' + g() % 3));
    int32_t w = 1;
    if (g() % 2) {
      std::vector<row> there;
      for (auto& [x, c] : all)
        if (c > 0) there.push_back(x);
      if (!there.empty()) r = there[g() % there.size()], w = g() % 4 ? -1 : 1;
    }
    all[r] += w;
    auto n_text = [](auto x) { return x ? std::to_string(*x) : std::string("NULL"); };
    cells.push_back({n_text(r.k), n_text(r.v), r.t});
    weights.push_back(w);
  }
  return rows(input(), cells, weights);
}

// A TTL that nothing reaches, though passes look for what does.
constexpr int64_t ttl_us = 3'600'000'000, step_us = 60'000'000;

void run(uint64_t seed, const shape& s, bool ttl = false) {
  CAPTURE(seed);
  CAPTURE(static_cast<int>(s.kind));
  CAPTURE(s.condition);
  CAPTURE(s.null_safe);
  std::mt19937_64 g(seed);
  const auto in = input();
  auto node = node_of(s);
  if (ttl) node.state_ttl_us = ttl_us;
  table sides[2];
  timestamp_us now = 0;
  std::vector<state_chunk> durable;
  uint32_t parallelism = 1;
  std::vector<std::unique_ptr<instance>> ops;
  auto deploy = [&] {
    ops.clear();
    for (uint32_t i = 0; i < parallelism; ++i)
      ops.push_back(std::make_unique<instance>(
          node, std::vector{in, in}, range_of_subtask(128, parallelism, i), nullptr, now));
  };
  auto push = [&] {
    now += step_us / 2;
    for (auto& o : ops) o->advance(step_us / 2);
    const auto port = static_cast<uint16_t>(g() % 2);
    const auto b = random_batch(sides[port], g, s.near);
    const uint32_t keys[] = {0};
    auto parts = partition(b, hash_keys(*b, keys, pool()), parallelism, 128, pool());
    for (uint32_t i = 0; i < parallelism; ++i)
      if (parts[i]) ops[i]->push(parts[i], port);
  };
  deploy();
  output out;
  auto collect = [&] {
    for (auto& o : ops) {
      for (auto& b : o->out.batches) out.batches.push_back(b);
      o->out.clear();
    }
  };
  for (uint64_t e = 1; e <= 8; ++e) {
    for (uint64_t n = g() % 5; n > 0; --n) push();
    collect();
    REQUIRE(out.net() == expected(s, sides[0], sides[1]));
    const table at_barrier[2] = {sides[0], sides[1]};
    const auto out_at_barrier = out.batches;
    std::vector<std::unique_ptr<chunk_list_writer>> writers;
    for (uint32_t i = 0; i < parallelism; ++i) {
      writers.push_back(std::make_unique<chunk_list_writer>(pool(), epoch(e), "op", i));
      ops[i]->begin_snapshot(*writers[i]);
    }
    if (g() % 2) push();  // behind the barrier
    for (uint32_t i = 0; i < parallelism; ++i)
      while (!*ops[i]->op->snapshot_continue(*writers[i], 200))
        if (g() % 8 == 0) push();
    collect();
    if (g() % 3 == 0) {
      for (auto& o : ops) REQUIRE(o->op->on_epoch_aborted(epoch(e)).ok());
      continue;
    }
    for (auto& o : ops) REQUIRE(o->op->on_epoch_complete(epoch(e)).ok());
    for (auto& w : writers)
      for (auto& c : w->take()) durable.push_back(std::move(c));
    if (g() % 2) {  // a crash: back to the barrier, at another parallelism
      sides[0] = at_barrier[0];
      sides[1] = at_barrier[1];
      out.batches = out_at_barrier;
      parallelism = s.keyed ? 1 + static_cast<uint32_t>(g() % 3) : 1;
      deploy();
      for (auto& o : ops) o->restore(durable);
    }
  }
  for (auto& o : ops) o->end();
  collect();
  CHECK(out.net() == expected(s, sides[0], sides[1]));
}

constexpr join_kind kinds[] = {join_kind::inner, join_kind::left, join_kind::right,
                               join_kind::full,  join_kind::semi, join_kind::anti};

/// Rows of (t timestamp, n bigint); t in seconds.
schema_ptr timed() {
  auto s = std::make_shared<schema>(*columns({{"t", "timestamp"}, {"n", "bigint"}}));
  s->event_time = 0;
  return s;
}
batch_ptr moments(const std::vector<std::pair<int64_t, int64_t>>& values) {
  column_builder t(type_id::timestamp, pool()), n(type_id::int64, pool());
  for (auto [a, b] : values) {
    t.append(a * 1'000'000);
    n.append(b);
  }
  return make_batch(timed(), {t.finish(), n.finish()});
}

}  // namespace

TEST_CASE("joins equal nested loops through changes, barriers, aborts and restores") {
  for (uint64_t seed = 1; seed <= 6; ++seed)
    for (auto kind : kinds)
      for (bool condition : {false, true}) {
        run(seed, {kind, condition, false, true});
        run(seed + 100, {kind, condition, true, true});
        run(seed + 200, {kind, condition, false, false});
        run(seed + 300, {kind, condition, false, true}, true);
      }
}

TEST_CASE("joins of rows that are near in time equal nested loops, too") {
  for (uint64_t seed = 1; seed <= 6; ++seed)
    for (auto kind : kinds) {
      run(seed, {kind, true, false, true, true});
      run(seed + 100, {kind, true, true, true, true});
      run(seed + 200, {kind, true, false, false, true});
      run(seed + 300, {kind, true, false, true, true}, true);
    }
}

TEST_CASE("rows that the condition does not accept are looked at in parts, far ones not at all") {
  constexpr int64_t n = 2000;
  for (bool bounded : {false, true}) {
    CAPTURE(bounded);
    join_spec j;
    j.kind = join_kind::left;
    if (bounded) j.left.time_column = j.right.time_column = 0;
    j.left.retain_us = j.right.retain_us = 1'000'000;
    j.condition_columns = {0, 1, 2, 3};
    j.condition =
        bind("b BETWEEN a - interval '1 second' AND a + interval '1 second' AND m = -l",
             *columns({{"a", "timestamp"}, {"l", "bigint"}, {"b", "timestamp"}, {"m", "bigint"}}));
    j.output = {1, 3};
    const auto changes = !bounded;
    instance op({"op", "join", j, columns({{"l", "bigint"}, {"r", "bigint"}}), changes, 0},
                {timed(), timed()});
    std::vector<std::pair<int64_t, int64_t>> lefts, rights;
    for (int64_t i = 1; i <= n; ++i) {
      lefts.emplace_back(i, i);
      rights.emplace_back(i, i);
    }
    rights[n - 1].second = -n;
    rights[n / 2].second = -n;  // which is too far away
    op.push(moments(lefts), 0);
    op.out.clear();
    REQUIRE(op.op->process_batch(1, moments(rights), op.out).ok());
    int parts = 1;
    for (auto more = op.op->drain(op.out); *more; more = op.op->drain(op.out)) ++parts;
    if (bounded)
      CHECK(parts == 1);
    else
      CHECK(parts > 10);
    op.end();
    lines pairs;
    for (const auto& l : op.out.net())
      if (l.find("NULL") == std::string::npos) pairs.push_back(l);
    CHECK(pairs == lines{std::to_string(n) + ",-" + std::to_string(n)});
  }
}

TEST_CASE("a pair of large groups leaves in parts") {
  const auto in = input();
  instance op(node_of({join_kind::inner}), {in, in});
  auto many = [&](int64_t n, const char* text) {
    column_builder k(type_id::int64, pool()), v(type_id::int64, pool()), t(type_id::string, pool());
    for (int64_t i = 0; i < n; ++i) {
      k.append(int64_t{7});
      v.append(i);
      t.append(text);
    }
    return make_batch(in, {k.finish(), v.finish(), t.finish()});
  };
  op.push(many(3000, "left"), 0);
  REQUIRE(op.op->process_batch(1, many(1000, "right"), op.out).ok());
  size_t rows = 0, steps = 0;
  for (bool more = true; more; ++steps) {
    more = *op.op->drain(op.out);
    size_t step = 0;
    for (auto& b : op.out.batches) step += b->rows;
    CHECK(step <= 5 * batch_rows_target);
    rows += step;
    op.out.clear();
  }
  CHECK(rows == 3'000'000);
  CHECK(steps > 50);
}

TEST_CASE("an interval join forgets rows that nothing can match, and counts late ones") {
  join_spec j;  // left.t - 5 <= right.t <= left.t + 10
  j.kind = join_kind::full;
  j.left.time_column = 0;
  j.left.retain_us = 10'000'000;
  j.right.time_column = 0;
  j.right.retain_us = 5'000'000;
  j.condition_columns = {0, 2};
  j.condition = bind("b BETWEEN a - interval '5 seconds' AND a + interval '10 seconds'",
                     *columns({{"a", "timestamp"}, {"b", "timestamp"}}));
  j.output = {1, 3};
  REQUIRE(defers_unmatched(j));
  const operator_node node{"op", "join", j, columns({{"l", "bigint"}, {"r", "bigint"}}), false, 0};
  instance op(node, {timed(), timed()});
  op.push(moments({{100, 1}, {200, 2}}), 0);
  op.push(moments({{95, 10}, {94, 11}, {110, 12}, {111, 13}}), 1);
  CHECK(op.out.all() == lines{"1,10", "1,12"});
  op.out.clear();
  const auto before = op.op->state_bytes();
  op.watermark(150'000'000);
  auto unmatched = op.out.all();
  std::sort(unmatched.begin(), unmatched.end());
  CHECK(unmatched == lines{"NULL,11", "NULL,13"});
  CHECK(op.op->state_bytes() <= before + 64);  // the numbers of places that are free
  op.out.clear();
  op.push(moments({{149, 20}, {195, 21}}), 1);  // one late, one in time
  CHECK(op.metrics.late_rows == 1);
  CHECK(op.out.all() == lines{"2,21"});
  op.out.clear();
  op.push(moments({{300, 3}}), 0);
  op.end();
  CHECK(op.out.all() == lines{"3,NULL"});
}

TEST_CASE("the watermark of a join is behind its inputs' by as much as its rows may be") {
  join_spec j;
  j.left.time_column = j.right.time_column = 0;
  j.left.retain_us = 10'000'000;
  j.output = {1, 3};
  j.delay_us = 10'000'000;
  const operator_node node{"op", "join", j, columns({{"l", "bigint"}, {"r", "bigint"}}), false, 0};
  instance op(node, {timed(), timed()});
  CHECK(op.op->output_watermark(25'000'000) == 15'000'000);
  CHECK(op.op->output_watermark(watermark_none) == watermark_none);
  CHECK(op.op->output_watermark(watermark_none + 1) == watermark_none);
  CHECK(op.op->output_watermark(watermark_end) == watermark_end);
}

TEST_CASE("a row without a time has no partner in an interval, and is told so at once") {
  const auto in = columns({{"n", "bigint"}, {"t", "timestamp"}});
  join_spec j;
  j.kind = join_kind::full;
  j.left.time_column = j.right.time_column = 1;
  j.left.retain_us = j.right.retain_us = 1'000'000;
  j.condition_columns = {1, 3};
  j.condition = bind("b BETWEEN a - interval '1 second' AND a + interval '1 second'",
                     *columns({{"a", "timestamp"}, {"b", "timestamp"}}));
  j.output = {0, 2};
  instance op({"op", "join", j, columns({{"l", "bigint"}, {"r", "bigint"}}), false, 0}, {in, in});
  op.push(rows(in, {{"1", "NULL"}, {"2", "2020-01-01 00:00:00"}}), 0);
  op.push(rows(in, {{"3", "NULL"}, {"4", "2020-01-01 00:00:01"}}), 1);
  CHECK(op.out.all() == lines{"1,NULL", "NULL,3", "2,4"});
  op.out.clear();
  op.end();
  CHECK(op.out.all() == lines{});
}

TEST_CASE("a side whose partner has ended is looked up and not kept") {
  const auto in = input();
  for (auto kind : {join_kind::inner, join_kind::left, join_kind::semi, join_kind::anti})
    for (bool condition : {false, true}) {
      const shape s{kind, condition};
      instance op(node_of(s), {in, in});
      std::mt19937_64 g(7);
      table left, right;
      for (int i = 0; i < 6; ++i) {
        op.push(random_batch(left, g), 0);
        op.push(random_batch(right, g), 1);
      }
      REQUIRE(op.op->on_input_end(1, op.out).ok());
      REQUIRE(op.drain().ok());
      op.push(random_batch(left, g), 0);  // which takes the other rows of the side with it
      const auto kept = op.op->state_bytes();
      for (int i = 0; i < 50; ++i) op.push(random_batch(left, g), 0);
      CHECK(op.out.net() == expected(s, left, right));
      CHECK(op.op->state_bytes() <= kept);
    }
}

TEST_CASE("a side whose rows end by a column of theirs leaves when the watermark is beyond it") {
  // left.t <= right.t <= left.until
  const auto lots = std::make_shared<schema>(
      *columns({{"id", "bigint"}, {"t", "timestamp"}, {"until", "timestamp"}}));
  const auto bids = columns({{"lot", "bigint"}, {"t", "timestamp"}});
  for (auto kind : {join_kind::inner, join_kind::left}) {
    join_spec j;
    j.kind = kind;
    j.left.keys = j.right.keys = {0};
    j.left.time_column = 2;
    j.left.ends_by_column = true;
    j.left.late_column = 1;
    j.right.time_column = 1;
    j.condition_columns = {1, 2, 4};
    j.condition = bind("b BETWEEN a AND u",
                       *columns({{"a", "timestamp"}, {"u", "timestamp"}, {"b", "timestamp"}}));
    j.output = {0, 4};
    const operator_node node{"op",  "join", j, columns({{"id", "bigint"}, {"b", "timestamp"}}),
                             false, 0};
    instance op(node, {lots, bids});
    op.push(rows(lots, {{"1", "2020-01-01 00:00:10", "2020-01-01 00:00:20"},
                        {"2", "2020-01-01 00:00:10", "2020-01-01 00:01:00"},
                        {"3", "2020-01-01 00:00:10", "NULL"},
                        {"4", "2020-01-01 00:00:10", "2020-01-01 00:00:05"}}),
            0);
    op.push(rows(bids, {{"1", "2020-01-01 00:00:20"},
                        {"2", "2020-01-01 00:00:21"},
                        {"3", "2020-01-01 00:00:21"},
                        {"4", "2020-01-01 00:00:10"}}),
            1);
    // A row whose bound is NULL has no partner, and is told so at once.
    lines pairs{"1,2020-01-01 00:00:20", "2,2020-01-01 00:00:21"};
    if (kind == join_kind::left) pairs.insert(pairs.begin(), "3,NULL");
    auto all = op.out.all();
    std::sort(all.begin(), all.end());
    std::sort(pairs.begin(), pairs.end());
    CHECK(all == pairs);
    op.out.clear();
    const auto t = [](int64_t s) { return 1'577'836'800'000'000 + s * 1'000'000; };
    op.watermark(t(30));
    // Beyond their end: the first one had a partner, the last one never could.
    CHECK(op.out.all() == (kind == join_kind::left ? lines{"4,NULL"} : lines{}));
    op.out.clear();
    chunk_list_writer w(pool(), epoch(1), "op", 0);
    op.snapshot(w);
    const auto chunks = w.take();
    instance again(node, {lots, bids});
    again.restore(chunks);
    for (auto* o : {&op, &again}) {
      o->push(rows(lots, {{"5", "2020-01-01 00:00:29", "2020-01-01 00:10:00"},
                          {"6", "2020-01-01 00:00:30", "2020-01-01 00:00:40"}}),
              0);
      CHECK(o->metrics.late_rows == 1);  // by when it began, not by its end
      o->push(rows(bids, {{"1", "2020-01-01 00:00:30"},
                          {"2", "2020-01-01 00:01:00"},
                          {"5", "2020-01-01 00:00:40"},
                          {"6", "2020-01-01 00:00:40"}}),
              1);
      CHECK(o->out.all() == lines{"2,2020-01-01 00:01:00", "6,2020-01-01 00:00:40"});
      o->out.clear();
      o->end();
      CHECK(o->out.all() == lines{});
    }
  }
}

TEST_CASE("rows with one partner at most leave with it") {
  const auto people = columns({{"id", "bigint"}, {"name", "text"}});
  const auto orders = columns({{"person", "bigint"}, {"what", "text"}});
  for (bool condition : {false, true}) {
    join_spec j;  // orders on the left
    j.left.keys = j.right.keys = {0};
    j.left.one_partner = true;
    j.output = {1, 3};
    if (condition) {
      j.condition_columns = {3};
      j.condition = bind("n <> 'nobody'", *columns({{"n", "text"}}));
    }
    const operator_node node{"op",  "join", j, columns({{"what", "text"}, {"name", "text"}}),
                             false, 0};
    std::mt19937_64 g(condition ? 3 : 4);
    std::vector<std::pair<int64_t, std::string>> there[2];
    std::vector<state_chunk> durable;
    uint32_t parallelism = 2;
    std::vector<std::unique_ptr<instance>> ops;
    auto deploy = [&] {
      ops.clear();
      for (uint32_t i = 0; i < parallelism; ++i)
        ops.push_back(std::make_unique<instance>(node, std::vector{orders, people},
                                                 range_of_subtask(128, parallelism, i)));
    };
    deploy();
    output out;
    auto push = [&](uint16_t port, const std::vector<std::pair<int64_t, std::string>>& some) {
      std::vector<std::vector<std::string>> cells;
      for (const auto& [k, text] : some) cells.push_back({std::to_string(k), text});
      there[port].insert(there[port].end(), some.begin(), some.end());
      const auto b = rows(port == 0 ? orders : people, cells);
      const uint32_t keys[] = {0};
      auto parts = partition(b, hash_keys(*b, keys, pool()), parallelism, 128, pool());
      for (uint32_t i = 0; i < parallelism; ++i)
        if (parts[i]) ops[i]->push(parts[i], port);
      for (auto& o : ops) {
        for (auto& made : o->out.batches) out.batches.push_back(made);
        o->out.clear();
      }
    };
    auto check = [&] {
      lines want;
      std::map<std::string, int64_t> sum;
      for (const auto& [k, what] : there[0])
        for (const auto& [id, name] : there[1])
          if (k == id && (!condition || name != "nobody")) ++sum[what + ',' + name];
      for (auto& [text, n] : sum) want.push_back(n == 1 ? text : std::to_string(n) + ": " + text);
      REQUIRE(out.net() == want);
    };
    int64_t newest = 0;
    for (uint64_t e = 1; e <= 12; ++e) {
      std::vector<std::pair<int64_t, std::string>> some;
      for (int i = 0; i < 40; ++i)  // some for people who are yet to come, some twice
        some.emplace_back(static_cast<int64_t>(g()) % (newest + 10),
                          "order " + std::to_string(g() % 30) + " of something long");
      for (auto& s : some) s.first = std::abs(s.first);
      push(0, some);
      check();
      some.clear();
      for (int i = 0; i < 10; ++i, ++newest)
        some.emplace_back(newest, newest % 3 == 0 ? "nobody" : "somebody with a long name");
      push(1, some);
      check();
      // All that is kept is those who may be asked for.
      if (e % 3 == 0) {
        std::vector<std::unique_ptr<chunk_list_writer>> writers;
        for (uint32_t i = 0; i < parallelism; ++i) {
          chunk_list_writer w(pool(), epoch(e), "op", i);
          ops[i]->snapshot(w);
          REQUIRE(ops[i]->op->on_epoch_complete(epoch(e)).ok());
          for (auto& c : w.take()) durable.push_back(std::move(c));
        }
        parallelism = 1 + static_cast<uint32_t>(e / 3) % 3;
        deploy();
        for (auto& o : ops) o->restore(durable);
      }
    }
    const auto kept = [&] {
      size_t bytes = 0;
      for (auto& o : ops) bytes += o->op->state_bytes();
      return bytes;
    };
    const auto before = kept();
    for (int n = 0; n < 50; ++n) {
      std::vector<std::pair<int64_t, std::string>> some;
      for (int i = 0; i < 40; ++i)
        some.emplace_back(static_cast<int64_t>(g() % static_cast<uint64_t>(newest)),
                          "order " + std::to_string(g()) + " of something long");
      push(0, some);
    }
    check();
    CHECK(kept() == before);
  }
}

TEST_CASE("rows that end and rows that have met their partner take no more than what is open") {
  const auto lots = columns({{"id", "bigint"}, {"t", "timestamp"}, {"until", "timestamp"}});
  const auto bids = columns({{"lot", "bigint"}, {"t", "timestamp"}, {"what", "text"}});
  join_spec j;
  j.left.keys = j.right.keys = {0};
  j.left.time_column = 2;
  j.left.ends_by_column = true;
  j.left.late_column = 1;
  j.right.time_column = 1;
  j.right.one_partner = true;
  j.condition_columns = {1, 2, 4};
  j.condition = bind("b BETWEEN a AND u",
                     *columns({{"a", "timestamp"}, {"u", "timestamp"}, {"b", "timestamp"}}));
  j.output = {0, 5};
  const operator_node node{"op",  "join", j, columns({{"id", "bigint"}, {"what", "text"}}),
                           false, 0};
  instance op(node, {lots, bids});
  constexpr int64_t s = 1'000'000, each = 500;
  size_t early = 0, pairs = 0;
  for (int64_t e = 1; e <= 100; ++e) {
    column_builder id(type_id::int64, pool()), t(type_id::timestamp, pool()),
        until(type_id::timestamp, pool());
    column_builder lot(type_id::int64, pool()), at(type_id::timestamp, pool()),
        what(type_id::string, pool());
    for (int64_t i = 0; i < each; ++i) {
      id.append(e * each + i);
      t.append(e * s);
      until.append((e + 2) * s);
      // Of a lot that is open and of one that comes with the next batch.
      lot.append((e + i % 2) * each + i);
      at.append((e + i % 2) * s);
      what.append("a text of more than twelve bytes");
    }
    op.push(make_batch(bids, {lot.finish(), at.finish(), what.finish()}), 1);
    op.push(make_batch(lots, {id.finish(), t.finish(), until.finish()}), 0);
    op.watermark(e * s);
    chunk_list_writer w(pool(), epoch(static_cast<uint64_t>(e)), "op", 0);
    op.snapshot(w);
    REQUIRE(op.op->on_epoch_complete(epoch(static_cast<uint64_t>(e))).ok());
    for (auto& b : op.out.batches) pairs += b->rows;
    op.out.clear();
    if (e == 20) early = op.op->state_bytes();
  }
  CHECK(pairs == 100 * each - each / 2);
  CHECK(op.metrics.late_rows == 0);
  CHECK(op.op->state_bytes() <= early + early / 4);
}
