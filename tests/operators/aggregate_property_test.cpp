// Aggregates against sums over all rows kept: random batches, weights, barriers, aborted epochs and
// restores at another parallelism; complete, and partial in front of merge.
#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <set>

#include "harness.hpp"
#include "runtime/column/text.hpp"

using namespace weir;
using namespace weir::test;
using fn = aggregate_function;

namespace {

struct row {
  std::string k, v, t;
  auto operator<=>(const row&) const = default;
};

schema_ptr input() {
  return columns({{"k", "text"}, {"v", "bigint"}, {"t", "text"}});
}

const std::vector<call> sums = {{fn::count_star, ""},   {fn::count, "v"},
                                {fn::sum, "v"},         {fn::avg, "v"},
                                {fn::bool_or, "v > 3"}, {fn::count_star, "", "v > 3"}};
// The distinct texts are kept once for all that count them.
const std::vector<call> picks = {{fn::min, "v"},
                                 {fn::count_distinct, "t", "v > 3"},
                                 {fn::max, "t"},
                                 {fn::count_distinct, "t"},
                                 {fn::count_distinct, "v"},
                                 {fn::count_distinct, "t", "v <= 1"},
                                 {fn::count_star, ""}};

const std::vector<call> bits = {{fn::bit_and, "v"},
                                {fn::bit_or, "v"},
                                {fn::bit_xor, "v"},
                                {fn::sum, "(v % 9) * interval '1 second'"},
                                {fn::avg, "(v - v + 2) * interval '1 day'"},
                                {fn::count_star, ""}};
enum class calls { of_sums, of_picks, of_bits };
const std::vector<call>& calls_of(calls what) {
  return what == calls::of_sums ? sums : what == calls::of_picks ? picks : bits;
}

/// What the calls give over a multiset of rows.
std::string answer(const std::map<row, int64_t>& all, const std::string& k, calls what) {
  int64_t star = 0, count = 0, sum = 0, seconds = 0, above = 0, in_all = -1, in_any = 0, odd = 0;
  std::optional<int64_t> low;
  std::optional<std::string> high;
  std::set<std::string> distinct, high_texts, low_texts, values;
  for (const auto& [r, w] : all) {
    if (r.k != k || w == 0) continue;
    star += w;
    if (r.t != "NULL") {
      distinct.insert(r.t);
      if (!high || *high < r.t) high = r.t;
    }
    if (r.v == "NULL") continue;
    const int64_t v = std::stoll(r.v);
    count += w;
    sum += w * v;
    seconds += w * (v % 9);
    if (v > 3) above += w;
    in_all &= v;
    in_any |= v;
    if (w % 2 != 0) odd ^= v;
    if (!low || v < *low) low = v;
    values.insert(r.v);
    if (r.t != "NULL" && v > 3) high_texts.insert(r.t);
    if (r.t != "NULL" && v <= 1) low_texts.insert(r.t);
  }
  if (star == 0) return "";
  auto size = [](const auto& set) { return "," + std::to_string(set.size()); };
  auto text = [](auto v) { return v ? std::to_string(*v) : std::string("NULL"); };
  if (what == calls::of_picks)
    return k + "," + text(low) + size(high_texts) + "," + high.value_or("NULL") + size(distinct) +
           size(values) + size(low_texts) + "," + std::to_string(star);
  if (what == calls::of_bits) {
    if (count == 0) return k + ",NULL,NULL,NULL,NULL,NULL," + std::to_string(star);
    char time[40];
    std::snprintf(time, sizeof time, "%s00:%02d:%02d", seconds < 0 ? "-" : "",
                  static_cast<int>(std::abs(seconds) / 60),
                  static_cast<int>(std::abs(seconds) % 60));
    return k + "," + std::to_string(in_all) + "," + std::to_string(in_any) + "," +
           std::to_string(odd) + "," + time + ",2 days," + std::to_string(star);
  }
  char avg[40];
  *format_float64(avg, static_cast<double>(sum) / static_cast<double>(count)) = 0;
  return k + "," + std::to_string(star) + "," + std::to_string(count) + "," +
         (count ? std::to_string(sum) : "NULL") + "," + (count ? avg : "NULL") + "," +
         (count ? (above ? "true" : "false") : "NULL") + "," + std::to_string(above);
}

lines expected(const std::map<row, int64_t>& all, calls what) {
  std::set<std::string> keys;
  for (const auto& [r, w] : all) keys.insert(r.k);
  lines out;
  for (const auto& k : keys)
    if (auto a = answer(all, k, what); !a.empty()) out.push_back(a);
  std::sort(out.begin(), out.end());
  return out;
}

batch_ptr random_batch(const schema_ptr& in, std::map<row, int64_t>& all, std::mt19937_64& g,
                       bool changes) {
  std::vector<std::vector<std::string>> cells;
  std::vector<int32_t> weights;
  for (uint64_t n = 1 + g() % 40; n > 0; --n) {
    row r{g() % 9 == 0 ? "NULL" : std::string(g() % 20, 'k') + "z", "NULL", "NULL"};
    if (g() % 5 != 0) r.v = std::to_string(static_cast<int64_t>(g() % 9) - 2);
    // Distinct values take less room until one of these comes.
    if (all.size() > 100 && g() % 8 == 0)
      r.v = std::array{"2147483647", "-2147483648", "2147483648", "-2147483649",
                       "50000000000"}[g() % 5];
    if (g() % 5 != 0) r.t = std::string(1 + g() % 16, static_cast<char>('a' + g() % 3));
    int32_t w = 1;
    if (changes && g() % 2 == 0) {
      // Take back something that is there.
      std::vector<row> there;
      for (auto& [x, c] : all)
        if (c > 0) there.push_back(x);
      if (!there.empty()) r = there[g() % there.size()], w = -1;
    }
    all[r] += w;
    cells.push_back({r.k, r.v, r.t});
    weights.push_back(w);
  }
  return rows(in, cells, changes ? weights : std::vector<int32_t>{});
}

void run(uint64_t seed, calls what, bool changes, emit_mode emit) {
  CAPTURE(seed);
  CAPTURE(static_cast<int>(what));
  CAPTURE(changes);
  std::mt19937_64 g(seed);
  auto in = input();
  const auto node = node_of(aggregate(in, {0}, calls_of(what), emit, changes), in);
  std::map<row, int64_t> all;
  std::vector<state_chunk> durable;
  uint32_t parallelism = 1;
  std::vector<std::unique_ptr<instance>> ops;
  auto deploy = [&] {
    ops.clear();
    for (uint32_t i = 0; i < parallelism; ++i)
      ops.push_back(
          std::make_unique<instance>(node, std::vector{in}, range_of_subtask(128, parallelism, i)));
  };
  auto push = [&](const batch_ptr& b) {
    const uint32_t keys[] = {0};
    auto parts = partition(b, hash_keys(*b, keys, pool()), parallelism, 128, pool());
    for (uint32_t i = 0; i < parallelism; ++i)
      if (parts[i]) ops[i]->push(parts[i]);
  };
  deploy();
  output out;  // of everything up to the last complete epoch and since
  auto collect = [&] {
    for (auto& o : ops) {
      for (auto& b : o->out.batches) out.batches.push_back(b);
      o->out.clear();
    }
  };
  for (uint64_t e = 1; e <= 10; ++e) {
    for (uint64_t n = g() % 4; n > 0; --n) push(random_batch(in, all, g, changes));
    collect();
    const auto at_barrier = all;
    const auto out_at_barrier = out.batches;
    std::vector<std::unique_ptr<chunk_list_writer>> writers;
    for (uint32_t i = 0; i < parallelism; ++i) {
      writers.push_back(std::make_unique<chunk_list_writer>(pool(), epoch(e), "op", i));
      ops[i]->begin_snapshot(*writers[i]);
    }
    if (g() % 2) push(random_batch(in, all, g, changes));  // behind the barrier
    for (uint32_t i = 0; i < parallelism; ++i)
      while (!*ops[i]->op->snapshot_continue(*writers[i], 200))
        if (g() % 8 == 0) push(random_batch(in, all, g, changes));
    collect();
    if (g() % 3 == 0) {
      for (auto& o : ops) REQUIRE(o->op->on_epoch_aborted(epoch(e)).ok());
      continue;
    }
    for (auto& o : ops) REQUIRE(o->op->on_epoch_complete(epoch(e)).ok());
    for (auto& w : writers)
      for (auto& c : w->take()) durable.push_back(std::move(c));
    if (g() % 2) {  // a crash: back to the barrier, at another parallelism
      all = at_barrier;
      out.batches = out_at_barrier;
      parallelism = 1 + static_cast<uint32_t>(g() % 3);
      deploy();
      for (auto& o : ops) o->restore(durable);
    }
  }
  for (auto& o : ops) o->end();
  collect();
  CHECK(out.net() == expected(all, what));
}

void run_partial(uint64_t seed, calls what, bool changes) {
  CAPTURE(seed);
  std::mt19937_64 g(seed);
  auto in = input();
  auto spec = aggregate(in, {0}, calls_of(what), emit_mode::changes, changes);
  auto partial = spec, merge = spec;
  partial.stage = aggregate_spec::phase::partial;
  merge.stage = aggregate_spec::phase::merge;
  merge.complete_input = in;
  const auto partial_node = node_of(partial, in);
  instance p(partial_node, {in});
  instance m(node_of(merge, partial_node.output), {partial_node.output});
  std::map<row, int64_t> all;
  for (int i = 0; i < 20; ++i) {
    p.push(random_batch(in, all, g, changes));
    if (g() % 4 == 0) REQUIRE(p.op->approach_barrier(p.out).ok());  // perhaps given up
    if (g() % 3 == 0) REQUIRE(p.op->before_barrier(p.out).ok());
    for (auto& b : p.out.batches) m.push(b);
    p.out.clear();
  }
  REQUIRE(p.op->on_idle(p.out).ok());
  for (auto& b : p.out.batches) m.push(b);
  CHECK(m.out.net() == expected(all, what));
}

}  // namespace

