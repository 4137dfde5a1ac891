// top_n against sorting all rows: random batches, weights, barriers, aborted epochs and restores at
// another parallelism; after every batch the accumulated output equals the sorted table's window.
#include <algorithm>
#include <optional>
#include <random>

#include "harness.hpp"
#include "runtime/operators/exchange.hpp"

using namespace weir;
using namespace weir::test;

namespace {

struct row {
  std::optional<int64_t> k, v;
  std::string t;
  auto operator<=>(const row&) const = default;
};
using table = std::map<row, int64_t>;

schema_ptr input() {
  return columns({{"k", "bigint"}, {"v", "bigint"}, {"t", "text"}});
}

std::string text(const std::optional<int64_t>& v) {
  return v ? std::to_string(*v) : "NULL";
}

/// Order by v, then by k, v, t.
int compare_v(const row& a, const row& b, const order_term& o) {
  if (a.v == b.v) return 0;
  if (!a.v || !b.v) return !a.v == o.nulls_first ? -1 : 1;
  return (*a.v < *b.v) != o.descending ? -1 : 1;
}
bool nulls_last_less(const std::optional<int64_t>& a, const std::optional<int64_t>& b) {
  if (!a || !b) return a.has_value() && !b.has_value();
  return *a < *b;
}

std::map<std::string, int64_t> expected(const table& all, const top_n_spec& s) {
  std::map<std::string, std::vector<row>> partitions;
  for (const auto& [r, w] : all)
    for (int64_t n = 0; n < w; ++n) partitions[s.keys.empty() ? "" : text(r.k)].push_back(r);
  std::map<std::string, int64_t> out;
  for (auto& [k, rows] : partitions) {
    std::sort(rows.begin(), rows.end(), [&s](const row& a, const row& b) {
      const int c = s.order.empty() ? 0 : compare_v(a, b, s.order[0]);
      if (c != 0) return c < 0;
      if (a.k != b.k) return nulls_last_less(a.k, b.k);
      if (a.v != b.v) return nulls_last_less(a.v, b.v);
      return a.t < b.t;
    });
    uint64_t rank = 0, dense = 0;
    for (uint64_t i = 0; i < rows.size(); ++i) {
      const bool peer =
          i > 0 && (s.order.empty() || compare_v(rows[i - 1], rows[i], s.order[0]) == 0);
      if (!peer) rank = i + 1, ++dense;
      const uint64_t number = s.function == rank_function::row_number ? i + 1
                              : s.function == rank_function::rank     ? rank
                                                                      : dense;
      const uint64_t end = s.with_ties ? rank : number;
      if (number <= s.offset || end > s.offset + s.limit) continue;
      auto line = text(rows[i].k) + "," + text(rows[i].v) + "," + rows[i].t;
      if (s.with_number) line += "," + std::to_string(number);
      ++out[line];
    }
  }
  return out;
}

lines as_lines(const std::map<std::string, int64_t>& m) {
  lines out;
  for (const auto& [line, n] : m) out.push_back(n == 1 ? line : std::to_string(n) + ": " + line);
  std::sort(out.begin(), out.end());
  return out;
}

batch_ptr random_batch(const schema_ptr& in, table& all, std::mt19937_64& g, bool changes) {
  std::vector<std::vector<std::string>> cells;
  std::vector<int32_t> weights;
  const auto most = g() % 8 == 0 ? 900 : 30;
  for (uint64_t n = 1 + g() % most; n > 0; --n) {
    row r{{}, {}, std::string(1 + g() % 16, static_cast<char>('a' + g() % 3))};
    if (g() % 9 != 0) r.k = static_cast<int64_t>(g() % 4);
    if (g() % 9 != 0) r.v = static_cast<int64_t>(g() % 30) - 9;
    int32_t w = 1;
    if (changes && g() % 2 == 0) {
      std::vector<row> there;
      for (auto& [x, c] : all)
        if (c > 0) there.push_back(x);
      if (!there.empty()) r = there[g() % there.size()], w = -1;
    }
    if (changes && w == 1 && g() % 5 == 0) w = 2;
    all[r] += w;
    cells.push_back({text(r.k), text(r.v), r.t});
    weights.push_back(w);
  }
  return rows(in, cells, changes ? weights : std::vector<int32_t>{});
}

/// Adds up; a batch that emits a row and takes it back is more than it needs to say.
void accumulate(std::map<std::string, int64_t>& sum, output& out) {
  std::map<std::string, int64_t> now;
  int64_t moved = 0;
  for (const auto& b : out.batches)
    for (uint32_t i = 0; i < b->rows; ++i) {
      auto line = format_row(*b, i);
      const int32_t w = b->weight(b->row(i));
      if (w != 1) line = line.substr(line.find(": ") + 2);
      now[line] += w;
      moved += std::abs(w);
    }
  int64_t net = 0;
  for (const auto& [line, w] : now) {
    net += std::abs(w);
    if ((sum[line] += w) == 0) sum.erase(line);
  }
  CHECK(moved == net);
  out.clear();
}

// A TTL that nothing reaches, though passes look for what does.
constexpr int64_t ttl_us = 3'600'000'000, step_us = 60'000'000;

void run(uint64_t seed, const top_n_spec& s, bool ttl = false) {
  CAPTURE(seed);
  CAPTURE(s.limit);
  CAPTURE(s.offset);
  CAPTURE(s.with_number);
  CAPTURE(s.input_has_changes);
  CAPTURE(static_cast<int>(s.function));
  std::mt19937_64 g(seed);
  auto in = input();
  auto type = std::make_shared<schema>(*in);
  if (s.with_number) type->fields.push_back({"n", type_id::int64});
  operator_node node{"op", "top", s, type, true, 0};
  if (ttl && takes_state_ttl(node.spec)) node.state_ttl_us = ttl_us;
  timestamp_us now = 0;
  table all;
  std::map<std::string, int64_t> sum;
  std::vector<state_chunk> durable;
  uint32_t parallelism = 1;
  std::vector<std::unique_ptr<instance>> ops;
  auto deploy = [&] {
    ops.clear();
    for (uint32_t i = 0; i < parallelism; ++i)
      ops.push_back(std::make_unique<instance>(node, std::vector{in},
                                               range_of_subtask(128, parallelism, i), nullptr, now,
                                               i, parallelism));
  };
  auto push = [&] {
    now += step_us / 2;
    for (auto& o : ops) o->advance(step_us / 2);
    auto b = random_batch(in, all, g, s.input_has_changes);
    auto parts = partition(b, hash_keys(*b, s.keys, pool()), parallelism, 128, pool());
    for (uint32_t i = 0; i < parallelism; ++i)
      if (parts[i]) {
        ops[i]->push(parts[i]);
        accumulate(sum, ops[i]->out);
      }
    CHECK(as_lines(sum) == as_lines(expected(all, s)));
  };
  deploy();
  for (uint64_t e = 1; e <= 12; ++e) {
    for (uint64_t n = g() % 4; n > 0; --n) push();
    const auto at_barrier = all;
    const auto sum_at_barrier = sum;
    std::vector<std::unique_ptr<chunk_list_writer>> writers;
    for (uint32_t i = 0; i < parallelism; ++i) {
      writers.push_back(std::make_unique<chunk_list_writer>(pool(), epoch(e), "op", i));
      ops[i]->begin_snapshot(*writers[i]);
    }
    if (g() % 2) push();  // behind the barrier
    for (uint32_t i = 0; i < parallelism; ++i)
      while (!*ops[i]->op->snapshot_continue(*writers[i], 200))
        if (g() % 8 == 0) push();
    if (g() % 3 == 0) {
      for (auto& o : ops) REQUIRE(o->op->on_epoch_aborted(epoch(e)).ok());
      continue;
    }
    for (auto& o : ops) REQUIRE(o->op->on_epoch_complete(epoch(e)).ok());
    for (auto& w : writers)
      for (auto& c : w->take()) durable.push_back(std::move(c));
    if (g() % 2) {  // a crash: back to the barrier, at another parallelism
      all = at_barrier;
      sum = sum_at_barrier;
      parallelism = s.keys.empty() ? 1 : 1 + static_cast<uint32_t>(g() % 3);
      deploy();
      for (auto& o : ops) o->restore(durable);
    }
  }
}

top_n_spec spec(uint64_t seed) {
  std::mt19937_64 g(seed);
  top_n_spec s;
  if (g() % 4 != 0) s.keys = {0};
  s.order = {{1, g() % 2 == 0, g() % 2 == 0}};
  s.limit = 1 + g() % 5;
  if (g() % 3 == 0) s.offset = g() % 4;
  s.with_number = g() % 2;
  return s;
}

}  // namespace

