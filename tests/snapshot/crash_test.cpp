#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "tests/snapshot/store_test_tools.hpp"

// What other processes, kills and full disks do to a store. Children that write are forked and end
// by _exit or a kill; they report through a pipe and use no doctest checks.
using namespace weir;
using namespace weir::test;

namespace {

const snapshot_key job{"killed", ""};

snapshot_manifest plain_manifest(uint64_t e) {
  snapshot_manifest m;
  m.key = job;
  m.number = epoch(e);
  m.operators.push_back({"op", "op", 1, 0});
  return m;
}

buffer_ref plain_chunk(const key_values& upserts) {
  buffer_ref out;
  record_writer w(
      test_pool(), record_layout::variable(), [&](buffer_ref b) { out = std::move(b); },
      chunk_bytes_max);
  for (auto& [k, v] : upserts) w.upsert(bytes_of(k), bytes_of(v));
  w.finish();
  return out;
}

/// One epoch: group g's key "k" gets the epoch as its value, "kE" is added.
status write_epoch(snapshot_store& store, uint64_t e, size_t padding = 3000) {
  std::string n = std::to_string(e);
  for (uint32_t g = 0; g < 4; ++g)
    WEIR_TRY(store.put(
        job, epoch(e),
        delta("op", "s", g, plain_chunk({{"k", n}, {"k" + n, std::string(padding, 'p')}}))));
  return store.commit(plain_manifest(e));
}

/// Commits epochs for ever; tells the parent the number of each that was acknowledged.
[[noreturn]] void child_commits(const std::string& dir, int out) {
  auto options = quick_options();
  options.sync = true;
  options.staged_bytes_max = 5000;  // half of an epoch goes to the disk before its commit
  auto store = snapshot_store::open(dir, options);
  if (!store) ::_exit(2);
  auto all = (*store)->epochs(job);
  uint64_t e = all.empty() ? 0 : all.back().value;
  for (;;) {
    if (!write_epoch(**store, ++e)) ::_exit(3);
    if (::write(out, &e, sizeof e) != sizeof e) ::_exit(4);
    if (!(*store)->fold_some(64 << 10)) ::_exit(5);
  }
}

}  // namespace

TEST_CASE("kill -9 at any moment leaves complete epochs, none of the acknowledged lost") {
  scratch_folder dir;
  std::mt19937_64 random(17);
  uint64_t acknowledged = 0;
  for (int round = 0; round < 25; ++round) {
    CAPTURE(round);
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    std::fflush(nullptr);
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(pipe_ends[0]);
      child_commits(dir.path(), pipe_ends[1]);
    }
    ::close(pipe_ends[1]);
    // Some epochs, then a moment that differs each time.
    uint64_t e = 0;
    for (uint64_t i = 1 + random() % 6; i; --i) {
      ssize_t n = ::read(pipe_ends[0], &e, sizeof e);
      REQUIRE(n == static_cast<ssize_t>(sizeof e));
      acknowledged = e;
    }
    if (round == 0) {
      auto refused = snapshot_store::open(dir.path(), quick_options());
      REQUIRE(!refused.ok());
      CHECK(refused.err().code == errc::locked);
      CHECK(refused.err().message.find("(pid " + std::to_string(child) + ")") != std::string::npos);
      auto options = quick_options();
      options.read_only = true;
      auto looks_on = snapshot_store::open(dir.path(), options);
      REQUIRE(looks_on.ok());
      CHECK((*looks_on)->verify(job)->sound());
      CHECK((*looks_on)->inspect(job).back().number >= epoch(acknowledged));
      CHECK((*looks_on)->fold_some().err().code == errc::invalid_argument);
    }
    ::usleep(static_cast<useconds_t>(random() % 3000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe_ends[0], &e, sizeof e) == static_cast<ssize_t>(sizeof e)) acknowledged = e;
    ::close(pipe_ends[0]);

    auto store = open_store(dir.path());
    auto sound = store->newest_sound(job);
    REQUIRE(sound.ok());
    CHECK(sound->damage.empty());
    CHECK(sound->number >= epoch(acknowledged));
    CHECK(sound->number <= epoch(acknowledged + 1));
    acknowledged = sound->number.value;
    for (epoch kept : store->epochs(job)) {
      auto state = restore(*store, job, kept.value, "op", "s");
      CHECK(state.size() == 4 * (kept.value + 1));
      for (uint32_t g = 0; g < 4; ++g)
        CHECK(state[std::to_string(g) + "/k"] == std::to_string(kept.value));
    }
  }
}