TEST_CASE("aggregates equal sums over all rows through barriers, aborts and restores") {
  for (uint64_t seed = 1; seed <= 12; ++seed)
    for (auto what : {calls::of_sums, calls::of_picks, calls::of_bits})
      for (bool changes : {false, true})
        run(seed, what, changes, seed % 3 ? emit_mode::changes : emit_mode::final_only);
}

TEST_CASE("a partial and a merging stage equal a complete one") {
  for (uint64_t seed = 1; seed <= 10; ++seed)
    for (bool changes : {false, true}) {
      for (auto what : {calls::of_sums, calls::of_picks, calls::of_bits})
        run_partial(seed, what, changes);
    }
}

TEST_CASE("pre-aggregation empties a large table in parts while a barrier approaches") {
  auto s = std::make_shared<schema>();
  s->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
  schema_ptr in = s;
  auto spec = aggregate(in, {0}, {{fn::count_star, ""}, {fn::sum, "v"}}, emit_mode::final_only);
  auto partial = spec, merge = spec;
  partial.stage = aggregate_spec::phase::partial;
  merge.stage = aggregate_spec::phase::merge;
  merge.complete_input = in;
  const auto partial_node = node_of(partial, in);
  instance p(partial_node, {in});
  instance m(node_of(merge, partial_node.output), {partial_node.output});
  constexpr int64_t keys = 5 * 8192;
  int64_t pushed = 0;
  size_t passed = 0, largest = 0;
  auto push = [&](int batches) {
    for (; batches > 0; --batches) {
      column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
      for (int i = 0; i < 8192; ++i, ++pushed) {
        k.append(pushed % keys);
        v.append(int64_t{1});
      }
      p.push(make_batch(in, {k.finish(), v.finish()}));
    }
  };
  auto merged = [&] {
    size_t n = 0;
    for (auto& b : p.out.batches) m.push(b), n += b->rows;
    p.out.clear();
    passed += n;
    return n;
  };
  auto approach = [&] {
    auto more = p.op->approach_barrier(p.out);
    REQUIRE(more.ok());
    largest = std::max(largest, merged());
    return *more;
  };
  push(10);
  CHECK(merged() == 0);
  CHECK(p.op->held_rows() == keys);
  int parts = 1;
  for (; approach(); ++parts) {
    push(1);
    CHECK(merged() == 8192);  // passed by
  }
  CHECK(parts == 5);
  CHECK(largest == 8192);
  REQUIRE(p.op->before_barrier(p.out).ok());
  CHECK(merged() == 0);
  push(5);
  CHECK(merged() == 0);  // and added up again
  // Another barrier is given up half-way: rows go on passing for a while, then add up again.
  CHECK(approach());
  push(128);
  merged();
  CHECK(p.op->held_rows() == 0);
  push(5);
  CHECK(merged() == 0);
  REQUIRE(p.op->on_idle(p.out).ok());
  merged();
  m.end();
  CHECK(passed < static_cast<size_t>(pushed));
  size_t groups = 0;
  int64_t sum = 0;
  for (const auto& b : m.out.batches)
    for (uint32_t i = 0; i < b->rows; ++i, ++groups)
      sum += b->columns[1]->data<int64_t>()[b->row(i)];
  CHECK(groups == keys);
  CHECK(sum == pushed);
}

