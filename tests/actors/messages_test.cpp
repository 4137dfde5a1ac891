// Every message that crosses processes comes back as it was.
#include <doctest/doctest.h>

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include "actors/interfaces.hpp"

using namespace weir;

namespace {

struct fixture {
  caf::actor_system_config config;
  fixture() { config.add_message_types<caf::id_block::weir>(); }
  caf::actor_system system{config};

  template <class T>
  T round_trip(T x) {
    std::vector<char> bytes;
    caf::binary_serializer sink{system, bytes};
    REQUIRE(!sink(x));
    T y;
    caf::binary_deserializer source{system, bytes};
    REQUIRE(!source(y));
    return y;
  }
};

memory_pool& pool() {
  static memory_pool p;
  return p;
}

state_chunk chunk(uint32_t group, const std::string& text) {
  state_chunk c{
      "agg", "s", group, 3, chunk_kind::full, buffer::copy(pool(), std::as_bytes(std::span(text)))};
  c.written = epoch{77};
  return c;
}

std::string text_of(const state_chunk& c) {
  return {c.bytes.as<char>(), c.bytes.size()};
}

}  // namespace

TEST_CASE_FIXTURE(fixture, "chunks keep their address, kind, epoch and bytes") {
  chunks_message m{"job@n2.0.1", 12, {chunk(5, "abc"), chunk(no_key_group, "")}};
  auto back = round_trip(m);
  CHECK(back.job == "job@n2.0.1");
  CHECK(back.number == 12);
  REQUIRE(back.chunks.size() == 2);
  CHECK(back.chunks[0].operator_id == "agg");
  CHECK(back.chunks[0].state == "s");
  CHECK(back.chunks[0].key_group == 5);
  CHECK(back.chunks[0].subtask == 3);
  CHECK(back.chunks[0].kind == chunk_kind::full);
  CHECK(back.chunks[0].written == epoch{77});
  CHECK(text_of(back.chunks[0]) == "abc");
  CHECK(back.chunks[1].key_group == no_key_group);
  CHECK(text_of(back.chunks[1]).empty());

  load_reply reply;
  reply.chunks = {{chunk(1, "x")}, {}, {chunk(2, "y"), chunk(3, "z")}};
  auto loaded = round_trip(reply);
  REQUIRE(loaded.chunks.size() == 3);
  CHECK(loaded.chunks[1].empty());
  CHECK(text_of(loaded.chunks[2][1]) == "z");
}

TEST_CASE_FIXTURE(fixture, "a damaged list of chunks is refused") {
  auto flat = flatten({chunk(5, "abc")});
  std::vector<state_chunk> out;
  for (size_t n = 1; n < flat.size(); ++n)
    CHECK_FALSE(unflatten({flat.begin(), flat.begin() + static_cast<long>(n)}, out));
  CHECK(unflatten(flat, out));
}

TEST_CASE_FIXTURE(fixture, "control messages and reports") {
  commit_message c;
  c.job = "j";
  c.plan_name = "name";
  c.fingerprint = 1;
  c.key_groups = 128;
  c.mode = 2;
  c.operators = {{"id", "n", 4, 99}};
  c.number = 5;
  c.finished = true;
  c.split_pools = {{"source", std::string("\0\1", 2)}};
  c.parts = {"n1.0.1", "n2.0.1"};
  auto d = round_trip(c);
  CHECK(d.operators.at(0).state_fingerprint == 99);
  CHECK(d.finished);
  CHECK(d.split_pools == c.split_pools);
  CHECK(d.parts == c.parts);
  CHECK(d.mode == 2);

  task_event e{3, 4, task_event::what::failed, 5, 6, 7, "why"};
  auto f = round_trip(e);
  CHECK(f.task == 3);
  CHECK(f.attempt == 4);
  CHECK(f.kind == task_event::what::failed);
  CHECK(f.code == 7);
  CHECK(f.text == "why");

  job_report r;
  r.id = "id";
  r.tasks.resize(1);
  r.tasks[0].watermark = watermark_end;
  r.tasks[0].operators.resize(2);
  r.tasks[0].operators[1].rows_out = 8;
  auto s = round_trip(r);
  CHECK(s.tasks.at(0).watermark == watermark_end);
  CHECK(s.tasks.at(0).operators.at(1).rows_out == 8);

  splits_message p{"abc", true, false};
  auto q = round_trip(p);
  CHECK(q.splits == "abc");
  CHECK(q.last);
  CHECK_FALSE(q.hold);
  connect_message at;
  at.channels = {3};
  at.receivers = {task_actor()};
  at.places = {"h:1/0000000000000001"};
  CHECK(round_trip(at).places == at.places);
  CHECK(round_trip(trigger_message{8, 7}).completed == 7);
  CHECK(round_trip(epoch_outcome{8, true}).complete);
}

