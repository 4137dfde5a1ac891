// Fetch sessions: what is read, what is answered, who makes room for whom.
#include "runtime/kafka/fetch/fetch_sessions.hpp"

#include <doctest/doctest.h>

#include <limits>

namespace weir::kafka {
namespace {

using names = std::vector<std::string>;

struct client {
  fetch_sessions& cache;
  int32_t id = 0, epoch = 0;
  bool by_id = false;
  int64_t now_ms = 0;

  fetch_request request(const names& partitions, const names& forgotten = {}) const {
    fetch_request r;
    r.session_id = id;
    r.session_epoch = epoch;
    for (const auto& p : partitions) {  // "t0@5": partition 0 of t from offset 5
      auto& t = r.topics.emplace_back();
      t.topic = p.substr(0, 1);
      auto& q = t.partitions.emplace_back();
      q.partition = p[1] - '0';
      q.fetch_offset = std::stoll(p.substr(3));
    }
    for (const auto& p : forgotten) {
      auto& t = r.forgotten_topics_data.emplace_back();
      t.topic = p.substr(0, 1);
      t.partitions = {p[1] - '0'};
    }
    return r;
  }
  fetch_sessions::begun fetch(const names& partitions, const names& forgotten = {}) {
    auto r = request(partitions, forgotten);
    auto b = cache.begin(r, by_id, now_ms);
    if (b.error == error_code::none && b.session_id != 0) {
      id = b.session_id;
      ++epoch;
    }
    return b;
  }
  /// Which partitions the answer has, when `news` is found in each.
  names answer(const fetch_sessions::begun& b, const std::map<std::string, fetch_news>& found) {
    names out;
    for (const auto& t : b.targets) {
      auto name = t.topic + std::to_string(t.want.partition);
      auto it = found.find(name);
      fetch_news quiet;
      quiet.high_watermark = 10;
      quiet.log_start_offset = 0;
      if (cache.report(b, t, it == found.end() ? quiet : it->second)) out.push_back(name);
    }
    return out;
  }
};

names read(const fetch_sessions::begun& b) {
  names out;
  for (const auto& t : b.targets)
    out.push_back(t.topic + std::to_string(t.want.partition) + "@" +
                  std::to_string(t.want.fetch_offset));
  return out;
}

fetch_news at(int64_t high_watermark, bool records = false, int64_t start = 0) {
  fetch_news n;
  n.high_watermark = high_watermark;
  n.log_start_offset = start;
  n.records = records;
  return n;
}

}  // namespace

TEST_CASE("fetch sessions: the next requests name what changed, answers what is new") {
  fetch_sessions cache;
  client c{cache};
  auto whole = c.fetch({"a0@5", "a1@0", "b0@7"});
  CHECK(whole.session_id != 0);
  CHECK(!whole.incremental);
  CHECK(read(whole) == names{"a0@5", "a1@0", "b0@7"});
  CHECK(c.answer(whole, {}) == names{"a0", "a1", "b0"});
  auto quiet = c.fetch({});
  CHECK(quiet.incremental);
  CHECK(quiet.session_id == whole.session_id);
  CHECK(read(quiet) == names{"a0@5", "a1@0", "b0@7"});
  CHECK(c.answer(quiet, {}) == names{});
  auto next = c.fetch({});
  CHECK(c.answer(next, {{"a1", at(11, true)}, {"b0", at(10, false, 3)}}) == names{"a1", "b0"});
  // a1 goes on behind what it got; it is read last now, so that others have their turn.
  auto moved = c.fetch({"a1@1"});
  CHECK(read(moved) == names{"a0@5", "b0@7", "a1@1"});
  CHECK(c.answer(moved, {{"a1", at(11)}, {"b0", at(10, false, 3)}}) == names{});
}

TEST_CASE("fetch sessions: partitions are forgotten, and come") {
  fetch_sessions cache;
  client c{cache};
  c.answer(c.fetch({"a0@0", "a1@0"}), {});
  auto b = c.fetch({"c2@9"}, {"a0", "z9"});
  CHECK(read(b) == names{"a1@0", "c2@9"});
  CHECK(c.answer(b, {}) == names{"c2"});
  CHECK(cache.partitions() == 2);
  // Without partitions there is nothing to keep.
  auto none = c.fetch({}, {"a1", "c2"});
  CHECK(none.session_id == 0);
  CHECK(none.targets.empty());
  CHECK(cache.sessions() == 0);
  CHECK(cache.partitions() == 0);
}

TEST_CASE("fetch sessions: an error is told as long as it stands, and that it is over") {
  fetch_sessions cache;
  client c{cache};
  c.answer(c.fetch({"a0@0"}), {});
  fetch_news gone;
  gone.error = error_code::unknown_topic_or_partition;
  CHECK(c.answer(c.fetch({}), {{"a0", gone}}) == names{"a0"});
  CHECK(c.answer(c.fetch({}), {{"a0", gone}}) == names{"a0"});
  CHECK(c.answer(c.fetch({}), {}) == names{"a0"});
  CHECK(c.answer(c.fetch({}), {}) == names{});
  fetch_news diverging = at(10);
  diverging.diverging = true;
  CHECK(c.answer(c.fetch({}), {{"a0", diverging}}) == names{"a0"});
}

TEST_CASE("fetch sessions: wrong ids and epochs are refused") {
  fetch_sessions cache;
  client c{cache};
  auto first = c.fetch({"a0@0"});
  client stranger{cache, first.session_id == 7 ? 8 : 7, 1};
  CHECK(stranger.fetch({"a0@0"}).error == error_code::fetch_session_id_not_found);
  client nobody{cache, 0, 1};
  CHECK(nobody.fetch({"a0@0"}).error == error_code::fetch_session_id_not_found);
  client late{cache, first.session_id, 2};
  CHECK(late.fetch({}).error == error_code::invalid_fetch_session_epoch);
  client ids{cache, first.session_id, 1, true};
  CHECK(ids.fetch({}).error == error_code::fetch_session_topic_id_error);
  // None of them has moved the session.
  CHECK(c.fetch({}).error == error_code::none);
  CHECK(c.epoch == 2);
  // A request that is repeated is not served twice.
  client again{cache, first.session_id, 1};
  CHECK(again.fetch({}).error == error_code::invalid_fetch_session_epoch);
}

TEST_CASE("fetch sessions: ended and begun anew by whole requests") {
  fetch_sessions cache;
  client c{cache};
  auto first = c.fetch({"a0@0"});
  client over{cache, first.session_id, 0};
  auto second = over.fetch({"a0@3", "a1@0"});
  CHECK(second.session_id != 0);
  CHECK(second.session_id != first.session_id);
  CHECK(cache.sessions() == 1);
  CHECK(c.fetch({}).error == error_code::fetch_session_id_not_found);
  client last{cache, second.session_id, -1};
  auto b = last.fetch({"a0@3"});
  CHECK(b.session_id == 0);
  CHECK(!b.incremental);
  CHECK(read(b) == names{"a0@3"});
  CHECK(cache.sessions() == 0);
  // Clients without sessions leave nothing behind.
  client plain{cache, 0, -1};
  CHECK(plain.fetch({"a0@0"}).session_id == 0);
  CHECK(cache.sessions() == 0);
}

TEST_CASE("fetch sessions: a full cache makes room for the old and the small") {
  fetch_session_options o;
  o.sessions_max = 2;
  o.eviction_ms = 100;
  fetch_sessions cache(o);
  client a{cache}, b{cache}, c{cache}, d{cache};
  a.fetch({"a0@0"});
  b.fetch({"b0@0", "b1@0"});
  c.now_ms = 50;
  CHECK(c.fetch({"c0@0", "c1@0", "c2@0"}).session_id == 0);  // nothing is old enough
  b.now_ms = 90;
  CHECK(b.fetch({}).error == error_code::none);
  // a was not used for long; b is, but is smaller than who comes and was there for long.
  c.now_ms = 101;
  CHECK(c.fetch({"c0@0", "c1@0"}).session_id != 0);
  CHECK(a.fetch({}).error == error_code::fetch_session_id_not_found);
  d.now_ms = 120;
  CHECK(client{cache, 0, 0, false, 120}.fetch({"d0@0", "d1@0"}).session_id == 0);  // not larger
  CHECK(d.fetch({"d0@0", "d1@0", "d2@0"}).session_id != 0);
  CHECK(b.fetch({}).error == error_code::fetch_session_id_not_found);
  CHECK(cache.sessions() == 2);
  CHECK(cache.evictions() == 2);
  CHECK(cache.partitions() == 5);
}

TEST_CASE("fetch sessions: partitions of all together are bounded") {
  fetch_session_options o;
  o.partitions_max = 4;
  fetch_sessions cache(o);
  client a{cache}, b{cache};
  CHECK(a.fetch({"a0@0", "a1@0", "a2@0"}).session_id != 0);
  CHECK(b.fetch({"b0@0", "b1@0"}).session_id == 0);
  CHECK(b.fetch({"b0@0"}).session_id != 0);
  // One that grows over it is ended, not served without bound.
  CHECK(a.fetch({"a3@0"}).error == error_code::fetch_session_id_not_found);
  CHECK(cache.partitions() == 1);
  CHECK(client{cache}.fetch({"a0@0", "a1@0", "a2@0", "a3@0", "a4@0"}).session_id == 0);
}

}  // namespace weir::kafka
