#include "runtime/snapshot/store.hpp"

#include <filesystem>

#include "tests/snapshot/store_test_tools.hpp"

using namespace weir;
using namespace weir::test;

namespace {
const snapshot_key job{"flights", ""};
void must(const status& s) {
  INFO((s ? std::string() : s.err().message));
  REQUIRE(s.ok());
}
}  // namespace

TEST_CASE("an epoch is committed, found after reopening, and restored by key groups") {
  scratch_folder dir;
  {
    auto store = open_store(dir.path());
    CHECK(store->jobs().empty());
    CHECK(store->newest_sound(job).err().code == errc::not_found);
    must(store->put(job, epoch(1), delta("agg", "groups", 3, record_chunk({{"a", "1"}}))));
    must(store->put(job, epoch(1), delta("agg", "groups", 90, record_chunk({{"b", "2"}}))));
    must(store->put(job, epoch(1), blob("src", "positions", 1, "file:100")));
    auto m = manifest_of(job, 1, {"src", "agg"});
    m.fingerprint = 42;
    m.plan = "the plan";
    m.metadata["splits"] = std::string("\0\1", 2);
    m.parts = {"n1", "n2"};
    must(store->commit(m));
  }
  auto store = open_store(dir.path());
  CHECK(store->jobs() == std::vector<snapshot_key>{job});
  auto sound = store->newest_sound(job);
  REQUIRE(sound.ok());
  CHECK(sound->number == epoch(1));
  CHECK(restore(*store, job, 1, "agg", "groups") == key_values{{"3/a", "1"}, {"90/b", "2"}});
  CHECK(restore(*store, job, 1, "agg", "groups", {64, 128}) == key_values{{"90/b", "2"}});
  CHECK(restore_blobs(*store, job, 1, "src", "positions") ==
        std::map<uint32_t, std::string>{{1, "file:100"}});
  auto m = store->manifest(job, epoch(1));
  REQUIRE(m.ok());
  CHECK(m->fingerprint == 42);
  CHECK(m->plan == "the plan");
  CHECK(m->metadata.at("splits").size() == 2);
  CHECK(m->parts == std::vector<std::string>{"n1", "n2"});
  REQUIRE(m->find("agg"));
  REQUIRE(m->find("agg")->states.size() == 1);
  CHECK(m->find("agg")->states[0].chunks == 2);
  CHECK(m->find("agg")->states[0].records == 2);
  CHECK(store->manifest(job, epoch(2)).err().code == errc::not_found);
}

TEST_CASE("the last three epochs stay restorable, also when their deltas are folded") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  for (uint64_t e = 1; e <= 6; ++e) {
    std::string n = std::to_string(e);
    must(store->put(job, epoch(e),
                    delta("agg", "s", 1,
                          record_chunk({{"k", n}, {"k" + n, n}}, {"k" + std::to_string(e - 1)}))));
    must(store->put(job, epoch(e), blob("agg", "b", 0, n)));
    must(store->commit(manifest_of(job, e, {"agg"})));
    fold_all(*store);
  }
  CHECK(store->epochs(job) == std::vector<epoch>{epoch(4), epoch(5), epoch(6)});
  for (int pass = 0; pass < 2; ++pass) {
    for (uint64_t e = 4; e <= 6; ++e) {
      std::string n = std::to_string(e);
      CHECK(restore(*store, job, e, "agg", "s") == key_values{{"1/k", n}, {"1/k" + n, n}});
      CHECK(restore_blobs(*store, job, e, "agg", "b") == std::map<uint32_t, std::string>{{0, n}});
    }
    CHECK(store->load(job, epoch(3), "agg", {}).err().code == errc::not_found);
    // Folded base, two deltas, three blobs.
    CHECK(store->usage().live_chunks == 6);
    store.reset();
    store = open_store(dir.path());
  }
}