TEST_CASE("a row that is taken back does not pass a pre-aggregation before itself") {
  auto in = columns({{"k", "int"}, {"v", "bigint"}});
  auto spec = aggregate(in, {0}, {{fn::sum, "v"}}, emit_mode::changes, true);
  auto partial = spec, merge = spec;
  partial.stage = aggregate_spec::phase::partial;
  merge.stage = aggregate_spec::phase::merge;
  merge.complete_input = in;
  const auto partial_node = node_of(partial, in);
  instance p(partial_node, {in});
  instance m(node_of(merge, partial_node.output), {partial_node.output});
  auto hand_on = [&] {
    for (auto& b : p.out.batches) m.push(b);
    p.out.clear();
  };
  p.push(rows(in, {{"-1", "7"}}));
  REQUIRE(p.op->before_barrier(p.out).ok());
  hand_on();
  // More groups than one part of the table has; the last one gets another value.
  std::vector<std::vector<std::string>> many;
  for (uint32_t i = 0; i < batch_rows_target; ++i) many.push_back({std::to_string(i), "1"});
  p.push(rows(in, many));
  p.push(rows(in, {{"-1", "5"}}));
  CHECK(p.op->held_rows() == batch_rows_target + 1);
  CHECK(*p.op->approach_barrier(p.out));
  hand_on();
  p.push(rows(in, {{"-1", "5"}}, {-1}));
  hand_on();
  auto got = m.out.net();
  REQUIRE(got.size() == batch_rows_target + 1);
  CHECK(got.front() == "-1,7");
  CHECK(p.op->held_rows() == 0);
}

