#include "runtime/log/compaction.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "runtime/log/key_map.hpp"
#include "tests/log/crash_files.hpp"
#include "tests/log/log_fixture.hpp"

using namespace weir;
using namespace weir::test;

namespace {

using strings = std::vector<std::string>;

log_config compacted() {
  log_config c;
  c.segment_bytes = 1024;
  c.index_interval_bytes = 128;
  c.cleanup_compact = true;
  c.cleanup_delete = false;
  c.delete_retention_ms = 100;
  c.min_cleanable_dirty_ratio = 0;
  return c;
}

/// Runs a whole job in small steps; false when there was nothing to do.
bool compact(log_fixture& f, compaction_options o = {}, int64_t now_ms = 10'000,
             compaction_stats* stats = nullptr) {
  auto job = f.log().begin_compaction(o, now_ms);
  if (!job) return false;
  for (;;) {
    auto done = job->step(200);
    REQUIRE_MESSAGE(done.ok(), done.err().message);
    if (*done) break;
  }
  if (stats) *stats = job->stats();
  REQUIRE(f.log().finish_compaction(*job).ok());
  return true;
}

/// Puts something behind, so that all segments in front are closed.
void roll(log_fixture& f, int64_t now_ms = 1'000) {
  auto c = f.log().config();
  auto quick = c;
  quick.segment_ms = 0;
  f.log().set_config(quick);
  REQUIRE(f.append({std::string("end")}, now_ms).ok());
  auto larger = c;
  larger.segment_bytes = 4096;  // several small ones become one
  f.log().set_config(larger);
}

std::vector<std::byte> tombstone(std::string_view key, int64_t timestamp_ms) {
  record_batch_builder b;
  b.add(timestamp_ms, bytes_of(key), std::nullopt);
  return *b.build();
}

}  // namespace

TEST_CASE("the last value of each key stays, at its offset") {
  log_fixture f(compacted());
  for (int i = 0; i < 60; ++i)
    REQUIRE(f.append(strings{"k" + std::to_string(i % 7) + "=" + std::to_string(i),
                             "x=" + std::to_string(i)})
                .ok());
  roll(f);
  const auto before = f.log().segment_count();
  CHECK(before > 5);
  auto held = f.log().read({0, 1 << 20});
  auto full = *records_of(f.bytes_of_slices(*held));
  CHECK(compact(f));
  const strings expected{"106:k4=53", "108:k5=54", "110:k6=55", "112:k0=56", "114:k1=57",
                         "116:k2=58", "118:k3=59", "119:x=59",  "120:end"};
  CHECK(*f.records() == expected);
  CHECK(f.log().log_start_offset() == 0);
  CHECK(f.log().log_end_offset() == 121);
  // Many small segments have become one.
  CHECK(f.log().segment_count() == 2);
  REQUIRE(f.run_chores().ok());
  CHECK(*f.records() == expected);
  // Who held the old files goes on reading.
  CHECK(*records_of(f.bytes_of_slices(*held)) == full);
  CHECK(!compact(f));  // nothing new
  REQUIRE(f.restart().ok());
  CHECK(f.log().recovery().lost.empty());
  CHECK(*f.records() == expected);
  CHECK(f.log().size_bytes() < 1000);
  CHECK(*f.log().timestamp_job(0)() == timestamp_offset{1000, 106});
}