TEST_CASE("full chunks replace, aborted epochs leave nothing, epochs only grow") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  must(store->put(job, epoch(1), delta("agg", "s", 1, record_chunk({{"old", "1"}}))));
  must(store->commit(manifest_of(job, 1, {"agg"})));
  must(store->put(job, epoch(2), delta("agg", "s", 1, record_chunk({{"lost", "1"}}))));
  store->abort(job, epoch(2));
  must(store->put(job, epoch(3),
                  delta("agg", "s", 1, record_chunk({{"a", "1"}}), chunk_kind::full)));
  must(store->put(job, epoch(3),
                  delta("agg", "s", 1, record_chunk({{"b", "2"}}), chunk_kind::full)));
  must(store->put(job, epoch(3), delta("agg", "s", 1, record_chunk({{"c", "3"}}, {"a"}))));
  must(store->commit(manifest_of(job, 3, {"agg"})));
  CHECK(restore(*store, job, 1, "agg", "s") == key_values{{"1/old", "1"}});
  CHECK(restore(*store, job, 3, "agg", "s") == key_values{{"1/b", "2"}, {"1/c", "3"}});
  CHECK(store->commit(manifest_of(job, 3, {"agg"})).err().code == errc::invalid_argument);
  CHECK(store->commit(manifest_of(job, 0, {"agg"})).err().code == errc::invalid_argument);
  CHECK(restore(*store, job, 3, "agg", "s") == key_values{{"1/b", "2"}, {"1/c", "3"}});

  must(store->put(job, epoch(4), delta("unknown", "s", 1, record_chunk({{"a", "1"}}))));
  auto refused = store->commit(manifest_of(job, 4, {"agg"}));
  REQUIRE(!refused.ok());
  CHECK(refused.err().message.find("operator 'unknown'") != std::string::npos);
  CHECK(store->epochs(job).size() == 2);
  auto wrong = delta("agg", "s", 1, record_chunk({{"a", "1"}}));
  wrong.written = epoch(9);
  CHECK(!store->put(job, epoch(4), wrong).ok());
}

TEST_CASE("large epochs go to the disk before their commit, and leave nothing when given up") {
  scratch_folder dir;
  auto options = quick_options();
  options.staged_bytes_max = 3000;
  const std::string text(1000, 'x');
  const snapshot_key other{"other", ""};
  auto put = [&](snapshot_store& store, const snapshot_key& of, uint64_t e, uint32_t groups) {
    for (uint32_t g = 0; g < groups; ++g)
      must(store.put(of, epoch(e),
                     delta("agg", "groups", g, record_chunk({{"k", std::to_string(e) + text}}))));
  };
  auto expect = [&](const snapshot_store& store, const snapshot_key& of, uint64_t e,
                    uint32_t groups) {
    key_values all;
    for (uint32_t g = 0; g < groups; ++g) all[std::to_string(g) + "/k"] = std::to_string(e) + text;
    CHECK(restore(store, of, e, "agg", "groups") == all);
  };
  uint64_t empty_bytes = 0;
  {
    auto store = open_store(dir.path(), options);
    // Two jobs at a time: the first to begin is the last to be committed.
    put(*store, job, 1, 20);
    put(*store, other, 1, 15);
    CHECK(store->jobs().empty());
    must(store->commit(manifest_of(other, 1, {"agg"})));
    must(store->commit(manifest_of(job, 1, {"agg"})));
    expect(*store, job, 1, 20);
    expect(*store, other, 1, 15);
    CHECK(store->usage().live_chunks == 35);
    put(*store, job, 2, 20);
    store->abort(job, epoch(2));
    CHECK(store->usage().orphans >= 15);
    put(*store, job, 3, 20);
    CHECK(store->usage().orphans == 0);
    must(store->commit(manifest_of(job, 3, {"agg"})));
    expect(*store, job, 3, 20);
    CHECK(store->verify(job)->sound());
    // An epoch that cannot follow, and one that names no operator of its chunks.
    put(*store, job, 2, 20);
    CHECK(!store->commit(manifest_of(job, 2, {"agg"})).ok());
    CHECK(store->usage().orphans >= 15);
    put(*store, job, 4, 20);
    CHECK(!store->commit(manifest_of(job, 4, {"elsewhere"})).ok());
    CHECK(store->usage().orphans >= 15);
    expect(*store, job, 3, 20);
    must(store->drop(other));
    CHECK(store->usage().orphans == 0);
    empty_bytes = store->usage().file_bytes;
    put(*store, job, 5, 20);
    // Under way as the process ends.
  }
  for (int round = 0; round < 20; ++round) {
    auto store = open_store(dir.path(), options);
    CHECK(store->usage().orphans >= 15);
    CHECK(store->epochs(job) == std::vector<epoch>{epoch(1), epoch(3)});
    CHECK(store->verify(job)->sound());
    expect(*store, job, 3, 20);
    put(*store, job, 5, 20);
  }
  auto store = open_store(dir.path(), options);
  put(*store, job, 6, 20);
  must(store->commit(manifest_of(job, 6, {"agg"})));
  expect(*store, job, 6, 20);
  expect(*store, job, 3, 20);
  CHECK(store->usage().orphans == 0);
  // What was given up is used again.
  CHECK(store->usage().file_bytes < empty_bytes + (1 << 20));
}