TEST_CASE("the first rows equal those of the sorted table through barriers, aborts and restores") {
  for (uint64_t seed = 1; seed <= 30; ++seed)
    for (bool changes : {false, true}) {
      auto s = spec(seed);
      s.input_has_changes = changes;
      run(seed, s);
      run(seed, s, true);
    }
}

TEST_CASE("ranks keep peers together") {
  for (uint64_t seed = 1; seed <= 15; ++seed)
    for (bool changes : {false, true})
      for (auto f : {rank_function::rank, rank_function::dense_rank}) {
        auto s = spec(100 + seed);
        s.function = f;
        s.input_has_changes = changes;
        run(seed, s);
      }
}

TEST_CASE("the last row's peers come with it where ties are asked for") {
  for (uint64_t seed = 1; seed <= 10; ++seed)
    for (bool changes : {false, true}) {
      auto s = spec(200 + seed);
      s.with_ties = true;
      s.with_number = false;
      s.input_has_changes = changes;
      run(seed, s);
    }
}

TEST_CASE("many rows per partition, and no order at all") {
  for (uint64_t seed = 1; seed <= 4; ++seed)
    for (bool changes : {false, true}) {
      auto s = spec(300 + seed);
      s.limit = seed % 2 ? 100 : 5000;  // above and below what a list holds
      s.input_has_changes = changes;
      if (seed > 2) s.order.clear();
      run(seed, s);
    }
}

