// What the committer says when the disk refuses, and that it heals.
#include "runtime/log/group_commit.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "runtime/log/commit_journal.hpp"
#include "tests/log/crash_files.hpp"
#include "tests/log/log_fixture.hpp"

using namespace weir;
using namespace weir::test;

namespace {

using strings = std::vector<std::string>;

/// Fails the n-th call from now on of one kind on paths that contain `part`.
auto nth(file_op op, std::string part, int n, file_fault how) {
  return [=, left = n](file_op o, const std::string& p) mutable {
    if (o != op || p.find(part) == std::string::npos) return file_fault::none;
    return left-- == 0 ? how : file_fault::none;
  };
}

}  // namespace

TEST_CASE("a full disk refuses writes and takes them again later by itself") {
  log_fixture f;
  REQUIRE(f.append(strings{"a"}).ok());
  bool full = true;
  f.fault = [&](file_op op, const std::string& p) {
    const bool grows = op == file_op::write || op == file_op::allocate;
    return full && grows && p.find(".log") != std::string::npos ? file_fault::enospc
                                                                : file_fault::none;
  };
  for (int i = 0; i < 3; ++i) {
    auto r = f.append({"refused"});
    REQUIRE(!r.ok());
    CHECK(r.err().code == errc::no_space);
    CHECK(f.log().log_end_offset() == 1);
    CHECK(f.log().staged_end_offset() == 1);
  }
  full = false;
  CHECK(*f.append({"b"}) == 1);
  CHECK(*f.records() == strings{"0:a", "1:b"});
  CHECK(f.committer().stats().failures == 3);
  REQUIRE(f.restart().ok());
  CHECK(*f.records() == strings{"0:a", "1:b"});
}

TEST_CASE("writes that were staged behind a failed one are void") {
  log_fixture f;
  REQUIRE(f.append(strings{"a"}).ok());
  auto first = f.stage({"b"}), second = f.stage({"c"}), third = f.stage({"d"});
  f.fault = nth(file_op::write, ".log", 0, file_fault::eio);
  CHECK(!f.commit({first.write, second.write}).ok());
  // The third one was on its way when the failure was not known yet.
  std::vector<commit_outcome> outcomes;
  f.committer().commit({third.write}, outcomes);
  CHECK(outcomes.empty());
  CHECK(*f.append({"e"}) == 1);
  CHECK(*f.records() == strings{"0:a", "1:e"});
}