TEST_CASE("operators that leave the job and subtasks that are gone lose their state") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  must(store->put(job, epoch(1), delta("agg", "s", 1, record_chunk({{"a", "1"}}))));
  for (uint32_t t = 0; t < 4; ++t) must(store->put(job, epoch(1), blob("src", "b", t, "x")));
  must(store->commit(manifest_of(job, 1, {"agg", "src"}, 4)));
  must(store->put(job, epoch(2), blob("src", "b", 0, "y")));
  must(store->commit(manifest_of(job, 2, {"src"}, 2)));  // agg is gone, src has two subtasks
  must(store->commit(manifest_of(job, 3, {"agg", "src"}, 4)));
  auto check = [&] {
    for (uint64_t e : {2, 3}) {
      CHECK(restore(*store, job, e, "agg", "s").empty());
      CHECK(restore_blobs(*store, job, e, "src", "b") ==
            std::map<uint32_t, std::string>{{0, "y"}, {1, "x"}});
    }
  };
  CHECK(restore(*store, job, 1, "agg", "s").size() == 1);
  CHECK(restore_blobs(*store, job, 1, "src", "b").size() == 4);
  check();
  must(store->put(job, epoch(4), delta("agg", "s", 1, record_chunk({{"new", "1"}}))));
  must(store->commit(manifest_of(job, 4, {"agg", "src"}, 4)));
  fold_all(*store);
  check();
  CHECK(restore(*store, job, 4, "agg", "s") == key_values{{"1/new", "1"}});
  CHECK(store->usage().live_chunks == 3);
}

TEST_CASE("jobs and nodes of the same name do not mix") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  snapshot_key other{"flights", "node-2"};
  for (uint64_t e = 1; e <= 3; ++e)
    for (const auto& key : {job, other}) {
      must(store->put(key, epoch(e), delta("agg", "s", 1, record_chunk({{"k", key.text()}}))));
      must(store->commit(manifest_of(key, e, {"agg"})));
    }
  must(store->drop(job));
  CHECK(store->rewind(other, epoch(1)).ok());
  CHECK(store->jobs() == std::vector<snapshot_key>{other});
  CHECK(restore(*store, other, 1, "agg", "s") == key_values{{"1/k", "flights@node-2"}});
  CHECK(store->load(other, epoch(2), "agg", {}).err().code == errc::not_found);
}