TEST_CASE("a few appended rows per partition, as many as stand packed in one entry and one more") {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    auto s = spec(500 + seed);
    s.limit = std::array{2, 10, 60, 64, 65}[seed % 5];
    s.offset = seed % 3 == 0 ? std::min<uint64_t>(4, 65 - s.limit) : 0;
    if (seed % 8 == 0) s.order.clear();
    run(seed, s, seed % 2 == 0);
  }
}

TEST_CASE("rows of any size stand beside each other, and come back from a snapshot") {
  auto in = input();
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, false, false}};
  s.limit = 3;
  const operator_node node{"op", "top", s, in, true, 0};
  std::mt19937_64 g(1);
  // Characters that need all eight bits, so that packing leaves their number as it is.
  auto text_of = [&g](size_t bytes) {
    std::string t;
    while (t.size() < bytes) t += g() % 2 ? "\xc3\xa9" : "a";
    return t;
  };
  std::vector<std::vector<std::string>> cells;
  lines first;
  for (size_t bytes : {0, 1, 254, 65'500, 65'530, 65'535, 65'536, 200'000}) {
    cells.push_back({"1", std::to_string(cells.size()), text_of(bytes)});
    if (first.size() < 3) first.push_back("1," + cells.back()[1] + "," + cells.back()[2]);
  }
  auto op = std::make_unique<instance>(node, std::vector{in});
  for (size_t i = cells.size(); i > 0; --i) {  // the largest first, which leave again
    op->push(rows(in, {cells[i - 1]}));
    chunk_list_writer w(pool(), epoch(1), "op", 0);
    op->begin_snapshot(w);
    while (!*op->op->snapshot_continue(w, 100)) continue;
    op->out.clear();
    op = std::make_unique<instance>(node, std::vector{in});
    op->restore(w.take());
  }
  op->push(rows(in, {{"1", "-1", "new"}}));
  CHECK(op->out.net() == lines{"1,-1,new", "-1: " + first[2]});
}