TEST_CASE_FIXTURE(fixture, "what a new master asks running tasks, and how they stand") {
  adopt_message ask;
  ask.job = "j";
  ask.token = UINT64_MAX;
  ask.completed = 41;
  const auto asked = round_trip(ask);
  CHECK(asked.job == "j");
  CHECK(asked.token == UINT64_MAX);
  CHECK(asked.completed == 41);

  adopt_reply reply;
  reply.error = "no part of it is here";
  reply.code = 9;
  adopted_task reads;
  reads.task = 7;
  reads.attempt = 3;
  reads.runs = true;
  reads.store_job = "j@n2.0.3";
  reads.newest = 42;
  reads.handed = {"a", std::string("\0b", 2)};
  reads.given = "c";
  reads.newest_order = UINT64_MAX - 1;
  reads.stream = "topic";
  reads.reads = reads.told_last = true;
  adopted_task ended;
  ended.ended = ended.waiting = ended.held = true;
  reply.tasks = {reads, ended};
  const auto back = round_trip(reply);
  CHECK(back.error == reply.error);
  CHECK(back.code == 9);
  REQUIRE(back.tasks.size() == 2);
  const auto& t = back.tasks[0];
  CHECK(t.task == 7);
  CHECK(t.attempt == 3);
  CHECK(t.runs);
  CHECK(t.store_job == reads.store_job);
  CHECK(t.newest == 42);
  CHECK(!t.ended);
  CHECK(t.handed == reads.handed);
  CHECK(t.given == "c");
  CHECK(t.newest_order == UINT64_MAX - 1);
  CHECK(t.stream == "topic");
  CHECK(t.reads);
  CHECK(!t.waiting);
  CHECK(t.told_last);
  CHECK(!t.held);
  CHECK(!back.tasks[1].runs);
  CHECK(back.tasks[1].ended);
  CHECK(back.tasks[1].waiting);
  CHECK(back.tasks[1].held);
}

TEST_CASE_FIXTURE(fixture, "the token of a tenure is in every message that changes something") {
  constexpr uint64_t token = UINT64_MAX;
  CHECK(round_trip(trigger_message{8, 7, token}).token == token);
  CHECK(round_trip(epoch_outcome{8, true, token}).token == token);
  CHECK(round_trip(splits_message{"abc", true, false, token}).token == token);
  CHECK(round_trip(release_watermark_message{token}).token == token);
  CHECK(round_trip(chunks_message{"j", 1, {}, token}).token == token);
  connect_message connect;
  connect.token = token;
  CHECK(round_trip(connect).token == token);
  deploy_message deploy;
  deploy.token = token;
  CHECK(round_trip(deploy).token == token);
  commit_message commit;
  commit.token = token;
  CHECK(round_trip(commit).token == token);
  auto begin = round_trip(begin_message{"j@1.0.1-1", 9, {8, 7}, token, {}});
  CHECK(begin.token == token);
  CHECK(begin.completed.number == 8);
  CHECK(begin.completed.tenure == 7);
  auto seed = round_trip(seed_message{"j@1.0.1-1", {chunk(5, "abc")}, {}, token});
  CHECK(seed.token == token);
  CHECK(text_of(seed.chunks.at(0)) == "abc");
}

TEST_CASE_FIXTURE(fixture, "what keepers say to each other") {
  auto h = round_trip(hello_message{3, 9, "n3", 4711, {}, {}, {}});
  CHECK(h.id == 3);
  CHECK(h.epoch == 9);
  CHECK(h.name == "n3");
  CHECK(h.pid == 4711);
  auto r = round_trip(job_request{job_request::verb::logs, "carriers", true});
  CHECK(r.what == job_request::verb::logs);
  CHECK(r.job == "carriers");
  CHECK(r.forwarded);
  job_answer a;
  a.error = "why";
  a.code = 5;
  a.report.master = "n2";
  a.epoch = 6;
  a.lines = {"one", ""};
  auto b = round_trip(a);
  CHECK(b.error == "why");
  CHECK(b.code == 5);
  CHECK(b.report.master == "n2");
  CHECK(b.epoch == 6);
  CHECK(b.lines == a.lines);
  load_reply l;
  l.about.split_pools["source"] = "pool";
  CHECK(round_trip(l).about.split_pools == l.about.split_pools);
}