TEST_CASE("rows that pass a pre-aggregation by have the sums that they would have in it") {
  auto in = columns({{"k", "text"},
                     {"i", "int"},
                     {"b", "bigint"},
                     {"d", "decimal(10,2)"},
                     {"f", "double precision"},
                     {"n", "bigint"}});
  std::mt19937_64 g(3);
  for (bool changes : {false, true}) {
    std::vector<call> calls = {{fn::count_star, ""}, {fn::count, "n"}, {fn::count, "f"},
                               {fn::sum, "i"},       {fn::sum, "b"},   {fn::avg, "i"},
                               {fn::sum, "d"},       {fn::sum, "n"},   {fn::sum, "b", "i > 0"}};
    if (!changes) calls.insert(calls.end(), {{fn::sum, "f"}, {fn::var_pop, "i"}, {fn::max, "b"}});
    auto spec = aggregate(in, {0}, calls, emit_mode::final_only, changes);
    auto partial = spec, merge = spec;
    partial.stage = aggregate_spec::phase::partial;
    merge.stage = aggregate_spec::phase::merge;
    merge.complete_input = in;
    const auto partial_node = node_of(partial, in);
    instance whole(node_of(spec, in), {in});
    instance p(partial_node, {in});
    instance m(node_of(merge, partial_node.output), {partial_node.output});
    size_t pushed = 0, passed = 0;
    for (int round = 0; round < 4; ++round) {
      std::vector<std::vector<std::string>> cells;
      std::vector<int32_t> weights;
      for (int r = 0; r < 100; ++r) {
        auto number = [&] { return std::to_string(static_cast<int64_t>(g() % 2001) - 1000); };
        cells.push_back({std::string(1, static_cast<char>('a' + g() % 5)), number(), number(),
                         number() + ".25", number() + ".5", g() % 3 ? number() : "NULL"});
        weights.push_back(changes ? 1 + static_cast<int32_t>(g() % 3) : 1);
      }
      auto b = rows(in, cells, changes ? weights : std::vector<int32_t>());
      if (round % 2) {  // every third row only
        auto some = std::make_shared<batch>(*b);
        std::vector<uint32_t> at;
        for (uint32_t r = 0; r < b->rows; r += 3) at.push_back(r);
        some->selection = buffer::copy(pool(), std::as_bytes(std::span<const uint32_t>(at)));
        some->rows = static_cast<uint32_t>(at.size());
        b = some;
      }
      whole.push(b);
      REQUIRE(p.op->approach_barrier(p.out).ok());
      p.push(b);
      pushed += b->rows;
      for (auto& o : p.out.batches) m.push(o), passed += o->rows;
      p.out.clear();
    }
    CHECK(passed == pushed);
    whole.end();
    m.end();
    CHECK(m.out.net() == whole.out.net());
    CHECK(m.out.net().size() == 5);
  }
}