TEST_CASE("tombstones stay for a while, then go") {
  log_fixture f(compacted());
  REQUIRE(f.append(strings{"a=1", "b=1"}).ok());
  REQUIRE(f.append_bytes(tombstone("a", 1000)).ok());
  roll(f);
  CHECK(compact(f, {}, 10'000));
  CHECK(*f.records() == strings{"1:b=1", "2:a=(null)", "3:end"});
  roll(f);
  compaction_options o;
  o.force = true;
  CHECK(compact(f, o, 10'099));
  CHECK(*f.records() == strings{"1:b=1", "2:a=(null)", "3:end", "4:end"});
  CHECK(compact(f, o, 10'100));
  CHECK(*f.records() == strings{"1:b=1", "3:end", "4:end"});
}

TEST_CASE("the newest records wait for min.compaction.lag.ms, and the limit holds") {
  auto c = compacted();
  c.min_compaction_lag_ms = 500;
  log_fixture f(c);
  for (int i = 0; i < 30; ++i) REQUIRE(f.append(strings{"a=" + std::to_string(i)}, 1000).ok());
  roll(f);
  for (int i = 30; i < 60; ++i) REQUIRE(f.append(strings{"a=" + std::to_string(i)}, 2000).ok());
  roll(f, 2000);
  CHECK(!compact(f, {}, 1400));
  CHECK(compact(f, {}, 1600));
  CHECK(f.records()->front() == "29:a=29");
  CHECK(f.records()->size() == 1 + 1 + 30 + 1);
  compaction_options o;
  o.limit = 31;
  o.force = true;
  CHECK(compact(f, o, 10'000));
  CHECK(f.records()->size() == 1 + 1 + 30 + 1);
  CHECK(compact(f, {}, 10'000));
  CHECK(f.records()->size() == 1 + 1 + 1);
}

TEST_CASE("aborted records go, the last batch of each producer stays without its records") {
  log_fixture f(compacted());
  record_batch_options o;
  o.producer_id = 5;
  o.producer_epoch = 1;
  o.transactional = true;
  auto put = [&](int32_t sequence, strings records, int64_t producer = 5) {
    o.producer_id = producer;
    o.base_sequence = sequence;
    REQUIRE(f.append_bytes(batch_of(records, 1000, o)).ok());
  };
  auto mark = [&](control_type t, int64_t producer = 5) {
    REQUIRE(f.append_bytes(build_control_batch({t, 1}, producer, 1, 1000)).ok());
  };
  put(0, {"a=1", "b=1"});
  mark(control_type::commit);  // 2
  put(2, {"a=aborted"});       // 3
  put(3, {"c=aborted"}, 6);    // 4
  mark(control_type::abort);   // 5
  mark(control_type::abort, 6);
  REQUIRE(f.append(strings{"b=2"}).ok());  // 7
  roll(f);
  compaction_options options;
  options.is_aborted = [](record_batch_view b) {
    return b.base_offset() == 3 || b.base_offset() == 4;
  };
  compaction_stats stats;
  CHECK(compact(f, options, 10'000, &stats));
  CHECK(stats.aborted_dropped == 2);
  std::vector<std::string> batches;
  auto look = [&] {
    batches.clear();
    REQUIRE(f.log()
                .visit_batches(0,
                               [&](record_batch_view b) -> status {
                                 batches.push_back(std::to_string(b.base_offset()) + "-" +
                                                   std::to_string(b.last_offset()) + " x" +
                                                   std::to_string(b.record_count()) +
                                                   (b.is_control() ? "c" : "") + " seq " +
                                                   std::to_string(b.last_sequence()));
                                 return {};
                               })
                .ok());
  };
  look();
  // a=1 stays, its commit with it; the aborted ones leave their sequences behind.
  CHECK(batches == strings{"0-1 x1 seq 1", "2-2 x1c seq -1", "3-3 x0 seq 2", "4-4 x0 seq 3",
                           "5-5 x1c seq -1", "6-6 x1c seq -1", "7-7 x1 seq -1", "8-8 x1 seq -1"});
  put(3, {"a=3"});
  mark(control_type::commit);
  roll(f);
  CHECK(compact(f, options, 20'000));
  look();
  CHECK(batches == strings{"2-2 x1c seq -1", "4-4 x0 seq 3", "5-5 x1c seq -1", "6-6 x1c seq -1",
                           "7-7 x1 seq -1", "8-8 x1 seq -1", "9-9 x1 seq 3", "10-10 x1c seq -1",
                           "11-11 x1 seq -1"});
  // Markers of transactions that are gone leave when their time is over.
  options.force = true;
  CHECK(compact(f, options, 30'000));
  look();
  CHECK(batches == strings{"4-4 x0 seq 3", "6-6 x1c seq -1", "7-7 x1 seq -1", "8-8 x1 seq -1",
                           "9-9 x1 seq 3", "10-10 x1c seq -1", "11-11 x1 seq -1"});
}

TEST_CASE("more keys than fit the map take several passes") {
  log_fixture f(compacted());
  // In large batches: what matters is the number of keys.
  auto c = compacted();
  c.segment_bytes = 1 << 20;
  f.log().set_config(c);
  for (int round = 0; round < 2; ++round)
    for (int b = 0; b < 30; ++b) {
      strings records;
      for (int i = 0; i < 100; ++i)
        records.push_back("key" + std::to_string(b * 100 + i) + "=" + std::to_string(round));
      REQUIRE(f.append(records).ok());
    }
  roll(f);
  f.log().set_config(c);
  compaction_options o;
  o.key_map_bytes = 0;  // 768 keys
  int passes = 0;
  while (compact(f, o)) ++passes;
  CHECK(passes > 4);
  CHECK(passes < 20);
  auto records = *f.records();
  CHECK(records.size() == 3000 + 1);
  CHECK(records.front() == "3000:key0=1");
}

TEST_CASE("compaction and retention work together") {
  auto c = compacted();
  c.cleanup_delete = true;
  c.retention_ms = 1000;
  log_fixture f(c);
  for (int i = 0; i < 100; ++i)
    REQUIRE(
        f.append(strings{"k" + std::to_string(i % 5) + "=" + std::to_string(i)}, 1000 + i).ok());
  roll(f, 1100);
  auto job = f.log().begin_compaction({}, 1200);
  REQUIRE(job);
  CHECK(f.log().apply_retention(5000) == 0);  // not while it runs
  REQUIRE(*job->step(UINT64_MAX));
  REQUIRE(f.log().finish_compaction(*job).ok());
  CHECK(f.records()->size() == 6);
  REQUIRE(f.run_chores().ok());
  CHECK(f.log().apply_retention(2100) == 1);
  REQUIRE(f.run_chores().ok());
  CHECK(f.log().log_start_offset() == 100);
  CHECK(f.records()->empty() == false);
}

TEST_CASE("an abandoned compaction leaves nothing behind") {
  log_fixture f(compacted());
  for (int i = 0; i < 60; ++i) REQUIRE(f.append(strings{"a=" + std::to_string(i)}).ok());
  roll(f);
  REQUIRE(f.run_chores().ok());
  const auto all = *f.records();
  {
    auto job = f.log().begin_compaction({}, 10'000);
    REQUIRE(job);
    CHECK(!f.log().begin_compaction({}, 10'000));
    while (job->stats().bytes_kept == 0) REQUIRE(job->step(100).ok());
  }
  f.log().abandon_compaction();
  for (const auto& e : std::filesystem::directory_iterator(f.folder()))
    CHECK(e.path().string().find("cleaned") == std::string::npos);
  CHECK(*f.records() == all);
  CHECK(compact(f));
}

TEST_CASE("a crash at any call of a compaction leaves the old or the new version, whole") {
  for (uint64_t calls = 0;; ++calls) {
    CAPTURE(calls);
    crash_files files(calls + 1);
    log_fixture f(compacted(), &files);
    for (int i = 0; i < 80; ++i)
      REQUIRE(f.append(strings{"k" + std::to_string(i % 5) + "=" + std::to_string(i)}).ok());
    roll(f);
    REQUIRE(f.run_chores().ok());
    const auto before = *f.records();
    const strings after{"75:k0=75", "76:k1=76", "77:k2=77", "78:k3=78", "79:k4=79", "80:end"};
    uint64_t left = calls;
    bool reached = false;
    files.fault = [&](file_op, const std::string&) {
      if (left > 0) {
        --left;
        return file_fault::none;
      }
      reached = true;
      return file_fault::eio;
    };
    auto job = f.log().begin_compaction({}, 10'000);
    REQUIRE(job);
    auto done = job->step(UINT64_MAX);
    if (done.ok()) {
      REQUIRE(f.log().finish_compaction(*job).ok());
      (void)f.run_chores();
    }
    job.reset();
    files.fault = nullptr;
    files.crash();
    REQUIRE(f.restart().ok());
    CHECK(f.log().recovery().lost.empty());
    auto found = *f.records();
    // Several new segments are swapped in one after the other; here it is one.
    const bool whole = found == before || found == after;
    CHECK(whole);
    if (!whole) MESSAGE(found.size(), " records");
    CHECK(*f.append({"on"}) == 81);
    if (!reached) {
      CHECK(found == after);
      CHECK(calls > 10);
      break;
    }
  }
}

TEST_CASE("random histories read the same after compaction") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    auto c = compacted();
    c.segment_bytes = 1024 + random() % 4000;
    crash_files files(seed);  // in memory: quick
    log_fixture f(c, &files);
    std::map<std::string, std::string> latest;
    int64_t now = 1000;
    for (int i = 0; i < 200; ++i) {
      now += 10;
      record_batch_options o;
      o.compression = static_cast<compression_type>(random() % 5);
      record_batch_builder b(o);
      for (uint64_t n = 1 + random() % 4; n > 0; --n) {
        const std::string key = "k" + std::to_string(random() % 20);
        if (random() % 5 == 0) {
          b.add(now, bytes_of(key), std::nullopt);
          latest.erase(key);
        } else {
          const std::string value = std::to_string(random() % 1000);
          b.add(now, bytes_of(key), bytes_of(value));
          latest[key] = value;
        }
      }
      REQUIRE(f.append_bytes(*b.build(), now).ok());
      if (random() % 20 == 0) {
        compaction_options options;
        options.key_map_bytes = 0;
        compact(f, options, now);
      }
      if (random() % 10 == 0) REQUIRE(f.run_chores().ok());
      if (random() % 40 == 0) {
        auto st = f.restart(random() % 2 ? UINT64_MAX : 0);
        REQUIRE_MESSAGE(st.ok(), st.err().message);
      }
    }
    CHECK(f.log().recovery().lost.empty());
    std::map<std::string, std::string> found;
    int64_t last = -1;
    const auto read = f.records(0, 2000);
    REQUIRE_MESSAGE(read.ok(), read.err().message);
    const auto& records = *read;
    for (const auto& r : records) {
      CHECK(std::stoll(r) > last);
      last = std::stoll(r);
      const auto at = r.find(':'), eq = r.find('=');
      const auto key = r.substr(at + 1, eq - at - 1), value = r.substr(eq + 1);
      if (value == "(null)")
        found.erase(key);
      else
        found[key] = value;
    }
    CHECK(found == latest);
  }
}

TEST_CASE("the key map keeps the last offset of each key within its bound") {
  key_map map(24 * 4096, 7);
  int64_t n = 0;
  while (map.put(bytes_of("key" + std::to_string(n)), n)) ++n;
  CHECK(n == 3072);
  CHECK(map.put(bytes_of("key5"), 9000));
  CHECK(*map.find(bytes_of("key5")) == 9000);
  CHECK(*map.find(bytes_of("key3071")) == 3071);
  CHECK(!map.find(bytes_of("other")));
  CHECK(map.size() == 3072);
}
