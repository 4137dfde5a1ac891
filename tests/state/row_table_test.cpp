// row_table against a plain map: random upserts, changes and erasures with barriers at random
// moments, epochs that complete or are given up, and restores over other key-group ranges. Every
// snapshot must be the state as of its barrier.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/snapshot/packed.hpp"
#include "runtime/state/row_table.hpp"

using namespace weir;

namespace {

struct model_value {
  int64_t number;
  std::string text;
  bool operator==(const model_value&) const = default;
};
using model = std::map<std::pair<int64_t, std::string>, model_value>;

struct shape {
  bool string_key, string_value;
};

struct table_under_test {
  shape s;
  row_layout layout;
  memory_pool pool;
  std::unique_ptr<row_table> table;

  explicit table_under_test(shape sh) : s(sh) {
    layout.add_key(type_id::int64);
    if (s.string_key) layout.add_key(type_id::string);
    layout.add_value(type_id::int64);
    if (s.string_value) layout.add_value(type_id::string);
    table = std::make_unique<row_table>(layout, &pool);
  }
  static uint32_t group_of(int64_t k) { return static_cast<uint32_t>(k * 7) % 128; }
  std::vector<uint64_t> key(int64_t k, const std::string& t) const {
    std::vector<uint64_t> w{0, static_cast<uint64_t>(k)};
    if (s.string_key) {
      auto r = var_ref::borrow(t);
      w.insert(w.end(), r.words, r.words + 2);
    }
    return w;
  }
  void put(int64_t k, const std::string& t, int64_t n, const std::string& v) {
    auto w = key(k, t);
    uint32_t h, id;
    uint64_t* row;
    std::vector<uint32_t> added;
    table->hash(w.data(), 1, &h);
    table->upsert(w.data(), &h, 1, &id, &row, added);
    if (!added.empty()) row_table::set_group(row, group_of(k));
    table->touch(id);
    row[1 + layout.key_words] = static_cast<uint64_t>(n);
    if (s.string_value) table->set_string(row, 1, v);
  }
  void erase(int64_t k, const std::string& t) {
    auto w = key(k, t);
    uint32_t h;
    table->hash(w.data(), 1, &h);
    uint32_t id = table->find(w.data(), h);
    if (id != row_table::none) table->erase(id);
  }
  model contents() {
    model m;
    table->for_each([&](uint32_t id) {
      const uint64_t* r = table->row(id);
      auto text = [](const uint64_t* w) {
        var_ref v;
        std::memcpy(v.words, w, 16);
        return std::string(v.view());
      };
      model_value v{static_cast<int64_t>(r[1 + layout.key_words]),
                    s.string_value ? text(r + 2 + layout.key_words) : ""};
      m[{static_cast<int64_t>(r[1]), s.string_key ? text(r + 2) : ""}] = v;
      CHECK(row_table::group(r) == group_of(static_cast<int64_t>(r[1])));
    });
    return m;
  }
};

std::string random_text(std::mt19937_64& g) {
  std::string t;
  for (size_t n = g() % 40; n > 0; --n) t += static_cast<char>('a' + g() % 26);
  return t;
}

void check_restored(shape s, const std::vector<state_chunk>& chunks, const model& expected) {
  for (uint32_t parallelism : {1u, 3u}) {
    model all;
    for (uint32_t i = 0; i < parallelism; ++i) {
      table_under_test t(s);
      chunk_list_reader reader(chunks, "op");
      auto done = t.table->restore(reader, "s", range_of_subtask(128, parallelism, i));
      REQUIRE(done.ok());
      auto part = t.contents();
      CHECK(t.table->size() == part.size());
      for (auto& [k, v] : part) CHECK(all.emplace(k, v).second);
    }
    CHECK(all == expected);
  }
}

void run(shape s, uint64_t seed, int64_t keys, int steps) {
  CAPTURE(seed);
  std::mt19937_64 g(seed);
  table_under_test t(s);
  model now;
  std::vector<state_chunk> durable;  // chunks of complete epochs
  uint64_t number = 0;
  std::optional<chunk_list_writer> writer;
  model at_barrier;
  for (int step = 0; step < steps; ++step) {
    for (uint64_t n = g() % 60; n > 0; --n) {
      auto k = static_cast<int64_t>(g() % static_cast<uint64_t>(keys));
      std::string text = s.string_key ? std::string(static_cast<size_t>(k % 30), 'x') : "";
      if (g() % 3 == 0) {
        t.erase(k, text);
        now.erase({k, text});
      } else {
        model_value v{static_cast<int64_t>(g() % 1000), s.string_value ? random_text(g) : ""};
        t.put(k, text, v.number, v.text);
        now[{k, text}] = v;
      }
    }
    t.table->end_batch();
    if (!writer && g() % 4 == 0) {
      writer.emplace(t.pool, epoch(++number), "op");
      t.table->snapshot_begin(*writer);
      at_barrier = now;
    } else if (writer && g() % 12 == 0) {
      t.table->on_epoch_aborted(epoch(number));
      writer.reset();
    } else if (writer && t.table->snapshot_continue(*writer, "s", g() % 2000)) {
      if (g() % 4 == 0) {
        t.table->on_epoch_aborted(epoch(number));
      } else {
        t.table->on_epoch_complete(epoch(number));
        for (auto& c : writer->take()) durable.push_back(std::move(c));
        check_restored(s, durable, at_barrier);
      }
      writer.reset();
    }
  }
  CHECK(t.contents() == now);
  CHECK(t.table->size() == now.size());
  CHECK(t.pool.used(memory_kind::state) == t.table->memory_bytes());
}

}  // namespace