TEST_CASE("after a failed sync nothing of the round is acknowledged, and the next one is whole") {
  // Large writes, which go to the segments directly, and small ones by the journal.
  for (const size_t size : {size_t{300'000}, size_t{100}}) {
    CAPTURE(size);
    log_fixture f;
    REQUIRE(f.append(strings{"a"}).ok());
    bool broken = true;
    f.fault = [&](file_op op, const std::string&) {
      return broken && op == file_op::sync ? file_fault::eio : file_fault::none;
    };
    for (int i = 0; i < 3; ++i) {
      auto r = f.append({std::string(size, 'x')});
      REQUIRE(!r.ok());
      CHECK(r.err().code == errc::io);
      CHECK(*f.records() == strings{"0:a"});
    }
    broken = false;
    CHECK(*f.append({"b"}) == 1);
    CHECK(*f.records() == strings{"0:a", "1:b"});
    REQUIRE(f.restart().ok());
    CHECK(*f.records() == strings{"0:a", "1:b"});
    CHECK(f.log().recovery().cut_bytes == 0);
  }
}

TEST_CASE("a broken journal is no reason to refuse writes") {
  log_fixture f;
  REQUIRE(f.append(strings{"a"}).ok());
  f.fault = [](file_op op, const std::string& p) {
    return op != file_op::open && p.find("journal") != std::string::npos ? file_fault::eio
                                                                         : file_fault::none;
  };
  for (int i = 1; i < 4; ++i) CHECK(*f.append({"b"}) == i);
  CHECK(f.committer().stats().journal_syncs == 0);
  f.fault = nullptr;
  CHECK(*f.append({"c"}) == 4);
  CHECK(f.committer().stats().journal_syncs == 1);
  REQUIRE(f.restart().ok());
  CHECK(f.records()->size() == 5);
}

TEST_CASE("the journal turns, in the background too") {
  for (const bool background : {false, true}) {
    CAPTURE(background);
    scratch_folder dir;
    auto fs = make_posix_file_system();
    auto executor = make_thread_executor(1);
    file_cache cache(*fs);
    auto committer = group_commit::open(cache, {dir.path(), background ? executor.get() : nullptr});
    REQUIRE(committer.ok());
    auto log = partition_log::open(cache, {}, dir / "t-0", {});
    REQUIRE(log.ok());
    const uint64_t rounds = 900;  // of 100 kB: the journal's files have 32 MiB
    for (uint64_t i = 0; i < rounds; ++i) {
      auto bytes = std::make_shared<std::vector<std::byte>>(batch_of({std::string(100'000, 'x')}));
      auto staged = (*log)->stage(*bytes, bytes, 0, 1000);
      REQUIRE(staged.ok());
      std::vector<commit_outcome> outcomes;
      (*committer)->commit({staged->write}, outcomes);
      REQUIRE(outcomes.size() == 1);
      REQUIRE(outcomes[0].committed_end);
      (*log)->committed(*outcomes[0].committed_end);
    }
    CHECK((*log)->log_end_offset() == rounds);
    CHECK((*committer)->stats().journal_syncs == rounds - 1);  // the first one made the file
    CHECK((*committer)->stats().turns == 2);
    CHECK(std::filesystem::file_size(dir / "journal-0") <= commit_journal::file_bytes_max);
    REQUIRE((*committer)->close().ok());
    CHECK(std::filesystem::file_size(dir / "journal-0") == 0);
  }
}

TEST_CASE("os durability skips the sync") {
  log_config c;
  c.sync = false;
  log_fixture f(c);
  uint64_t syncs = 0;
  f.fault = [&](file_op op, const std::string&) {
    syncs += op == file_op::sync;
    return file_fault::none;
  };
  for (int i = 0; i < 10; ++i) CHECK(*f.append({"a"}) == i);
  CHECK(syncs == 0);
  REQUIRE(f.committer().close().ok());
  CHECK(syncs > 0);
}

TEST_CASE("10,000 partitions share a round, and open at once after a clean stop") {
  crash_files files(1);  // removing so many from a disk takes longer than all else
  file_system* fs = &files;
  const std::string dir = "/node";
  constexpr int partitions = 10'000;
  const std::string stop = dir + "/clean-stop";
  {
    file_cache cache(*fs);
    auto committer = group_commit::open(cache, {dir, nullptr});
    REQUIRE(committer.ok());
    std::vector<std::unique_ptr<partition_log>> logs;
    for (int round = 0; round < 2; ++round) {
      std::vector<log_write> writes;
      for (int p = 0; p < partitions; ++p) {
        if (round == 0) {
          auto log = partition_log::open(cache, {{}, p}, dir + ("/t-" + std::to_string(p)), {});
          REQUIRE(log.ok());
          logs.push_back(*std::move(log));
        }
        auto bytes = std::make_shared<std::vector<std::byte>>(batch_of({std::to_string(p)}));
        auto staged = logs[static_cast<size_t>(p)]->stage(*bytes, bytes, 0, 1000);
        REQUIRE(staged.ok());
        writes.push_back(staged->write);
      }
      std::vector<commit_outcome> outcomes;
      (*committer)->commit(std::move(writes), outcomes);
      REQUIRE(outcomes.size() == partitions);
      for (const auto& o : outcomes) {
        REQUIRE(o.committed_end);
        logs[static_cast<size_t>(o.lane->id.partition)]->committed(*o.committed_end);
      }
    }
    CHECK((*committer)->stats().journal_syncs == 1);
    CHECK(cache.open_files() <= file_cache::open_max_default);
    CHECK((*committer)->point({{}, 77})->end_offset == 2);
    REQUIRE((*committer)->close().ok());
    std::vector<clean_partition> all;
    for (const auto& log : logs) all.push_back({log->id(), log->summary(), ""});
    REQUIRE(write_clean_stop(*fs, stop, all).ok());
    // 16 KiB each, not a segment's 1 GiB.
    auto info = fs->stat(dir + "/t-5/00000000000000000000.log");
    CHECK(info->size == 16384);
  }
  const auto begin = std::chrono::steady_clock::now();
  file_cache cache(*fs);
  auto committer = group_commit::open(cache, {dir, nullptr});
  REQUIRE(committer.ok());
  auto all = take_clean_stop(*fs, stop);
  REQUIRE(all.ok());
  REQUIRE(all->size() == partitions);
  std::vector<std::unique_ptr<partition_log>> logs;
  for (auto& p : *all) {
    log_open_options o;
    o.clean_summary = p.summary;
    auto log =
        partition_log::open(cache, p.id, dir + ("/t-" + std::to_string(p.id.partition)), {}, o);
    REQUIRE(log.ok());
    logs.push_back(*std::move(log));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  MESSAGE("opened 10,000 partitions in ", took.count(), " s");
  CHECK(logs[77]->log_end_offset() == 2);
  CHECK(logs[77]->read({1, 1000})->bytes > 0);
}