TEST_CASE("a restored older epoch goes on without the changes of the newer ones") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  for (uint64_t e = 1; e <= 3; ++e) {
    must(store->put(job, epoch(e), delta("agg", "s", 1, record_chunk({{std::to_string(e), "x"}}))));
    must(store->commit(manifest_of(job, e, {"agg"})));
  }
  must(store->rewind(job, epoch(3)));
  CHECK(store->epochs(job).size() == 3);
  must(store->rewind(job, epoch(2)));
  CHECK(store->rewind({"absent", ""}, epoch(1)).ok());
  must(store->put(job, epoch(4), delta("agg", "s", 1, record_chunk({{"4", "x"}}))));
  must(store->commit(manifest_of(job, 4, {"agg"})));
  CHECK(restore(*store, job, 4, "agg", "s") ==
        key_values{{"1/1", "x"}, {"1/2", "x"}, {"1/4", "x"}});
  store.reset();
  store = open_store(dir.path());
  CHECK(store->epochs(job) == std::vector<epoch>{epoch(1), epoch(2), epoch(4)});
  CHECK(store->verify(job)->sound());
  must(store->drop(job));
  CHECK(store->jobs().empty());
  CHECK(store->usage().live_chunks == 0);
}

TEST_CASE("another node's part is kept under its name and can be imported") {
  scratch_folder dir_a, dir_b;
  auto a = open_store(dir_a.path());
  auto b = open_store(dir_b.path());
  snapshot_key part{"flights", "node-a"};
  must(b->put(part, epoch(1), delta("agg", "s", 5, record_chunk({{"stale", "0"}}))));
  must(b->commit(manifest_of(part, 1, {"agg"})));
  for (uint64_t e = 1; e <= 3; ++e) {
    must(a->put(job, epoch(e), delta("agg", "s", 5, record_chunk({{std::to_string(e), "x"}}))));
    must(a->put(job, epoch(e), blob("agg", "b", 0, std::to_string(e))));
    must(a->commit(manifest_of(job, e, {"agg"})));
  }
  auto chunks = a->load_all(job, epoch(3));
  REQUIRE(chunks.ok());
  CHECK(chunks->size() == 4);
  auto import = as_import(*chunks, epoch(3));
  REQUIRE(import.ok());
  must(b->put(part, epoch(3), std::move(*import)));
  auto m = *a->manifest(job, epoch(3));
  m.key = part;
  must(b->commit(m));
  CHECK(restore(*b, part, 3, "agg", "s") == restore(*a, job, 3, "agg", "s"));
  CHECK(restore_blobs(*b, part, 3, "agg", "b") == std::map<uint32_t, std::string>{{0, "3"}});
  CHECK(b->jobs() == std::vector<snapshot_key>{part});
  (*chunks)[0].crc = *(*chunks)[0].crc ^ 1;
  CHECK(as_import(*chunks, epoch(3)).err().code == errc::corrupt);
}

TEST_CASE("inspection shows sizes per operator and state") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  must(store->put(job, epoch(1), delta("agg", "s", 1, record_chunk({{"a", "1"}, {"b", "2"}}))));
  must(store->commit(manifest_of(job, 1, {"src", "agg"})));
  must(store->put(job, epoch(2), delta("agg", "s", 1, record_chunk({{"a", "3"}}))));
  auto m = manifest_of(job, 2, {"src", "agg"});
  m.finished = true;
  must(store->commit(m));
  auto all = store->inspect(job);
  REQUIRE(all.size() == 2);
  CHECK(all[1].finished);
  CHECK(all[1].ended_us - all[1].started_us == 500);
  CHECK(all[1].chunks == 2);
  REQUIRE(all[1].operators.size() == 2);
  CHECK(all[1].operators[0].id == "src");
  CHECK(all[1].operators[0].bytes == 0);
  auto& agg = all[1].operators[1];
  CHECK(agg.name == "the agg");
  REQUIRE(agg.states.size() == 1);
  CHECK(agg.states[0].records == 3);
  CHECK(agg.bytes == all[0].operators[1].bytes + agg.bytes_written);
  auto report = store->verify(job);
  REQUIRE(report.ok());
  CHECK(report->sound());
  CHECK(report->chunks == 2);
}