TEST_CASE("pre-aggregation that shrinks nothing passes rows through with the same result") {
  auto s = std::make_shared<schema>();
  s->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
  schema_ptr in = s;
  auto spec = aggregate(in, {0}, {{fn::count_star, ""}, {fn::sum, "v"}, {fn::max, "v"}},
                        emit_mode::final_only);
  auto partial = spec, merge = spec;
  partial.stage = aggregate_spec::phase::partial;
  merge.stage = aggregate_spec::phase::merge;
  merge.complete_input = in;
  const auto partial_node = node_of(partial, in);
  instance p(partial_node, {in});
  instance m(node_of(merge, partial_node.output), {partial_node.output});
  constexpr int64_t n = 40 * 8192;
  size_t passed = 0;
  for (int64_t at = 0; at < n; at += 8192) {
    column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
    for (int64_t i = at; i < at + 8192; ++i) {
      k.append(i % (n / 2));
      v.append(i);
    }
    p.push(make_batch(in, {k.finish(), v.finish()}));
    for (auto& b : p.out.batches) m.push(b), passed += b->rows;
    p.out.clear();
  }
  CHECK(passed > n / 2);
  REQUIRE(p.op->on_idle(p.out).ok());
  for (auto& b : p.out.batches) m.push(b);
  m.end();
  int64_t rows = 0, bad = 0;
  for (auto& b : m.out.batches)
    for (uint32_t i = 0; i < b->rows; ++i, ++rows) {
      const int64_t key = b->columns[0]->data<int64_t>()[i];
      bad += b->columns[1]->data<int64_t>()[i] != 2;
      bad += b->columns[2]->data<int128>()[i] != 2 * key + n / 2;
      bad += b->columns[3]->data<int64_t>()[i] != key + n / 2;
    }
  CHECK(rows == n / 2);
  CHECK(bad == 0);
}
