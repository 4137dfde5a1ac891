#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/snapshot/store_test_tools.hpp"

// Flipped bits in the store's file: found, named, and stepped back from.
using namespace weir;
using namespace weir::test;

namespace {

const snapshot_key job{"damaged", ""};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Three epochs; epoch e puts the mark "epoch-e-mark" into a large chunk of key group e.
void fill(const std::string& dir, uint64_t epochs = 3) {
  auto store = open_store(dir);
  for (uint64_t e = 1; e <= epochs; ++e) {
    std::string mark = "epoch-" + std::to_string(e) + "-mark";
    auto group = static_cast<uint32_t>(e);
    REQUIRE(store
                ->put(job, epoch(e),
                      delta("agg", "sums", group, record_chunk({{mark, std::string(20'000, 'v')}})))
                .ok());
    REQUIRE(
        store->put(job, epoch(e), delta("agg", "small", group, record_chunk({{"k", mark}}))).ok());
    REQUIRE(store->commit(manifest_of(job, e, {"agg"})).ok());
  }
}

void flip(const std::string& dir, const std::string& at) {
  std::string path = dir + "/data.mdb";
  std::string bytes = read_file(path);
  size_t found = 0;
  for (size_t p = bytes.find(at); p != std::string::npos; p = bytes.find(at, p + 1)) {
    // Large chunks fill pages of their own; the other finds are small ones.
    if (p + 20'000 < bytes.size() && bytes[p + at.size() + 10] == 'v') {
      bytes[p + at.size() + 100] ^= 4;
      ++found;
    }
  }
  REQUIRE(found > 0);
  write_file(path, bytes);
}

}  // namespace

TEST_CASE("a damaged chunk is named and the newest epoch without it is used") {
  scratch_folder dir;
  fill(dir.path());
  flip(dir.path(), "epoch-3-mark");
  auto store = open_store(dir.path());
  // Cheap checks do not read the bytes.
  CHECK(store->newest_sound(job, false)->number == epoch(3));
  auto sound = store->newest_sound(job);
  REQUIRE(sound.ok());
  CHECK(sound->number == epoch(2));
  REQUIRE(sound->damage.size() == 1);
  CHECK(sound->damage[0] ==
        "a chunk is damaged (checksum does not match): operator 'agg', state 'sums', "
        "key group 3, epoch 3");
  CHECK(restore(*store, job, 2, "agg", "sums").size() == 2);
  auto chunks = store->load(job, epoch(3), "agg", {});
  REQUIRE(chunks.ok());
  auto s = chunk_list_reader(std::move(*chunks), "agg")
               .keyed("sums", {}, [](uint32_t, chunk_kind, auto) { return status(); });
  REQUIRE(!s.ok());
  CHECK(s.err().code == errc::corrupt);
  auto report = store->verify(job);
  REQUIRE(report.ok());
  CHECK(!report->sound());
  CHECK(report->epochs[1].damage.empty());
  CHECK(report->epochs[2].damage.size() == 1);

  REQUIRE(store->rewind(job, epoch(2)).ok());
  CHECK(store->verify(job)->sound());
}

TEST_CASE("a damaged base is not folded over, and no epoch is called sound") {
  scratch_folder dir;
  fill(dir.path());
  flip(dir.path(), "epoch-1-mark");
  auto store = open_store(dir.path());
  fold_all(*store);
  auto sound = store->newest_sound(job);
  REQUIRE(!sound.ok());
  CHECK(sound.err().code == errc::corrupt);
  CHECK(sound.err().message.find("none of the 3 snapshots of job 'damaged' is sound") == 0);
  CHECK(sound.err().message.find("key group 1, epoch 1") != std::string::npos);
}

TEST_CASE("an epoch whose record is lost is damaged, and not written on top of its chunks") {
  scratch_folder dir;
  fill(dir.path(), 4);
  // The key of the record: 'm', the job's number and the epoch's, both big-endian.
  const std::string record("m\0\0\0\1\0\0\0\0\0\0\0\4", 13);
  std::string path = dir.path() + "/data.mdb", bytes = read_file(path);
  size_t found = 0;
  for (size_t p = bytes.find(record); p != std::string::npos; p = bytes.find(record, p + 1)) {
    bytes[p + 4] ^= 2;  // a job that there is not
    ++found;
  }
  REQUIRE(found > 0);
  write_file(path, bytes);
  auto store = open_store(dir.path());
  auto sound = store->newest_sound(job);
  REQUIRE(sound.ok());
  CHECK(sound->number == epoch(3));
  REQUIRE(sound->damage.size() == 1);
  CHECK(sound->damage[0] == "epoch 4: the record of the epoch is damaged");
  REQUIRE(store->rewind(job, epoch(3)).ok());
  REQUIRE(store->commit(manifest_of(job, 4, {"agg"})).ok());
  CHECK(restore(*store, job, 4, "agg", "sums").size() == 3);
  CHECK(store->verify(job)->sound());
}

TEST_CASE("a copy of the folder is looked at; a cut or foreign file is refused") {
  scratch_folder dir;
  std::string original = dir / "a", copy = dir / "b", cut = dir / "c", foreign = dir / "d";
  fill(original);
  std::filesystem::create_directory(copy);
  std::filesystem::copy_file(original + "/data.mdb", copy + "/data.mdb");
  auto options = quick_options();
  options.read_only = true;
  CHECK(open_store(copy, options)->verify(job)->sound());
  CHECK(snapshot_store::open(dir / "absent", options).err().code == errc::not_found);

  std::string bytes = read_file(original + "/data.mdb");
  std::filesystem::create_directory(cut);
  write_file(cut + "/data.mdb", bytes.substr(0, bytes.size() / 2));
  auto r = snapshot_store::open(cut, quick_options());
  REQUIRE(!r.ok());
  CHECK(r.err().code == errc::corrupt);
  CHECK(r.err().message.find("cut short") != std::string::npos);
  std::filesystem::create_directory(foreign);
  write_file(foreign + "/data.mdb", std::string(100'000, 'x'));
  CHECK(snapshot_store::open(foreign, quick_options()).err().code == errc::corrupt);
}

TEST_CASE("a sound store is sound whatever its shape") {
  std::mt19937_64 random(7);
  for (int store_number = 0; store_number < 60; ++store_number) {
    scratch_folder dir;
    for (uint64_t e = 1; e <= 40; ++e) {
      CAPTURE(store_number);
      CAPTURE(e);
      auto store = open_store(dir.path());  // checked as the one before has left it
      const auto chunks = random() % 4;
      for (uint64_t c = 0; c < chunks; ++c) {
        // Of a page of its own, of several, or of less.
        const size_t sizes[] = {2'100 + random() % 1'500, random() % 60'000, random() % 2'000};
        const std::string value(sizes[random() % 3], 'v');
        const auto group = static_cast<uint32_t>(random() % 8);
        REQUIRE(store->put(job, epoch(e), delta("agg", "sums", group, record_chunk({{"k", value}})))
                    .ok());
      }
      REQUIRE(store->commit(manifest_of(job, e, {"agg"})).ok());
      if (random() % 2) fold_all(*store);
      if (random() % 8 == 0) REQUIRE(store->drop({"other", ""}).ok());
      REQUIRE(store
                  ->put({"other", ""}, epoch(e),
                        delta("agg", "sums", 1,
                              record_chunk({{"k", std::string(2'100 + random() % 1'500, 'v')}})))
                  .ok());
      auto other = manifest_of({"other", ""}, e, {"agg"});
      REQUIRE(store->commit(other).ok());
      if (random() % 4 == 0) REQUIRE(store->rewind(job, epoch(e)).ok());
    }
  }
}

TEST_CASE("random flipped bits anywhere are found or harmless, and never crash") {
  scratch_folder dir;
  std::string original = dir / "original", broken = dir / "broken";
  fill(original, 12);
  const std::string bytes = read_file(original + "/data.mdb");
  key_values expected[13];
  {
    auto store = open_store(original);
    for (epoch e : store->epochs(job))
      expected[e.value] = restore(*store, job, e.value, "agg", "sums");
  }
  std::vector<size_t> structure;  // pages of trees and of lists of free pages
  for (size_t p = 0; p < bytes.size() / 4096; ++p)
    if (bytes.compare(p * 4096 + 2000, 4, "vvvv") != 0) structure.push_back(p);
  REQUIRE(structure.size() > 5);
  std::mt19937_64 random(23);
  std::filesystem::create_directory(broken);
  size_t refused = 0, fell_back = 0, untouched = 0;
  for (int i = 0; i < 1200; ++i) {
    CAPTURE(i);
    std::string bad = bytes;
    // Most of the file is chunks; of three flips one goes into the first bytes of a page and one
    // into a page without chunks, where LMDB's own structure is.
    size_t at = random() % bad.size();
    if (i % 3 == 1) at = at / 4096 * 4096 + random() % 128;
    if (i % 3 == 2) at = structure[random() % structure.size()] * 4096 + random() % 4096;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    write_file(broken + "/data.mdb", bad);
    std::filesystem::remove(broken + "/lock.mdb");
    auto store = snapshot_store::open(broken, quick_options());
    if (!store) {
      ++refused;
      CHECK(store.err().code != errc::internal);
      continue;
    }
    auto sound = (*store)->newest_sound(job);
    if (!sound) {
      ++refused;
      continue;
    }
    sound->damage.empty() ? ++untouched : ++fell_back;
    CHECK(restore(**store, job, sound->number.value, "agg", "sums") ==
          expected[sound->number.value]);
    (void)(*store)->verify(job);
    (void)(*store)->inspect(job);
    // Going on with what is left works or fails with an error.
    if ((*store)->rewind(job, sound->number).ok()) {
      uint64_t next = sound->number.value + 1;
      auto chunk = delta("agg", "small", 1, record_chunk({{"k", std::string(9'000, 'w')}}));
      if ((*store)->put(job, epoch(next), std::move(chunk)).ok() &&
          (*store)->commit(manifest_of(job, next, {"agg"})).ok())
        CHECK(restore(**store, job, next, "agg", "sums") == expected[next - 1]);
    }
    (void)(*store)->fold_some();
  }
  MESSAGE("refused " << refused << ", fell back " << fell_back << ", untouched " << untouched);
  CHECK(refused > 0);
  CHECK(fell_back > 0);
  CHECK(untouched > 0);
}
