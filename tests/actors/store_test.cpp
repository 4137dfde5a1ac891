// What a node's store makes of messages whose order the network does not keep.
#include "actors/store.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "actors/interfaces.hpp"
#include "runtime/flow/task_snapshot.hpp"
#include "runtime/snapshot/store.hpp"

using namespace weir;

namespace {

const std::string part = "job@1.0.1-1";

state_chunk chunk(const std::string& text, uint64_t number, std::string of = "sum") {
  static memory_pool pool(1 << 20);
  return {std::move(of),    "rows",
          no_key_group,     0,
          chunk_kind::blob, buffer::copy(pool, std::as_bytes(std::span(text))),
          epoch{number},    std::nullopt};
}

struct two_stores {
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::string folder;
  store_actor first, second;

  two_stores() {
    std::string pattern = std::filesystem::temp_directory_path() / "weir-stores-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    config.add_message_types<caf::id_block::weir>();
    system = std::make_unique<caf::actor_system>(config);
    snapshot_options how;
    how.sync = false;
    first = spawn_store(*system, std::move(*snapshot_store::open(folder + "/1", how)));
    second = spawn_store(*system, std::move(*snapshot_store::open(folder + "/2", how)));
  }
  ~two_stores() {
    for (const auto& s : {first, second}) caf::anon_send_exit(s, caf::exit_reason::user_shutdown);
    first = second = store_actor();
    system.reset();
    std::filesystem::remove_all(folder);
  }

  uint64_t token = 1;  // of the master's tenure that all of it is said in

  void begin(uint64_t number, uint64_t completed, bool with_copy = true) {
    begin_message m{part, number, completed, token, {}};
    if (with_copy) m.copies.push_back(second);
    caf::anon_send(first, m);
  }
  void chunks(const std::string& text, uint64_t number, const std::string& of = "sum") {
    caf::anon_send(first, chunks_message{part, number, {chunk(text, number, of)}, token});
  }
  std::string commit(uint64_t number) {
    commit_message m;
    m.job = part;
    m.number = number;
    m.key_groups = 8;
    for (const auto& id : {std::string("sum"), std::string("more"), edge_state_id("sum-more")})
      m.operators.push_back({id, id, 1, 0});
    m.token = token;
    std::string problem = "no answer";
    caf::scoped_actor self(*system);
    self->request(first, std::chrono::seconds(10), m)
        .receive([&](const operation_reply& r) { problem = r.error; },
                 [](const caf::error&) { /* "no answer" */ });
    return problem;
  }
  /// The texts of an epoch's chunks, with a blank behind each.
  std::string load(const store_actor& from, uint64_t number) {
    load_message m;
    m.job = part;
    m.number = number;
    m.all = true;
    std::string found;
    caf::scoped_actor self(*system);
    self->request(from, std::chrono::seconds(10), m)
        .receive(
            [&](const load_reply& r) {
              found = r.error;
              if (!r.chunks.empty())
                for (const auto& c : r.chunks.front())
                  found += std::string(c.bytes.as<char>(), c.bytes.size()) + " ";
            },
            [&](const caf::error&) { found = "no answer"; });
    return found;
  }
};

}  // namespace

TEST_CASE("chunks that overtake the word of their epoch are in it, and in its copy") {
  two_stores s;
  s.chunks("one", 1);
  s.begin(1, 0);
  CHECK(s.commit(1) == "");
  CHECK(s.load(s.first, 1) == "one ");
  CHECK(s.load(s.second, 1) == "one ");
  // While another epoch is under way, too.
  s.begin(2, 1);
  s.chunks("three", 3);
  s.begin(3, 1);
  CHECK(s.commit(3) == "");
  CHECK(s.load(s.first, 3) == "three ");
  CHECK(s.load(s.second, 3) == "three ");
}

TEST_CASE("chunks of an epoch that never begins, or has been left behind, are in none") {
  two_stores s;
  s.begin(2, 0);
  s.chunks("late", 1);
  s.chunks("early", 3);
  s.begin(4, 0);
  s.chunks("four", 4);
  s.chunks("late", 3);
  CHECK(s.commit(4) == "");
  CHECK(s.load(s.first, 4) == "four ");
  CHECK(s.load(s.second, 4) == "four ");
}

TEST_CASE("an epoch of a new master has nothing of what the one before it began by that number") {
  two_stores s;
  s.begin(1, 0);
  s.chunks("one", 1);
  CHECK(s.commit(1) == "");
  s.begin(2, 1);
  s.chunks("of the former", 2);
  s.chunks("early of the former", 3);
  s.token = 2;
  s.begin(2, 1);
  s.chunks("two", 2, "more");
  CHECK(s.commit(2) == "");
  CHECK(s.load(s.first, 2) == "two one ");
  CHECK(s.load(s.second, 2) == "two one ");
  s.begin(3, 2);
  CHECK(s.commit(3) == "");
  CHECK(s.load(s.first, 3) == "two one ");
}

TEST_CASE("a copy that is made later begins without the rows that were in flight before") {
  two_stores s;
  s.begin(1, 0, false);
  s.chunks("state", 1);
  s.chunks("rows", 1, edge_state_id("sum-more"));
  CHECK(s.commit(1) == "");
  CHECK(s.load(s.first, 1) == "rows state ");
  s.begin(2, 1);
  s.chunks("more", 2, "more");
  CHECK(s.commit(2) == "");
  CHECK(s.load(s.second, 2) == "more state ");
}
