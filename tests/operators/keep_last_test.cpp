// keep_last against a list of rows in the order in which they came: random batches, weights,
// barriers, aborted epochs and restores at another parallelism.
#include <algorithm>
#include <random>

#include "harness.hpp"
#include "runtime/operators/exchange.hpp"

using namespace weir;
using namespace weir::test;

namespace {

struct row {
  int64_t k, v;
  auto operator<=>(const row&) const = default;
  std::string text() const { return std::to_string(k) + ',' + std::to_string(v); }
};
/// Each row with its weight, the one that came last at the end.
using table = std::vector<std::pair<row, int64_t>>;

schema_ptr input() {
  return columns({{"k", "bigint"}, {"v", "bigint"}});
}

top_n_spec spec(bool changes) {
  top_n_spec s;
  s.keys = {0};
  s.input_has_changes = changes;
  s.last_arrived = true;
  return s;
}

void apply(table& all, const row& r, int32_t weight) {
  auto it = std::find_if(all.begin(), all.end(), [&r](const auto& e) { return e.first == r; });
  if (it == all.end()) it = all.insert(all.end(), {r, 0});
  it->second += weight;
  if (weight > 0) std::rotate(it, it + 1, all.end());
  std::erase_if(all, [](const auto& e) { return e.second == 0; });
}

lines expected(const table& all) {
  std::map<int64_t, row> last;
  for (const auto& [r, w] : all)
    if (w > 0) last.insert_or_assign(r.k, r);
  lines out;
  for (const auto& [k, r] : last) out.push_back(r.text());
  std::sort(out.begin(), out.end());
  return out;
}

batch_ptr random_batch(table& all, std::mt19937_64& g, bool changes) {
  std::vector<std::vector<std::string>> cells;
  std::vector<int32_t> weights;
  for (uint64_t n = 1 + g() % 40; n > 0; --n) {
    row r{static_cast<int64_t>(g() % 6), static_cast<int64_t>(g() % 12)};
    int32_t w = 1;
    if (changes && g() % 2) {
      w = -1;
      // Mostly a row that is there; else one that is taken back before it comes.
      if (g() % 8 && !all.empty()) r = all[g() % all.size()].first;
    }
    apply(all, r, w);
    cells.push_back({std::to_string(r.k), std::to_string(r.v)});
    weights.push_back(w);
  }
  return rows(input(), cells, changes ? weights : std::vector<int32_t>{});
}

void run(uint64_t seed, bool changes) {
  CAPTURE(seed);
  CAPTURE(changes);
  std::mt19937_64 g(seed);
  const auto in = input();
  const operator_node node{"op", "last", spec(changes), in, true, 0};
  table all;
  output out;
  std::vector<state_chunk> durable;
  uint32_t parallelism = 1;
  std::vector<std::unique_ptr<instance>> ops;
  auto deploy = [&] {
    ops.clear();
    for (uint32_t i = 0; i < parallelism; ++i)
      ops.push_back(
          std::make_unique<instance>(node, std::vector{in}, range_of_subtask(128, parallelism, i)));
  };
  auto push = [&] {
    const auto b = random_batch(all, g, changes);
    const uint32_t keys[] = {0};
    auto parts = partition(b, hash_keys(*b, keys, pool()), parallelism, 128, pool());
    for (uint32_t i = 0; i < parallelism; ++i) {
      if (parts[i]) ops[i]->push(parts[i]);
      for (auto& x : ops[i]->out.batches) out.batches.push_back(x);
      ops[i]->out.clear();
    }
    REQUIRE(out.net() == expected(all));
  };
  deploy();
  for (uint64_t e = 1; e <= 12; ++e) {
    for (uint64_t n = g() % 4; n > 0; --n) push();
    const auto at_barrier = all;
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
}

}  // namespace

TEST_CASE("the last row of each key stands, and the one before when it is taken back") {
  for (uint64_t seed = 1; seed <= 40; ++seed)
    for (bool changes : {false, true}) run(seed, changes);
}

TEST_CASE("of upserts the newest row of each key stands until its key has none") {
  const auto in = input();
  operator_node node{"op", "newest", spec(true), in, true, 0};
  std::get<top_n_spec>(node.spec).upserts = true;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 g(seed);
    std::map<int64_t, int64_t> all;
    auto op = std::make_unique<instance>(node, std::vector{in});
    output out;
    std::vector<state_chunk> durable;
    uint64_t last_epoch = 0;
    auto take_snapshot = [&] {
      chunk_list_writer w(pool(), epoch(++last_epoch), "op");
      op->snapshot(w);
      REQUIRE(op->op->on_epoch_complete(epoch(last_epoch)).ok());
      for (auto& c : w.take()) durable.push_back(std::move(c));
    };
    auto expected_rows = [&all] {
      lines l;
      for (const auto& [k, v] : all) l.push_back(std::to_string(k) + ',' + std::to_string(v));
      std::sort(l.begin(), l.end());
      return l;
    };
    for (int turn = 0; turn < 60; ++turn) {
      std::vector<std::vector<std::string>> cells;
      std::vector<int32_t> weights;
      for (uint64_t n = 1 + g() % 12; n > 0; --n) {
        const auto k = static_cast<int64_t>(g() % 5), v = static_cast<int64_t>(g() % 4);
        const bool stands = g() % 3 != 0;
        stands ? void(all[k] = v) : void(all.erase(k));
        // What is taken away is said by its key alone, be there a row like that or not.
        cells.push_back({std::to_string(k), stands ? std::to_string(v) : g() % 2 ? "NULL" : "1"});
        weights.push_back(stands ? 1 : -1);
      }
      op->push(rows(in, cells, weights));
      for (auto& b : op->out.batches) out.batches.push_back(b);
      op->out.clear();
      REQUIRE(out.net() == expected_rows());
      if (g() % 4) continue;
      take_snapshot();
      op = std::make_unique<instance>(node, std::vector{in});
      op->restore(durable);
    }
    // Keys without a row are not kept.
    std::vector<std::vector<std::string>> cells;
    for (int k = 0; k < 5; ++k) cells.push_back({std::to_string(k), "NULL"});
    op->push(rows(in, cells, std::vector<int32_t>(5, -1)));
    take_snapshot();
    instance empty(node, {in});
    empty.restore(durable);
    CHECK(empty.op->state_bytes() <= instance(node, {in}).op->state_bytes());
  }
}

TEST_CASE("of appended rows only the last one of each key is kept") {
  const auto in = input();
  instance op({"op", "last", spec(false), in, true, 0}, {in});
  for (int i = 0; i < 2000; ++i) op.push(rows(in, {{"1", std::to_string(i)}}));
  CHECK(op.out.net() == lines{"1,1999"});
  chunk_list_writer w(pool(), epoch(1), "op");
  op.snapshot(w);
  size_t bytes = 0;
  for (const auto& c : w.chunks()) bytes += c.bytes.size();
  CHECK(bytes < 500);
}

TEST_CASE(
    "rows before the last one of a key are forgotten after the TTL, the last one with its key") {
  const auto in = input();
  operator_node node{"op", "last", spec(true), in, true, 0};
  node.state_ttl_us = 3'600'000'000;
  instance op(node, {in});
  op.push(rows(in, {{"1", "1"}, {"1", "2"}, {"2", "5"}}));
  op.advance(3'000'000'000);
  op.push(rows(in, {{"1", "3"}}));
  op.advance(1'500'000'000);
  op.out.clear();
  op.push(rows(in, {{"1", "3"}, {"2", "6"}}, {-1, 1}));
  CHECK(op.out.all() == lines{"-1: 1,3", "2,6"});
}