TEST_CASE("row tables equal a map, and snapshots the state at their barrier") {
  for (uint64_t seed = 1; seed <= 6; ++seed)
    for (shape s : {shape{false, false}, shape{true, false}, shape{false, true}, shape{true, true}})
      run(s, seed, seed % 2 ? 40 : 700, 120);
}

TEST_CASE("a table of a million rows grows and finds them all") {
  row_layout layout;
  layout.add_key(type_id::int64);
  layout.add_value(type_id::int64);
  memory_pool pool;
  row_table t(layout, &pool);
  constexpr uint64_t n = 1'000'000;
  constexpr size_t run = 512;
  std::vector<uint64_t> keys(2 * run);
  std::vector<uint32_t> hashes(run), ids(run), added;
  std::vector<uint64_t*> rows(run);
  for (int pass = 0; pass < 2; ++pass) {
    for (uint64_t at = 0; at < n; at += run) {
      size_t m = std::min<uint64_t>(run, n - at);
      for (size_t i = 0; i < m; ++i) {
        keys[2 * i] = 0;
        keys[2 * i + 1] = (at + i) * 4096;
      }
      added.clear();
      t.hash(keys.data(), m, hashes.data());
      t.upsert(keys.data(), hashes.data(), m, ids.data(), rows.data(), added);
      REQUIRE(added.size() == (pass == 0 ? m : 0));
      for (size_t i = 0; i < m; ++i) rows[i][2] += at + i;
    }
  }
  CHECK(t.size() == n);
  uint64_t wrong = 0;
  t.for_each([&](uint32_t id) { wrong += t.row(id)[2] * 2048 != t.row(id)[1]; });
  CHECK(wrong == 0);
  t.end_batch();
  CHECK(pool.used(memory_kind::state) == t.memory_bytes());
}