TEST_CASE("a store whose making was cut short is made anew") {
  // What a full disk or a lost machine leaves: a part of the new file, under its first name.
  scratch_folder dir;
  std::ofstream(dir / "data.mdb.new") << std::string(5000, 'x');
  {
    auto store = snapshot_store::open(dir.path(), quick_options());
    REQUIRE(store.ok());
    CHECK(write_epoch(**store, 1).ok());
  }
  CHECK(::access((dir / "data.mdb.new").c_str(), F_OK) != 0);
  auto store = snapshot_store::open(dir.path(), quick_options());
  REQUIRE(store.ok());
  CHECK((*store)->epochs(job) == std::vector<epoch>{epoch(1)});
}

TEST_CASE("a store that could not be made says why and leaves nothing behind") {
  scratch_folder dir;
  // In a child, since a limit on file sizes counts for the whole process.
  pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{6000, 6000};  // less than LMDB's two first pages
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto store = snapshot_store::open(dir.path(), quick_options());
    if (store) ::_exit(2);
    const auto& why = store.err().message;
    ::_exit(why.find("cannot create the snapshot store '" + dir.path()) == 0 ? 0 : 3);
  }
  int how = 0;
  REQUIRE(::waitpid(child, &how, 0) == child);
  CHECK((WIFEXITED(how) && WEXITSTATUS(how) == 0));
  CHECK(::access((dir / "data.mdb").c_str(), F_OK) != 0);
  CHECK(snapshot_store::open(dir.path(), quick_options()).ok());
}

TEST_CASE("a full disk fails the epoch, not the store") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: mounting a small tmpfs needs root");
    return;
  }
  scratch_folder dir;
  if (::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=3m") != 0) {
    MESSAGE("skipped: this system does not let root mount a tmpfs");
    return;
  }
  {
    auto store = open_store(dir.path());
    REQUIRE(write_epoch(*store, 1).ok());
    {
      std::ofstream filler(dir / "filler");
      std::string block(64 << 10, 'f');
      while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush())
        ;
    }
    for (uint64_t e : {2, 3}) {
      auto s = write_epoch(*store, e, 200'000);
      REQUIRE(!s.ok());
      CHECK(s.err().code == errc::no_space);
      CHECK(s.err().message.find("epoch " + std::to_string(e) + " is aborted") !=
            std::string::npos);
      CHECK(s.err().message.find("free space") != std::string::npos);
      CHECK(store->epochs(job) == std::vector<epoch>{epoch(1)});
      CHECK(restore(*store, job, 1, "op", "s").size() == 8);
    }
    ::unlink((dir / "filler").c_str());
    REQUIRE(write_epoch(*store, 4, 200'000).ok());
    store.reset();
    store = open_store(dir.path());
    CHECK(store->newest_sound(job)->number == epoch(4));
    CHECK(restore(*store, job, 4, "op", "s").size() == 12);
    CHECK(restore(*store, job, 4, "op", "s")["2/k"] == "4");
  }
  ::umount(dir.path().c_str());
}

TEST_CASE("a limit on file sizes fails the epoch, not the store") {
  scratch_folder dir;
  auto store = open_store(dir.path());
  REQUIRE(write_epoch(*store, 1).ok());
  rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = store->usage().file_bytes + 100'000;
  auto handler = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  auto s = write_epoch(*store, 2, 200'000);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, handler);
  REQUIRE(!s.ok());
  CHECK(s.err().code == errc::no_space);
  REQUIRE(write_epoch(*store, 3, 200'000).ok());
  CHECK(restore(*store, job, 3, "op", "s")["0/k"] == "3");
}
