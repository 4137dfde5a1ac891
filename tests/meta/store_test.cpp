// The log store on a real disk: damage and kill -9.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "cluster/meta/raft/lmdb_store.hpp"
#include "cluster/meta/raft/message.hpp"
#include "tests/meta/folder.hpp"

using namespace weir;
using namespace weir::meta;
namespace fs = std::filesystem;

TEST_CASE("the store: batches are whole, entries follow each other, damage is refused") {
  folder dir;
  std::string at = (dir.path / "s").string();
  stored_log want;
  {
    auto store = lmdb_store::open(at);
    REQUIRE(store.ok());
    CHECK(lmdb_store::open(at).err().code == errc::locked);
    CHECK((*store)->snapshot().err().code == errc::not_found);
    write_batch first{put_vote{3, 7}, put_entries{1,
                                                  {{1, entry_type::change, "c"},
                                                   {2, entry_type::command, std::string(5000, 'x')},
                                                   {3, entry_type::barrier, ""}}}};
    REQUIRE((*store)->write(first).ok());
    // In the middle of a batch something is wrong: none of it is there.
    CHECK_FALSE(
        (*store)->write({put_vote{9, 9}, put_entries{3, {{9, entry_type::command, "y"}}}}).ok());
    CHECK((*store)->load()->term == 3);
    REQUIRE((*store)->write({drop_from{3}, put_entries{3, {{3, entry_type::command, "z"}}}}).ok());
    snapshot_record s{2, 2, {{1, "a", server_role::voter}}, 1, std::string(100'000, 's')};
    REQUIRE((*store)->write({put_snapshot{s, 2}}).ok());
    want = *(*store)->load();
    CHECK(want.first == 2);
    CHECK(want.entries.size() == 2);
    CHECK(want.entries[1].data == "z");
    CHECK(*want.snapshot == s);
    REQUIRE((*store)->write({put_snapshot{{9, 3, s.servers, 1, "t"}, 0}}).ok());
    CHECK((*store)->load()->first == 10);
    CHECK((*store)->load()->entries.empty());
  }
  // One byte wrong anywhere: either it is noticed or it was nowhere of use.
  auto good = lmdb_store::open(at);
  stored_log now = *(*good)->load();
  good = error(errc::cancelled, "closed");
  std::string file = at + "/data.mdb";
  const auto size = fs::file_size(file);
  std::mt19937_64 random(11);
  for (int i = 0; i < 150; ++i) {
    const auto where = static_cast<std::streamoff>(random() % size);
    char before;
    auto poke = [&](char c) {
      std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
      f.seekp(where);
      f.put(c);
    };
    {
      std::ifstream f(file, std::ios::binary);
      f.seekg(where);
      before = static_cast<char>(f.get());
    }
    poke(static_cast<char>(before ^ 0x41));
    {
      auto store = lmdb_store::open(at);
      if (store) {
        auto loaded = (*store)->load();
        if (loaded) {
          // LMDB's two roots are not sealed: a damaged one may show the batch before the last.
          CHECK((loaded->term == now.term || loaded->term == 0));
          CHECK((!loaded->snapshot || loaded->snapshot->data == now.snapshot->data ||
                 loaded->snapshot->data == want.snapshot->data));
        }
      }
    }
    poke(before);
  }
}

TEST_CASE("kill -9 in the middle of writing: what was acknowledged is there") {
  for (int round = 0; round < 5; ++round) {
    folder dir;
    std::string at = (dir.path / "s").string();
    int pipe_of_acks[2];
    REQUIRE(::pipe(pipe_of_acks) == 0);
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto store = lmdb_store::open(at);
      if (!store) ::_exit(1);
      if (!(*store)->write({put_vote{1, 1}}).ok()) ::_exit(1);
      for (log_index i = 1;; ++i) {
        write_batch b{put_entries{i, {{1, entry_type::command, "c" + std::to_string(i)}}}};
        if (i % 10 == 0)
          b.push_back(
              put_snapshot{{i, 1, {{1, "a", server_role::voter}}, 1, "at" + std::to_string(i)},
                           i > 5 ? i - 5 : 1});
        if (!(*store)->write(b).ok()) ::_exit(1);
        if (::write(pipe_of_acks[1], &i, sizeof i) != sizeof i) ::_exit(1);
      }
    }
    ::close(pipe_of_acks[1]);
    log_index acked = 0, next = 0;
    while (acked < static_cast<log_index>(20 + 17 * round) &&
           ::read(pipe_of_acks[0], &next, sizeof next) == sizeof next)
      acked = next;
    ::kill(child, SIGKILL);
    while (::read(pipe_of_acks[0], &next, sizeof next) == sizeof next) acked = next;
    ::close(pipe_of_acks[0]);
    int how = 0;
    ::waitpid(child, &how, 0);
    REQUIRE(WIFSIGNALED(how));
    auto store = lmdb_store::open(at);
    REQUIRE(store.ok());
    auto log = (*store)->load();
    REQUIRE(log.ok());
    const log_index last = log->first + log->entries.size() - 1;
    CHECK(last >= acked);
    CHECK(last <= acked + 1);
    CHECK(log->entries.back().data == "c" + std::to_string(last));
    CHECK(log->snapshot->index == last / 10 * 10);
    CHECK(log->snapshot->data == "at" + std::to_string(log->snapshot->index));
  }
}