TEST_CASE("the index equals a multimap through growth, equal hashes, erasing and clearing") {
  hash_index index;
  std::multimap<uint32_t, uint32_t> expected;
  std::mt19937_64 g(7);
  for (int round = 0; round < 4; ++round) {
    // Few different low bits, so that homes overflow into the next ones, and hashes that are equal.
    auto hash = [&] {
      return round == 0 ? static_cast<uint32_t>(g() % 300) * 0x0100'0001u
                        : static_cast<uint32_t>(g()) & (round == 1 ? 0xffff'ff07u : ~0u);
    };
    uint32_t row = 0;
    for (int i = round == 0 ? 6'000 : 60'000; i > 0; --i) {
      if (g() % 4 != 0 || expected.empty()) {
        const uint32_t h = hash();
        index.insert(h, row);
        expected.emplace(h, row++);
      } else {
        auto it = expected.lower_bound(static_cast<uint32_t>(g()));
        if (it == expected.end()) it = expected.begin();
        index.erase(it->first, it->second);
        expected.erase(it);
      }
    }
    REQUIRE(index.size() == expected.size());
    bool all_found = true;
    for (auto [h, r] : expected) {
      auto wanted = [r = r](uint32_t at) { return at == r; };
      all_found = all_found && index.find(h, wanted) == r;
      auto first = index.first(index.home(h), h);
      auto [from, to] = expected.equal_range(h);
      all_found = all_found && std::any_of(from, to, [&](auto& e) { return e.second == first; });
    }
    CHECK(all_found);
    for (int i = 0; i < 1000; ++i) {
      const auto h = static_cast<uint32_t>(g());
      CHECK((index.first(index.home(h), h) == hash_index::none) == !expected.contains(h));
    }
    index.clear();
    expected.clear();
    CHECK(index.size() == 0);
    CHECK(index.first(index.home(0), 0) == hash_index::none);
  }
}

TEST_CASE("when most rows changed all are written, and replace what was there") {
  table_under_test t({false, true});
  std::vector<state_chunk> durable;
  auto snapshot = [&](uint64_t e) {
    chunk_list_writer w(t.pool, epoch(e), "op");
    t.table->end_batch();
    t.table->snapshot_begin(w);
    while (!t.table->snapshot_continue(w, "s", 4096)) {
    }
    t.table->on_epoch_complete(epoch(e));
    auto chunks = w.take();
    chunk_counts sum;
    for (const auto& c : chunks) {
      const auto n = count_records(c.bytes.bytes());
      sum.upserts += n.upserts;
      sum.deletes += n.deletes;
      sum.fresh += n.fresh;
    }
    const auto kind = chunks.at(0).kind;
    for (auto& c : chunks) durable.push_back(std::move(c));
    check_restored(t.s, durable, t.contents());
    return std::pair(kind, sum);
  };
  for (int64_t k = 0; k < 1000; ++k) t.put(k, "", k, "first");
  auto [kind, sum] = snapshot(1);
  CHECK(kind == chunk_kind::delta);
  CHECK(sum.upserts == 1000);
  CHECK(sum.fresh == 1000);
  for (int64_t k = 900; k < 1100; ++k) t.put(k, "", k, "second");
  std::tie(kind, sum) = snapshot(2);
  CHECK(kind == chunk_kind::delta);
  CHECK(sum.upserts == 200);
  CHECK(sum.fresh == 100);
  for (int64_t k = 0; k < 700; ++k) t.put(k, "", k + 1, "third");
  for (int64_t k = 0; k < 50; ++k) t.erase(k, "");
  std::tie(kind, sum) = snapshot(3);
  CHECK(kind == chunk_kind::full);
  CHECK(sum.upserts == 1050);
  CHECK(sum.deletes == 50);
  t.put(5000, "", 1, "fourth");
  std::tie(kind, sum) = snapshot(4);
  CHECK(kind == chunk_kind::delta);
  CHECK(sum.upserts == 1);
}

TEST_CASE("records of another shape are refused with the state's name") {
  table_under_test a({false, false}), b({true, false});
  chunk_list_writer w(a.pool, epoch(1), "op");
  a.put(1, "", 2, "");
  a.table->snapshot_begin(w);
  REQUIRE(a.table->snapshot_continue(w, "s", 1 << 20));
  chunk_list_reader reader(w.take(), "op");
  auto done = b.table->restore(reader, "s", {0, 128});
  REQUIRE(!done.ok());
  CHECK(done.err().code == errc::version_mismatch);
  CHECK(done.err().message.find("\"s\"") != std::string::npos);
}

TEST_CASE("damaged records are refused") {
  table_under_test a({true, true});
  chunk_list_writer w(a.pool, epoch(1), "op");
  a.put(1, "a key that is longer than twelve", 2, "a value that is longer than twelve");
  a.table->snapshot_begin(w);
  REQUIRE(a.table->snapshot_continue(w, "s", 1 << 20));
  auto chunks = w.take();
  REQUIRE(chunks.size() == 1);
  auto whole = chunks[0].bytes;
  for (size_t i = 16; i < whole.size(); ++i)
    for (uint8_t flip : {0x01, 0x80}) {
      auto damaged = buffer::copy(a.pool, whole.bytes());
      damaged.mutable_as<uint8_t>()[i] ^= flip;
      chunks[0].bytes = damaged;
      chunk_list_reader reader(chunks, "op");
      table_under_test b({true, true});
      (void)b.table->restore(reader, "s", {0, 128});  // an error or other values; no fault
    }
  for (size_t n = 0; n < whole.size(); ++n) {
    chunks[0].bytes = buffer::copy(a.pool, whole.bytes().first(n));
    chunk_list_reader reader(chunks, "op");
    table_under_test b({true, true});
    CHECK(!b.table->restore(reader, "s", {0, 128}).ok());
  }
}
