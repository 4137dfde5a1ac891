#include "runtime/state/keyed_state.hpp"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "runtime/snapshot/memory_snapshot.hpp"

using namespace weir;

namespace {

struct store {
  memory_pool pool;
  keyed_store s{&pool};
  value_state* value;
  list_state* list;
  map_state* map;
  reducing_state* sum;

  explicit store(state_ttl ttl = {}) {
    value = *s.value("v", ttl);
    list = *s.list("l", ttl);
    map = *s.map("m", ttl);
    sum = *s.reducing(
        "r",
        [](std::string& a, std::string_view v) {
          a = std::to_string(std::stoll(a) + std::stoll(std::string(v)));
        },
        ttl);
  }
  void key(int k) { s.set_key("key " + std::to_string(k), static_cast<uint32_t>(k * 5 % 128)); }
  /// All of one key as text.
  std::string dump(int k) {
    key(k);
    std::string t = std::string(value->get().value_or("-")) + "|";
    list->for_each([&](std::string_view e) { t += std::string(e) + ","; });
    t += "|";
    map->for_each([&](std::string_view e, std::string_view v) {
      t += std::string(e) + "=" + std::string(v) + ",";
    });
    return t + "|" + std::string(sum->get().value_or("-"));
  }
};

struct model_key {
  std::optional<std::string> value;
  std::vector<std::string> list;
  std::map<std::string, std::string> map;
  std::optional<int64_t> sum;
  std::string dump() const {
    std::string t = value.value_or("-") + "|";
    for (auto& e : list) t += e + ",";
    t += "|";
    for (auto& [e, v] : map) t += e + "=" + v + ",";
    return t + "|" + (sum ? std::to_string(*sum) : "-");
  }
};

constexpr int keys = 12;

void change(store& s, std::vector<model_key>& m, std::mt19937_64& g) {
  const int k = static_cast<int>(g() % keys);
  auto& mk = m[static_cast<size_t>(k)];
  s.key(k);
  const std::string text(g() % 30, static_cast<char>('a' + g() % 26));
  const std::string entry = "e" + std::to_string(g() % 8);
  switch (g() % 11) {
    case 0:
    case 1:
      s.value->put(text);
      mk.value = text;
      break;
    case 2:
      s.value->clear();
      mk.value.reset();
      break;
    case 3:
    case 4:
      s.list->append(text);
      mk.list.push_back(text);
      break;
    case 5:
      if (g() % 4 == 0) {
        s.list->clear();
        mk.list.clear();
      } else {
        s.list->assign({text, "z"});
        mk.list = {text, "z"};
      }
      break;
    case 6:
    case 7:
      s.map->put(entry, text);
      mk.map[entry] = text;
      break;
    case 8:
      CHECK(s.map->erase(entry) == (mk.map.erase(entry) == 1));
      break;
    case 9:
      s.sum->add(std::to_string(k + 1));
      mk.sum = mk.sum.value_or(0) + k + 1;
      break;
    default:
      if (g() % 3 == 0) {
        s.map->clear();
        mk.map.clear();
        s.sum->clear();
        mk.sum.reset();
      }
  }
  CHECK(s.map->size() == mk.map.size());
  CHECK(s.list->size() == mk.list.size());
}

}  // namespace

TEST_CASE("keyed state equals its model, also after restores") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 g(seed);
    store s;
    std::vector<model_key> m(keys), barrier;
    std::vector<state_chunk> durable;
    for (uint64_t e = 1; e <= 12; ++e) {
      for (int i = 0; i < 60; ++i) change(s, m, g);
      chunk_list_writer w(s.pool, epoch(e), "op");
      REQUIRE(s.s.snapshot_begin(w).ok());
      barrier = m;
      for (bool done = false; !done;) {
        auto r = s.s.snapshot_continue(w, 300);
        REQUIRE(r.ok());
        done = *r;
        if (!done)
          for (int i = 0; i < 5; ++i) change(s, m, g);
      }
      if (g() % 4 == 0) {
        s.s.on_epoch_aborted(epoch(e));
        continue;
      }
      s.s.on_epoch_complete(epoch(e));
      for (auto& c : w.take()) durable.push_back(std::move(c));
      for (uint32_t p : {1u, 2u}) {
        for (uint32_t i = 0; i < p; ++i) {
          store r;
          const auto range = range_of_subtask(128, p, i);
          REQUIRE(r.s.restore(chunk_list_reader(durable, "op"), range).ok());
          for (int k = 0; k < keys; ++k) {
            const bool mine = range.contains(static_cast<uint32_t>(k * 5 % 128));
            CHECK(r.dump(k) == (mine ? barrier[static_cast<size_t>(k)] : model_key{}).dump());
          }
          // What was restored goes on: appends come last, sums add up.
          for (int k = 0; k < keys; ++k)
            if (range.contains(static_cast<uint32_t>(k * 5 % 128))) {
              auto after = barrier[static_cast<size_t>(k)];
              r.key(k);
              r.list->append("new");
              after.list.push_back("new");
              CHECK(r.dump(k) == after.dump());
            }
        }
      }
    }
    for (int k = 0; k < keys; ++k) CHECK(s.dump(k) == m[static_cast<size_t>(k)].dump());
  }
}

