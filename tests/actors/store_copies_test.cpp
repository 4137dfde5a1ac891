// The actor around a snapshot store: parts of epochs that are copied, and set aside as savepoints.
#include "actors/store.hpp"

#include <doctest/doctest.h>

#include <caf/scoped_actor.hpp>

#include "actors/job_ledger.hpp"
#include "actors/job_manifest.hpp"
#include "runtime/flow/task_snapshot.hpp"
#include "runtime/snapshot/store.hpp"
#include "tests/io/scratch.hpp"

using namespace weir;
using namespace std::chrono_literals;

namespace {

constexpr const char* part = "job@1.0.1-1";
const std::string edge = edge_state_id("a->b");

struct fixture {
  test::scratch_folder folder;
  memory_pool pool;
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  store_actor here, other;

  fixture() {
    config.add_message_types<caf::id_block::weir>();
    config.set("scheduler.max-threads", size_t{1});
    system = std::make_unique<caf::actor_system>(config);
    here = start("here");
    other = start("other");
  }
  ~fixture() {
    for (auto* s : {&here, &other}) stop(*s);
  }
  void stop(store_actor& s) {
    caf::scoped_actor self(*system);
    self->monitor(s);
    self->send_exit(s, caf::exit_reason::user_shutdown);
    s = store_actor();
    self->receive([](const caf::down_msg&) {});
  }
  store_actor start(const std::string& name) {
    auto store = snapshot_store::open(folder / name);
    REQUIRE(store.ok());
    return spawn_store(*system, std::move(*store));
  }