TEST_CASE("appended rows that cannot be among the first are not kept") {
  auto in = input();
  top_n_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  s.limit = 3;
  for (auto f : {rank_function::row_number, rank_function::dense_rank}) {
    s.function = f;
    instance op({"op", "top", s, in, true, 0}, {in});
    size_t early = 0;
    std::mt19937_64 g(7);
    for (int i = 0; i < 400; ++i) {
      std::vector<std::vector<std::string>> cells;
      for (int n = 0; n < 500; ++n)
        cells.push_back({std::to_string(n % 5), std::to_string(g() % 1'000'000'000),
                         "a text that is longer than twelve bytes " + std::to_string(n)});
      op.push(rows(in, cells));
      if (i == 20) early = op.op->state_bytes();
    }
    CHECK(op.op->state_bytes() < early * 2);
    CHECK(op.out.net().size() == 15);
  }
}

TEST_CASE("one row per key, with keys that come again in a batch") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    auto s = spec(400 + seed);
    s.keys = {0};
    s.limit = 1;
    s.offset = 0;
    if (seed % 5 == 0) s.order.insert(s.order.begin(), {0, true, false});  // the key itself
    if (seed % 5 != 0) run(seed, s);
  }
  // Ordered by the key alone, any row may be the first: the one that all columns say.
  auto in = input();
  top_n_spec s;
  s.keys = {0};
  s.order = {{0, true, false}};
  s.with_number = true;
  auto type = std::make_shared<schema>(*in);
  type->fields.push_back({"n", type_id::int64});
  instance op({"op", "top", s, type, true, 0}, {in});
  op.push(rows(in, {{"1", "5", "b"}, {"2", "1", "x"}, {"1", "5", "a"}}));
  op.push(rows(in, {{"1", "NULL", "a"}, {"1", "4", "a text of more than twelve bytes"}}));
  CHECK(op.out.net() == lines{"1,4,a text of more than twelve bytes,1", "2,1,x,1"});
}

TEST_CASE("one row per key where keys share a hash: NULL is 1 to it") {
  auto in = columns({{"k", "bigint"}, {"l", "bigint"}, {"v", "bigint"}});
  top_n_spec s;
  s.keys = {0, 1};
  s.order = {{2, false, false}};
  instance op({"op", "top", s, in, true, 0}, {in});
  op.push(rows(in, {{"1", "5", "2"},
                    {"NULL", "5", "3"},
                    {"7", "5", "1"},
                    {"1", "6", "4"},
                    {"NULL", "6", "4"},
                    {"1", "5", "3"},
                    {"NULL", "5", "1"}}));
  CHECK(op.out.net() == lines{"1,5,2", "1,6,4", "7,5,1", "NULL,5,1", "NULL,6,4"});
}