TEST_CASE("the map grows, also while chunks of an earlier state are held") {
  scratch_folder dir;
  auto options = quick_options();
  options.map_bytes = 2 << 20;
  options.map_growth = 1 << 20;
  auto store = open_store(dir.path(), options);
  std::string large(300'000, 'L');
  must(store->put(job, epoch(1), delta("agg", "s", 1, record_chunk({{"k", large}}))));
  must(store->commit(manifest_of(job, 1, {"agg"})));
  auto held = store->load(job, epoch(1), "agg", {});
  REQUIRE(held.ok());
  uint64_t before = store->usage().map_bytes;
  for (uint64_t e = 2; e <= 30; ++e) {
    for (uint32_t g = 2; g < 6; ++g)
      must(store->put(job, epoch(e),
                      delta("agg", "s", g, record_chunk({{std::to_string(e), large}}))));
    must(store->commit(manifest_of(job, e, {"agg"})));
  }
  CHECK(store->usage().map_bytes > before * 4);
  CHECK(restore(*store, job, 30, "agg", "s").size() == 4 * 29 + 1);
  chunk_list_reader reader(std::move(*held), "agg");
  size_t bytes = 0;
  must(reader.keyed("s", {}, [&](uint32_t, chunk_kind, auto b) {
    bytes += b.size();
    return status();
  }));
  CHECK(bytes > large.size());
}

TEST_CASE("chunks outlive the store that gave them") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  std::string large(100'000, 'x');
  must(store->put(job, epoch(1), delta("agg", "s", 1, record_chunk({{"k", large}}))));
  must(store->put(job, epoch(1), delta("agg", "s", 2, record_chunk({{"k", "small"}}))));
  must(store->commit(manifest_of(job, 1, {"agg"})));
  auto held = store->load(job, epoch(1), "agg", {});
  REQUIRE(held.ok());
  store.reset();
  // The folder is still in use by what is held.
  CHECK(snapshot_store::open(dir.path(), quick_options()).err().code == errc::locked);
  CHECK(chunk_list_reader(std::move(*held), "agg")
            .keyed("s", {}, [](uint32_t, chunk_kind, auto) { return status(); })
            .ok());
  CHECK(open_store(dir.path())->epochs(job).size() == 1);
}

TEST_CASE("a changed job is compared with a snapshot") {
  auto m = manifest_of(job, 1, {"src", "agg", "gone"});
  std::vector<operator_identity> now = {
      {"src", "source", 7}, {"agg", "aggregate", 8}, {"fresh", "new one", 1}};
  auto c = compare(m, now);
  REQUIRE(c.size() == 4);
  CHECK(c[0].fate == state_fate::kept);
  CHECK(c[1].fate == state_fate::changed);
  CHECK(c[2].fate == state_fate::added);
  CHECK(c[3].fate == state_fate::lost);
  CHECK(c[3].operator_id == "gone");
  CHECK(std::string(to_string(c[3].fate)) == "lost");
}

TEST_CASE("a store opens again after a job was dropped, whatever the file's last pages are") {
  // A transaction may take pages at the end of the map and free them unwritten: the file is then
  // shorter than its header says, and sound.
  for (uint32_t groups = 1; groups <= 40; groups += 3) {
    scratch_folder dir;
    {
      auto store = open_store(dir.path(), quick_options());
      for (uint64_t e = 1; e <= 4; ++e) {
        for (uint32_t g = 0; g < groups; ++g)
          REQUIRE(store->put({"a", ""}, epoch(e),
                             delta("op", "s", g, record_chunk({{"k" + std::to_string(e), "v"}}))));
        REQUIRE(store->commit(manifest_of({"a", ""}, e, {"op"})));
      }
      REQUIRE(store->drop({"a", ""}));
    }
    auto again = snapshot_store::open(dir.path(), quick_options());
    CHECK_MESSAGE(again.ok(), "groups ", groups, ": ", again.ok() ? "" : again.err().message);
  }
}