TEST_CASE("entries expire on the caller's clock, when read and by sweeping") {
  store s({.duration_us = 100});
  s.s.set_now(1000);
  s.key(1);
  s.value->put("a");
  s.list->append("x");
  s.map->put("e", "1");
  s.s.set_now(1050);
  s.map->put("f", "2");
  s.s.set_now(1099);
  CHECK(s.value->get() == "a");
  s.s.set_now(1100);
  CHECK(!s.value->get());
  CHECK(s.list->size() == 0);
  CHECK(s.map->size() == 1);
  CHECK(!s.map->get("e"));
  CHECK(s.map->get("f") == "2");
  s.value->put("b");  // lives until 1200
  s.s.set_now(1200);
  const size_t before = s.s.state_bytes();
  s.s.sweep(1000);
  CHECK(s.s.state_bytes() <= before);
  CHECK(s.dump(1) == "-|||-");
}

TEST_CASE("a read refreshes an entry when it should") {
  store s({.duration_us = 100, .refresh_on_read = true});
  s.key(1);
  s.s.set_now(0);
  s.value->put("a");
  for (timestamp_us t = 90; t < 500; t += 90) {
    s.s.set_now(t);
    CHECK(s.value->get() == "a");
  }
  s.s.set_now(1000);
  CHECK(!s.value->get());
}

TEST_CASE("a state is declared once") {
  store s;
  auto again = s.s.map("v");
  REQUIRE(!again.ok());
  CHECK(again.err().message == "state \"v\" is declared twice");
}

TEST_CASE("timers fire once, by time and then key, and survive a restore") {
  store s;
  auto& t = s.s.timers();
  for (int k : {3, 1, 2}) {
    s.key(k);
    t.set(timer_kind::event_time, 10);
    t.set(timer_kind::event_time, 10);  // the same one
    t.set(timer_kind::event_time, 5 * k);
    t.set(timer_kind::processing_time, -7);
  }
  s.key(1);
  CHECK(t.cancel(timer_kind::processing_time, -7));
  CHECK(!t.cancel(timer_kind::processing_time, -7));
  CHECK(t.size(timer_kind::event_time) == 5);  // 5*2 is the 10 that key 2 had already
  CHECK(t.next(timer_kind::processing_time) == -7);

  chunk_list_writer w(s.pool, epoch(1), "op");
  REQUIRE(s.s.snapshot_begin(w).ok());
  REQUIRE(*s.s.snapshot_continue(w, 1 << 20));
  store r;
  REQUIRE(r.s.restore(chunk_list_reader(w.take(), "op"), {0, 128}).ok());
  for (store* x : {&s, &r}) {
    std::string order;
    auto fired = x->s.timers().fire(timer_kind::event_time, 12, 100, [&](timestamp_us at) {
      order += std::string(x->s.key().substr(4)) + "@" + std::to_string(at) + " ";
      if (at == 5) x->s.timers().set(timer_kind::event_time, 11);
      return status();
    });
    REQUIRE(fired.ok());
    CHECK(*fired == 5);
    CHECK(order == "1@5 1@10 2@10 3@10 1@11 ");
    CHECK(x->s.timers().next(timer_kind::event_time) == 15);
  }
}

TEST_CASE("a hundred thousand timers") {
  store s;
  std::mt19937_64 g(9);
  std::multimap<timestamp_us, int> expected;
  for (int k = 0; k < 100'000; ++k) {
    s.key(k);
    auto at = static_cast<timestamp_us>(g() % 10'000);
    s.s.timers().set(timer_kind::event_time, at);
    expected.emplace(at, k);
  }
  timestamp_us last = -1;
  size_t n = 0;
  auto fired = s.s.timers().fire(timer_kind::event_time, 4999, SIZE_MAX, [&](timestamp_us at) {
    CHECK_MESSAGE(at >= last, "out of order");
    last = at;
    ++n;
    return status();
  });
  REQUIRE(fired.ok());
  CHECK(n == static_cast<size_t>(std::distance(expected.begin(), expected.upper_bound(4999))));
}