TEST_CASE("the first rows of a window leave once, when the watermark reaches its end") {
  auto in = columns({{"w", "timestamp"}, {"v", "bigint"}});
  for (auto f : {rank_function::row_number, rank_function::rank}) {
    top_n_spec s;
    s.keys = {0};
    s.order = {{1, true, false}};
    s.function = f;
    s.limit = 2;
    s.emit = emit_mode::final_only;
    s.window_end_key = 0;
    const operator_node node{"op", "top", s, in, false, 0};
    auto op = std::make_unique<instance>(node, std::vector{in});
    op->push(rows(in, {{"2000-01-01 01:00:00", "1"}, {"2000-01-01 02:00:00", "7"}}));
    op->push(rows(in, {{"2000-01-01 01:00:00", "3"}, {"NULL", "9"}}));
    op->push(rows(in, {{"2000-01-01 01:00:00", "2"}, {"2000-01-01 02:00:00", "8"}}));
    CHECK(op->out.batches.empty());
    chunk_list_writer w(pool(), epoch(1), "op", 0);
    op->snapshot(w);
    op = std::make_unique<instance>(node, std::vector{in});
    op->restore(w.take());
    constexpr timestamp_us one = 946'688'400'000'000;  // 2000-01-01 01:00
    op->watermark(one - 1);
    CHECK(op->out.batches.empty());
    op->watermark(one);
    CHECK(op->out.all() == lines{"2000-01-01 01:00:00,3", "2000-01-01 01:00:00,2"});
    op->out.clear();
    op->push(rows(in, {{"2000-01-01 01:00:00", "100"}, {"2000-01-01 02:00:00", "1"}}));
    CHECK(op->metrics.late_rows == 1);
    op->end();
    CHECK(op->out.net() == lines{"2000-01-01 02:00:00,7", "2000-01-01 02:00:00,8", "NULL,9"});
    for (auto& b : op->out.batches) CHECK(!b->weights);
    op->out.clear();
    op->end();
    CHECK(op->out.batches.empty());
  }
}