  state_chunk blob(const std::string& op, const std::string& text) {
    state_chunk c;
    c.operator_id = op;
    c.state = "s";
    c.kind = chunk_kind::blob;
    c.bytes = buffer::copy(pool, std::as_bytes(std::span(text)));
    return c;
  }
  /// An epoch of one task: a position and, perhaps, rows in flight.
  void epoch_of(uint64_t number, const std::string& position, const std::string& in_flight,
                std::vector<store_actor> copies = {}) {
    send_epoch(number, position, in_flight, std::move(copies));
    REQUIRE(commit(here, number).error == "");
  }
  /// The same but for its end. `completed`: the newest complete epoch; UINT64_MAX: the one before.
  void send_epoch(uint64_t number, const std::string& position, const std::string& in_flight,
                  std::vector<store_actor> copies = {}, uint64_t completed = UINT64_MAX) {
    caf::scoped_actor self(*system);
    self->send(here, begin_message{part, number, completed == UINT64_MAX ? number - 1 : completed,
                                   1, std::move(copies)});
    chunks_message m;
    m.job = part;
    m.number = number;
    m.token = 1;
    m.chunks.push_back(blob("source", position));
    if (!in_flight.empty()) m.chunks.push_back(blob(edge, in_flight));
    for (auto& c : m.chunks) c.written = epoch{number};
    self->send(here, std::move(m));
  }
  commit_message about(uint64_t number) {
    commit_message c;
    c.job = part;
    c.number = number;
    c.token = 1;
    c.key_groups = 128;
    c.operators = {{"source", "source", 1, 7},
                   {"other source", "source", 1, 7},
                   {edge, "rows in flight", 1, 0}};
    c.plan = {'p'};
    return c;
  }
  operation_reply commit(const store_actor& store, uint64_t number) {
    return commit(store, about(number));
  }
  operation_reply commit(const store_actor& store, commit_message m) {
    operation_reply out;
    caf::scoped_actor self(*system);
    self->request(store, 10s, std::move(m))
        .receive([&](operation_reply& r) { out = std::move(r); },
                 [](const caf::error& e) { FAIL(caf::to_string(e)); });
    return out;
  }
  operation_reply pin(agreed_epoch number) {
    operation_reply out;
    caf::scoped_actor self(*system);
    self->request(here, 10s, pin_atom::value, std::string(part), number, uint64_t{1})
        .receive([&](operation_reply& r) { out = std::move(r); },
                 [](const caf::error& e) { FAIL(caf::to_string(e)); });
    return out;
  }
  operation_reply resume(const store_actor& store, agreed_epoch number, uint64_t token = 1) {
    operation_reply out;
    caf::scoped_actor self(*system);
    self->request(store, 10s, resume_atom::value, std::string(part), number, token)
        .receive([&](operation_reply& r) { out = std::move(r); },
                 [](const caf::error& e) { FAIL(caf::to_string(e)); });
    return out;
  }
  /// "operator=bytes" of all chunks, or the error.
  std::vector<std::string> content(const store_actor& store, const std::string& job,
                                   agreed_epoch number) {
    load_message m;
    m.job = job;
    m.number = number;
    m.all = true;
    std::vector<std::string> out;
    caf::scoped_actor self(*system);
    self->request(store, 10s, std::move(m))
        .receive(
            [&](const load_reply& r) {
              if (!r.error.empty()) out.push_back("refused");
              for (const auto& list : r.chunks)
                for (const auto& c : list)
                  out.push_back(c.operator_id + "=" +
                                std::string(c.bytes.as<char>(), c.bytes.size()));
            },
            [](const caf::error& e) { FAIL(caf::to_string(e)); });
    std::sort(out.begin(), out.end());
    return out;
  }
};

using list = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(fixture, "a copy that is begun later has no rows in flight of earlier epochs") {
  epoch_of(1, "at 1", "rows");
  CHECK(content(here, part, 1) == list{edge + "=rows", "source=at 1"});
  epoch_of(2, "at 2", "", {other});
  CHECK(content(other, part, 2) == list{"source=at 2"});
}

TEST_CASE_FIXTURE(fixture,
                  "a copy that begins anew keeps what it had until the new one is durable") {
  epoch_of(1, "at 1", "", {other});
  epoch_of(2, "at 2", "", {other});
  CHECK(content(other, part, 2) == list{"source=at 2"});
  epoch_of(3, "at 3", "");
  // The writer has it begin anew, and may be lost before the epoch is complete.
  send_epoch(4, "at 4", "", {other});
  CHECK(content(here, part, 3) == list{"source=at 3"});
  CHECK(content(other, part, 2) == list{"source=at 2"});
  CHECK(commit(here, 4).error == "");
  CHECK(content(other, part, 4) == list{"source=at 4"});
}

TEST_CASE_FIXTURE(fixture,
                  "what was asked of a copy is not waited for when its connection is another one") {
  const auto silent =
      caf::actor_cast<store_actor>(system->spawn([](caf::event_based_actor* self) -> caf::behavior {
        // As if every message was lost.
        self->set_default_handler(
            [](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> {
              return caf::skip();
            });
        return {[](close_atom) {}};
      }));
  epoch_of(1, "at 1", "");
  send_epoch(2, "at 2", "", {silent});
  caf::scoped_actor self(*system);
  auto asked = self->request(here, 10s, about(2));
  self->send(here, lost_atom::value, other.address());  // not of this copy
  self->send(here, lost_atom::value, silent.address());
  const auto begun = std::chrono::steady_clock::now();
  asked.receive(
      [](const operation_reply& r) {
        CHECK(r.error == "the copy on another node failed: the node with the copy is out of reach");
        CHECK(r.code == static_cast<uint8_t>(errc::timeout));
      },
      [](const caf::error& e) { FAIL(caf::to_string(e)); });
  CHECK(std::chrono::steady_clock::now() - begun < 4s);  // a lost question is waited for longer
  // The copy has the whole with the next epoch.
  send_epoch(3, "at 3", "", {other}, 1);
  CHECK(commit(here, 3).error == "");
  CHECK(content(other, part, 3) == list{"source=at 3"});
  self->send_exit(silent, caf::exit_reason::kill);
}

TEST_CASE_FIXTURE(fixture, "a part goes on where its copy is") {
  epoch_of(1, "at 1", "", {other});
  epoch_of(2, "at 2", "", {other});
  // The writer's copy of an epoch that was given up; then it is lost.
  send_epoch(3, "at 3", "", {other});
  CHECK(commit(here, 3).error == "");
  CHECK(content(other, part, 3) == list{"source=at 3"});
  // What the copy was to begin anew with, before.
  caf::scoped_actor self(*system);
  seed_message seed{part, {}, {}, 1};
  seed.chunks.push_back(blob("source", "at 0"));
  self->send(other, std::move(seed));

  CHECK(resume(other, 4).code == static_cast<uint8_t>(errc::not_found));
  CHECK(resume(other, 2).error == "");
  CHECK(content(other, part, 2) == list{"source=at 2"});
  CHECK(content(other, part, 3) == list{"refused"});
  std::swap(here, other);
  send_epoch(5, "at 5", "", {other}, 2);
  // What the former writer says late changes nothing.
  self->send(here, begin_message{part, 4, 2, 1, {}});
  CHECK(commit(here, 5).error == "");
  CHECK(content(here, part, 5) == list{"source=at 5"});
  CHECK(content(other, part, 5) == list{"source=at 5"});
  CHECK(resume(here, 5, 2).error == "");
  CHECK(resume(here, 5, 1).code == static_cast<uint8_t>(errc::cancelled));
}

TEST_CASE_FIXTURE(fixture,
                  "what a copy was to begin with comes late, where the part goes on by now") {
  caf::scoped_actor self(*system);
  self->send(here, begin_message{part, 1, 0, 1, {}});
  chunks_message first{part, 1, {blob("source", "at 1"), blob("other source", "kept")}, 1};
  for (auto& c : first.chunks) c.written = epoch{1};
  self->send(here, std::move(first));
  REQUIRE(commit(here, 1).error == "");
  seed_message late{part, {}, {}, 1, true};
  late.chunks.push_back(blob("source", "at 0"));
  self->send(here, std::move(late));
  epoch_of(2, "at 2", "");
  CHECK(content(here, part, 2) == list{"other source=kept", "source=at 2"});
}

TEST_CASE_FIXTURE(fixture, "an epoch is not taken for another master's of the same number") {
  epoch_of(1, "at 1", "");
  epoch_of(2, "at 2", "");  // which was given up; the next master completed one elsewhere
  const agreed_epoch complete{2, 2};
  CHECK(content(here, part, {2, 1}) == list{"source=at 2"});
  CHECK(content(here, part, complete) == list{"refused"});
  CHECK(pin(complete).code == static_cast<uint8_t>(errc::not_found));
  CHECK(resume(here, complete, 2).code == static_cast<uint8_t>(errc::not_found));
  caf::scoped_actor self(*system);
  self->send(here, begin_message{part, 3, complete, 2, {}});
  auto three = about(3);
  three.token = 2;
  const auto refused = commit(here, three);
  CHECK(refused.code == static_cast<uint8_t>(errc::not_found));
  CHECK(refused.error == "part " + std::string(part) + " lacks epoch 2, which is complete");
  CHECK(content(here, part, {1, 1}) == list{"source=at 1"});
  CHECK(resume(here, {1, 1}, 2).error == "");
}

TEST_CASE_FIXTURE(fixture,
                  "a copy that another master's first epoch is in the way of says what it lacks") {
  caf::scoped_actor self(*system);
  seed_message seed{part, {}, {}, 1};
  seed.chunks.push_back(blob("source", "at 8"));
  self->send(here, std::move(seed));
  self->send(here, begin_message{part, 8, 3, 1, {}});  // which was given up
  CHECK(commit(here, 8).error == "");
  // The next master goes on from epoch 3, of which this copy has nothing: it gets the whole.
  self->send(here, begin_message{part, 4, {3, 1}, 2, {}});
  auto four = about(4);
  four.token = 2;
  const auto lacks = commit(here, four);
  CHECK(lacks.code == static_cast<uint8_t>(errc::not_found));
  CHECK(lacks.error == "part " + std::string(part) + " lacks epoch 3, which is complete");
  seed_message whole{part, {}, {}, 2};
  whole.chunks.push_back(blob("source", "at 4"));
  self->send(here, std::move(whole));
  self->send(here, begin_message{part, 5, {3, 1}, 2, {}});
  auto five = about(5);
  five.token = 2;
  CHECK(commit(here, five).error == "");
  CHECK(content(here, part, {5, 2}) == list{"source=at 4"});
}

TEST_CASE_FIXTURE(
    fixture, "chunks of a new master's epoch are held although the old one's had higher numbers") {
  caf::scoped_actor self(*system);
  auto chunks = [&](uint64_t number, uint64_t token, const std::string& position) {
    chunks_message m;
    m.job = part;
    m.number = number;
    m.token = token;
    m.chunks.push_back(blob("source", position));
    m.chunks.back().written = epoch{number};
    self->send(here, std::move(m));
  };
  self->send(here, begin_message{part, 9, 0, 1, {}});
  chunks(10, 1, "at 10");  // epoch 10 never begins
  chunks(4, 2, "at 4");    // before its master's word
  self->send(here, begin_message{part, 4, 0, 2, {}});
  auto four = about(4);
  four.token = 2;
  CHECK(commit(here, four).error == "");
  CHECK(content(here, part, {4, 2}) == list{"source=at 4"});
}

TEST_CASE_FIXTURE(fixture, "an epoch that begins anew leaves nothing of what was there before") {
  epoch_of(1, "at 1", "", {other});
  // As the copy of a part that has nothing of the operator any more.
  caf::scoped_actor self(*system);
  seed_message seed{part, {}, {}, 1};
  seed.chunks.push_back(blob("other source", "at 7"));
  self->send(other, std::move(seed));
  self->send(other, begin_message{part, 3, 2, 1, {}});
  CHECK(commit(other, 3).error == "");
  CHECK(content(other, part, 1) == list{"source=at 1"});
  CHECK(content(other, part, 3) == list{"other source=at 7"});
}

TEST_CASE_FIXTURE(fixture, "a store that lacks something of an epoch does not say that it has it") {
  // A copy that was sent more than came.
  send_epoch(1, "at 1", "");
  auto m = about(1);
  m.chunks = 2;
  m.bytes = 8;
  CHECK(commit(here, std::move(m)).error ==
        "of 2 chunks with 8 bytes that were sent 1 with 4 came");
  CHECK(content(here, part, 1) == list{"refused"});
  send_epoch(2, "at 2", "", {}, 0);
  m = about(2);
  m.chunks = 1;
  m.bytes = 4;
  CHECK(commit(here, std::move(m)).error == "");
  // Changes of an epoch that is not here.
  send_epoch(5, "at 5", "", {}, 4);
  const auto reply = commit(here, 5);
  CHECK(reply.error == "part job@1.0.1-1 lacks epoch 4, which is complete");
  CHECK(reply.code == static_cast<uint8_t>(errc::not_found));
  CHECK(content(here, part, 5) == list{"refused"});
  CHECK(content(here, part, 2) == list{"source=at 2"});
  send_epoch(6, "at 6", "", {}, 2);
  CHECK(commit(here, 6).error == "");
}

TEST_CASE_FIXTURE(fixture, "what the cluster does not know any more is swept away") {
  epoch_of(1, "at 1", "");
  epoch_of(2, "at 2", "");
  CHECK(pin(2).error == "");
  epoch_of(3, "at 3", "");
  CHECK(pin(3).error == "");
  const auto aside = [](uint64_t n) { return savepoint_job("job", n) + "@1.0.1-1"; };
  auto known = std::make_shared<ledger_view>();
  auto& job = known->jobs["job"];
  job.id = "job";
  job.token = 1;
  job.newest = 3;
  job.savepoints[2] = "";
  auto sweep = [&] {
    caf::scoped_actor self(*system);
    self->send(here, sweep_message{std::make_shared<const ledger_view>(*known)});
  };
  // The master of this tenure may have 3 noted yet.
  sweep();
  CHECK(content(here, aside(2), 2) == list{"source=at 2"});
  CHECK(content(here, aside(3), 3) == list{"source=at 3"});
  job.token = 2;
  sweep();
  CHECK(content(here, aside(2), 2) == list{"source=at 2"});
  CHECK(content(here, aside(3), 3) == list{"refused"});
  CHECK(content(here, part, 3) == list{"source=at 3"});
  // A job that has ended needs the parts of its last epoch only.
  job.state = job_state::stopped;
  job_manifest last;
  last.number = 3;
  last.parts.push_back({"1.0.1-1", 1, 2});
  job.manifest = encode_job_manifest(last);
  sweep();
  CHECK(content(here, part, 3) == list{"source=at 3"});
  last.parts.front().name = "1.7.2-9";
  job.manifest = encode_job_manifest(last);
  sweep();
  CHECK(content(here, part, 3) == list{"refused"});
  CHECK(content(here, aside(2), 2) == list{"source=at 2"});
  // Of a job that nobody knows: one that was heard of may be new, one of an earlier life is gone.
  known->jobs.clear();
  sweep();
  CHECK(content(here, aside(2), 2) == list{"source=at 2"});
  stop(here);
  here = start("here");
  CHECK(content(here, aside(2), 2) == list{"source=at 2"});
  sweep();
  CHECK(content(here, aside(2), 2) == list{"refused"});
}

TEST_CASE_FIXTURE(fixture, "what is set aside outlives the epochs that are kept, as it was") {
  epoch_of(1, "at 1", "old rows");
  epoch_of(2, "at 2", "");
  epoch_of(3, "at 3", "rows");
  CHECK(pin(2).error == "");
  CHECK(pin(3).error == "");
  CHECK(pin(3).error == "");  // asked again
  CHECK(pin(9).error != "");
  for (uint64_t n = 4; n < 12; ++n) epoch_of(n, "at " + std::to_string(n), "");
  CHECK(content(here, part, 3) == list{"refused"});
  const auto aside = [](uint64_t n) { return savepoint_job("job", n) + "@1.0.1-1"; };
  CHECK(content(here, aside(2), 2) == list{"source=at 2"});
  CHECK(content(here, aside(3), 3) == list{edge + "=rows", "source=at 3"});

  // The job itself may go; each savepoint goes by itself.
  caf::scoped_actor self(*system);
  self->send(here, keep_atom::value, std::string("job"), list(), uint64_t{2});
  self->send(here, keep_atom::value, savepoint_job("job", 2), list(), uint64_t{0});
  CHECK(content(here, part, 11) == list{"refused"});
  CHECK(content(here, aside(2), 2) == list{"refused"});
  CHECK(content(here, aside(3), 3) == list{edge + "=rows", "source=at 3"});
}