TEST_CASE("keys that end with a time of theirs leave when the watermark is beyond it") {
  auto in =
      columns({{"id", "bigint"}, {"until", "timestamp"}, {"price", "bigint"}, {"who", "text"}});
  // One row per key, some of them, those with their peers.
  for (int form : {0, 1, 2})
    for (auto emit : {emit_mode::changes, emit_mode::final_only})
      for (uint32_t time_is_key : {0, 1}) {
        CAPTURE(form);
        top_n_spec s;
        s.keys = {0};
        if (time_is_key) s.keys.push_back(1);
        s.order = {{2, true, false}};
        s.limit = form == 0 ? 1 : 2;
        if (form == 2) s.function = rank_function::rank;
        s.emit = emit;
        s.time_column = 1;
        s.retain_us = 5'000'000;
        const operator_node node{"op", "top", s, in, emit == emit_mode::changes, 0};
        auto op = std::make_unique<instance>(node, std::vector{in});
        const bool final = emit == emit_mode::final_only;
        const std::string ten = "2000-01-01 01:00:10", hour = "2000-01-01 02:00:00";
        op->push(rows(in, {{"1", ten, "5", "somebody with a long name"}, {"2", hour, "7", "b"}}));
        op->push(rows(in, {{"1", ten, "6", "c"}, {"1", ten, "4", "d"}}));
        op->push(rows(in, {{"3", ten, "1", "e"}}));
        lines early{"1," + ten + ",6,c", "3," + ten + ",1,e"};
        if (form != 0) early.insert(early.begin(), "1," + ten + ",5,somebody with a long name");
        lines late{"2," + hour + ",7,b"};
        lines both = early;
        both.insert(both.end(), late.begin(), late.end());
        std::sort(both.begin(), both.end());
        CHECK(op->out.net() == (final ? lines{} : both));
        op->out.clear();
        constexpr timestamp_us end = 946'688'415'000'000;  // 01:00:15
        op->watermark(end);
        CHECK(op->out.batches.empty());
        op->push(rows(in, {{"3", ten, "0", "f"}}));  // just in time
        if (form != 0) early.insert(early.begin() + 2, "3," + ten + ",0,f");
        CHECK(op->metrics.late_rows == 0);
        chunk_list_writer w(pool(), epoch(1), "op", 0);
        op->snapshot(w);
        REQUIRE(op->op->on_epoch_complete(epoch(1)).ok());
        auto chunks = w.take();
        auto again = std::make_unique<instance>(node, std::vector{in});
        again->restore(chunks);
        for (auto* o : {&op, &again}) {
          (*o)->out.clear();
          (*o)->watermark(end + 200'000);
          std::sort(early.begin(), early.end());
          CHECK((*o)->out.net() == (final ? early : lines{}));
          for (auto& b : (*o)->out.batches) CHECK(!b->weights);
          (*o)->out.clear();
          // A new key takes a place that became free; its rows are its own.
          (*o)->push(rows(in, {{"1", ten, "9", "late"}, {"4", hour, "2", "g"}}));
          CHECK((*o)->metrics.late_rows == 1);
          if (!final) CHECK((*o)->out.all() == lines{"4," + hour + ",2,g"});
          chunk_list_writer second(pool(), epoch(2), "op", 0);
          (*o)->snapshot(second);
          auto more = second.take();
          auto all = chunks;
          for (auto& c : more) all.push_back(std::move(c));
          instance third(node, {in});
          third.restore(all);
          third.push(rows(in, {{"2", hour, "8", "h"}, {"3", ten, "100", "late"}}));
          CHECK(third.metrics.late_rows == 1);
          third.end();
          lines rest{"2," + hour + ",8,h"};
          if (form != 0) rest.insert(rest.begin(), "2," + hour + ",7,b");
          rest.push_back("4," + hour + ",2,g");
          if (!final)
            rest = form == 0 ? lines{"-1: 2," + hour + ",7,b", "2," + hour + ",8,h"}
                             : lines{"2," + hour + ",8,h"};
          auto got = third.out.net();
          std::sort(got.begin(), got.end());
          std::sort(rest.begin(), rest.end());
          CHECK(got == rest);
        }
      }
}

TEST_CASE("keys that come and end for ever take no more than those that are open") {
  auto in = columns({{"id", "bigint"}, {"until", "timestamp"}, {"price", "bigint"}});
  for (uint64_t limit : {1, 3}) {
    top_n_spec s;
    s.keys = {0};
    s.order = {{2, false, false}};
    s.limit = limit;
    s.time_column = 1;
    const operator_node node{"op", "top", s, in, true, 0};
    instance op(node, {in});
    size_t early = 0;
    for (int64_t e = 1; e <= 100; ++e) {
      column_builder id(type_id::int64, pool()), until(type_id::timestamp, pool()),
          price(type_id::int64, pool());
      for (int64_t i = 0; i < 2000; ++i) {  // two rows of a key
        id.append(e * 1000 + i / 2);
        until.append((e + i / 2 % 7) * 1'000'000);
        price.append(i);
      }
      op.push(make_batch(in, {id.finish(), until.finish(), price.finish()}));
      op.watermark(e * 1'000'000);
      chunk_list_writer w(pool(), epoch(static_cast<uint64_t>(e)), "op", 0);
      op.snapshot(w);
      REQUIRE(op.op->on_epoch_complete(epoch(static_cast<uint64_t>(e))).ok());
      op.out.clear();
      if (e == 20) early = op.op->state_bytes();
    }
    CHECK(op.op->state_bytes() <= early + early / 4);
    CHECK(op.metrics.late_rows == 0);
  }
}

TEST_CASE("once, at the end, all rows leave in order") {
  auto in = columns({{"v", "bigint"}});
  top_n_spec s;
  s.order = {{0, true, false}};
  s.limit = UINT64_MAX;
  s.emit = emit_mode::final_only;
  s.input_has_changes = true;
  instance op({"op", "top", s, in, false, 0}, {in});
  std::vector<std::vector<std::string>> cells;
  for (int i = 0; i < 20'000; ++i) cells.push_back({std::to_string(i * 7919 % 20'011)});
  op.push(rows(in, cells));
  op.push(rows(in, {{"5"}, {"7919"}}, {2, -1}));
  CHECK(op.out.batches.empty());
  op.end();
  std::vector<int64_t> values;
  for (auto& b : op.out.batches)
    for (uint32_t i = 0; i < b->rows; ++i)
      values.insert(values.end(), static_cast<size_t>(b->weight(i)),
                    b->columns[0]->data<int64_t>()[i]);
  CHECK(values.size() == 20'001);
  CHECK(std::is_sorted(values.rbegin(), values.rend()));
}
