// The job master's decisions, with a port that writes them down.
#include "runtime/flow/coordinator.hpp"

#include <doctest/doctest.h>

#include "tests/flow/sim_graph.hpp"

namespace weir {
namespace {

/// One region, or two pipelines side by side (tasks 0, 1: sources; 2, 3: sinks).
physical_plan two_chains(bool pipelines = false) {
  physical_plan p;
  source_spec s;
  s.connector = "c";
  s.columns = sim::row_schema();
  s.physical_columns = 4;
  sink_spec k;
  k.connector = "c";
  k.columns = sim::row_schema();
  p.operators.push_back({"source", "source", s, sim::row_schema()});
  p.operators.push_back({"sink", "sink", k, nullptr});
  p.edges.push_back({operator_index{0}, operator_index{1}, 0, 0, exchange_kind::rebalance, {}});
  if (pipelines) {
    // Of different parallelism they would not be two chains; of equal one they would fuse.
    p.operators.push_back({"copy", "copy", k, nullptr});
    for (auto& o : p.operators) o.parallelism = 2;
    p.edges[0].exchange = exchange_kind::forward;
    p.edges.push_back({operator_index{0}, operator_index{2}, 0, 0, exchange_kind::forward, {}});
  }
  return p;
}

struct fixture final : coordinator_port {
  explicit fixture(bool pipelines = false) : plan(two_chains(pipelines)) {}
  physical_plan plan;
  task_graph graph = *build_task_graph(plan);
  std::string said;
  std::string assigned;  // since the last look: TASK:SPLITS, ! with the last ones
  timestamp_us woken = watermark_end;
  job_coordinator c{plan, graph, {100, 1000, 2, 50, 1000, 10'000}, *this};

  void say(const std::string& s) { said += s + " "; }
  void load() override { say("load"); }
  /// Nothing for all tasks, else their ids.
  std::string which(const std::vector<task_id>& tasks) const {
    if (tasks.size() == graph.tasks.size()) return "";
    std::string text;
    for (auto t : tasks) text += "," + std::to_string(t.value);
    return text;
  }
  void deploy(attempt_id a, const std::vector<task_id>& t) override {
    say("deploy" + std::to_string(a.value) + which(t));
  }
  void kill(const std::vector<task_id>& t) override { say("kill" + which(t)); }
  void begin_epoch(epoch e) override { say("begin" + std::to_string(e.value)); }
  void trigger(task_id, epoch, epoch) override {}
  epoch_summary committed;  // the last one
  void commit(epoch_summary s) override {
    committed = s;
    say("commit" + std::to_string(s.number.value) + (s.finished ? "!" : ""));
  }
  bool in_own_hands = true;
  bool may_give_up(epoch) override { return in_own_hands; }
  void abort(epoch e) override { say("abort" + std::to_string(e.value)); }
  void tell_complete(epoch e) override { say("complete" + std::to_string(e.value)); }
  void tell_aborted(epoch e) override { say("aborted" + std::to_string(e.value)); }
  void assign(task_id t, split_pool::assignment a) override {
    assigned += std::to_string(t.value) + ":";
    for (const auto& s : a.splits) assigned += s.id + (s.payload.empty() ? "" : "@" + s.payload);
    assigned += a.last ? "! " : " ";
  }
  void release_watermark(task_id) override {}
  void discover(operator_index, std::vector<std::string>) override { say("discover"); }
  std::optional<std::set<uint32_t>> to_move;
  std::optional<std::set<uint32_t>> regions_to_move() override { return to_move; }
  void wake_at(timestamp_us t) override { woken = std::min(woken, t); }
  void state_changed(job_state s, const std::optional<error>&) override { say(to_string(s)); }
  void log(std::string) override {}

  std::string heard() { return std::exchange(said, {}); }
  void up() {
    c.start(0);
    c.restored(std::optional<restored_job>(), 0);
    c.deployed(c.attempt(), {}, 0);
    discovery d;
    d.splits.push_back({"s", "", "", 1, 0});
    c.discovered(operator_index{0}, d, 0);
    heard();
  }
  void acknowledge(uint64_t e, timestamp_us now) {
    for (const auto& t : graph.tasks) c.acknowledged(t.id, c.attempt_of(t.id), epoch{e}, 0, now);
  }
};

}  // namespace

TEST_CASE("coordinator: a job's life from start to finish") {
  fixture f;
  f.c.start(0);
  CHECK(f.heard() == "load ");
  f.c.restored(std::optional<restored_job>(), 0);
  CHECK(f.heard() == "deploy1 ");
  f.c.deployed(attempt_id{1}, {}, 0);
  CHECK(f.heard() == "running discover ");
  f.c.discovered(operator_index{0}, discovery{}, 0);
  CHECK(f.woken == 100);
  f.c.tick(100);
  CHECK(f.heard() == "begin1 ");
  f.acknowledge(1, 110);
  CHECK(f.heard() == "commit1 ");
  f.c.committed(epoch{1}, 120);
  CHECK(f.heard() == "complete1 ");
  f.c.task_ended(task_id{0}, attempt_id{1}, 130);
  f.c.task_ended(task_id{1}, attempt_id{1}, 130);
  CHECK(f.heard() == "begin2 ");
  f.acknowledge(2, 140);
  f.c.committed(epoch{2}, 150);
  CHECK(f.heard() == "commit2! complete2 ");
  f.c.task_committed(task_id{0}, attempt_id{1}, epoch{2});
  CHECK(f.heard() == "");
  f.c.task_committed(task_id{1}, attempt_id{1}, epoch{2});
  CHECK(f.heard() == "kill finished ");
}

TEST_CASE("coordinator: what was loaded for a start that another one overtakes starts nothing") {
  fixture f;
  f.c.start(0);
  f.c.tasks_lost({task_id{0}}, {errc::timeout, "n2 is silent"}, 10);
  CHECK(f.heard().starts_with("load kill"));
  f.c.restored(std::optional<restored_job>(), 20);
  CHECK(f.heard() == "");
  f.c.tick(10'000);
  CHECK(f.heard() == "load ");
  f.c.restored(std::optional<restored_job>(), 10'010);
  CHECK(f.heard() == "deploy2 ");
}

TEST_CASE("coordinator: an epoch that takes too long is given up and the next one begins") {
  fixture f;
  f.up();
  f.c.tick(100);
  f.woken = watermark_end;
  f.c.tick(200);
  // Regression: an epoch over its interval asked for a tick at once, again and again.
  CHECK(f.woken == 1100);
  f.heard();
  f.c.tick(1100);
  CHECK(f.heard() == "abort1 aborted1 begin2 ");
  CHECK(f.c.last_epoch_error().find("source[0]") != std::string::npos);
}

TEST_CASE("coordinator: a failed commit gives the epoch up, not the job") {
  fixture f;
  f.up();
  f.c.tick(100);
  f.acknowledge(1, 110);
  f.heard();
  f.c.commit_failed(epoch{1}, {errc::no_space, "disk full"}, 120);
  CHECK(f.heard() == "abort1 aborted1 ");
  CHECK(f.c.last_epoch_error() == "disk full");
  CHECK(f.c.state() == job_state::running);
}

TEST_CASE("coordinator: a full disk and a silent store are waited for, a broken disk is not") {
  for (auto code : {errc::no_space, errc::timeout, errc::io}) {
    CAPTURE(to_string(code));
    fixture f;
    f.up();
    uint64_t e = 0;
    auto fail_next = [&](errc c, const char* why) {
      ++e;
      auto t = static_cast<timestamp_us>(100 * e);
      f.c.tick(t);
      f.acknowledge(e, t + 10);
      f.c.commit_failed(epoch{e}, {c, why}, t + 20);
    };
    for (int i = 0; i < 4; ++i) fail_next(code, i == 0 ? "the first error" : "what follows");
    // An epoch that succeeds ends the row.
    ++e;
    f.c.tick(static_cast<timestamp_us>(100 * e));
    f.acknowledge(e, static_cast<timestamp_us>(100 * e + 10));
    f.c.committed(epoch{e}, static_cast<timestamp_us>(100 * e + 20));
    for (int i = 0; i < 4; ++i) fail_next(code, i == 0 ? "the first error" : "what follows");
    CHECK(f.c.state() == job_state::running);
    fail_next(code, "what follows");
    if (code != errc::io) {
      CHECK(f.c.state() == job_state::running);
      continue;
    }
    CHECK(f.c.state() == job_state::failed);
    REQUIRE(f.c.failure());
    CHECK(f.c.failure()->message ==
          "the first error; 5 epochs in a row were given up; the last complete one is 5");
  }
}

TEST_CASE("coordinator: restarts with backoff up to the limit, then the job fails with the cause") {
  fixture f;
  f.up();
  f.c.task_failed(task_id{1}, attempt_id{1}, {errc::io, "broken"}, 10);
  CHECK(f.heard() == "kill restarting ");
  f.woken = watermark_end;
  f.c.tick(20);          // a timer of before
  CHECK(f.woken == 60);  // regression: the restart's own timer was forgotten
  CHECK(f.heard() == "");
  f.c.tick(60);
  CHECK(f.heard() == "load ");
  f.c.task_failed(task_id{1}, attempt_id{1}, {errc::io, "of the old attempt"}, 61);
  CHECK(f.heard() == "");
  f.c.restored(std::optional<restored_job>(), 70);
  f.c.deployed(attempt_id{2}, {}, 70);
  f.c.task_failed(task_id{1}, attempt_id{2}, {errc::io, "broken"}, 80);
  f.c.tick(180);
  f.c.restored(std::optional<restored_job>(), 190);
  f.c.deployed(attempt_id{3}, {}, 190);
  f.heard();
  f.c.task_failed(task_id{1}, attempt_id{3}, {errc::io, "broken"}, 200);
  CHECK(f.heard() == "kill failed ");
  CHECK(f.c.failure()->message == "broken; given up after 2 restarts");
}

TEST_CASE("coordinator: a region that fails restarts alone, with the splits that it had") {
  fixture f(true);
  REQUIRE(f.graph.regions.size() == 2);
  auto region = f.graph.regions[0];
  auto lost = region[0], alive = f.graph.regions[1][0];
  f.c.start(0);
  f.c.restored(std::optional<restored_job>(), 0);
  f.c.deployed(attempt_id{1}, {}, 0);
  discovery d;
  for (auto id : {"a", "b", "c", "d"}) d.splits.push_back({id, "", "", 1, 0});
  f.c.discovered(operator_index{0}, d, 0);
  f.c.splits_needed(lost);   // a
  f.c.splits_needed(alive);  // b
  f.c.tick(100);
  f.c.splits_needed(lost);  // c, behind the barrier
  f.acknowledge(1, 110);
  f.c.committed(epoch{1}, 120);
  f.heard();

  SUBCASE("while no epoch is under way") {
    f.assigned.clear();
    f.c.task_failed(lost, attempt_id{1}, {errc::user_code, "broken"}, 130);
    std::string ids;
    for (auto t : region) ids += "," + std::to_string(t.value);
    CHECK(f.heard() == "kill" + ids + " ");
    CHECK(f.c.state() == job_state::running);
    f.c.splits_needed(alive);  // the other goes on
    CHECK(f.assigned == std::to_string(alive.value) + ":d! ");
    f.assigned.clear();
    f.c.tick(180);
    CHECK(f.heard() == "deploy2" + ids + " ");
    // No epoch begins while a region is down.
    f.c.tick(200);
    CHECK(f.heard() == "");
    f.c.splits_needed(lost);  // regression: it asks before it is told what it had
    CHECK(f.assigned == "");
    f.c.deployed(attempt_id{2}, {{lost, {{"a", "", "17", 1, 1}}}}, 210);
    CHECK(f.assigned == std::to_string(lost.value) + ":a@17c ");
    CHECK(f.c.restarts() == 1);
    f.c.tick(220);
    CHECK(f.heard() == "begin2 ");
  }
  SUBCASE("an epoch under way is given up") {
    f.c.tick(200);
    f.heard();
    f.c.task_failed(lost, attempt_id{1}, {errc::user_code, "broken"}, 210);
    CHECK(f.heard().ends_with("abort2 aborted2 "));
    f.c.tick(260);
    CHECK(f.heard().starts_with("deploy2,"));
  }
  SUBCASE("an epoch that is being made durable decides where it goes on") {
    f.c.tick(200);
    f.acknowledge(2, 205);
    f.heard();
    f.c.task_failed(lost, attempt_id{1}, {errc::user_code, "broken"}, 210);
    f.c.tick(260);
    CHECK(f.heard().find("deploy") == std::string::npos);
    f.c.committed(epoch{2}, 270);
    CHECK(f.heard().starts_with("complete2 deploy2,"));
    CHECK(f.c.completed() == epoch{2});
  }
  SUBCASE("a region that cannot be deployed restarts the job") {
    f.c.task_failed(lost, attempt_id{1}, {errc::user_code, "broken"}, 130);
    f.c.tick(180);
    f.heard();
    f.c.deployment_failed(attempt_id{2}, {errc::corrupt, "its state is damaged"}, 190);
    CHECK(f.heard() == "kill restarting ");
    f.c.tick(290);
    CHECK(f.heard() == "load ");
  }
  SUBCASE("what the old attempt says is ignored") {
    f.c.task_failed(lost, attempt_id{1}, {errc::user_code, "broken"}, 130);
    f.heard();
    f.c.task_failed(lost, attempt_id{1}, {errc::user_code, "broken"}, 131);
    f.c.deployment_failed(attempt_id{7}, {errc::io, "another"}, 131);
    CHECK(f.heard() == "");
  }
}

TEST_CASE("coordinator: tasks that are lost with their node restart with their region, uncounted") {
  fixture f(true);
  auto lost = f.graph.regions[0], alive = f.graph.regions[1];
  f.up();
  f.c.tasks_lost({lost[0]}, {errc::timeout, "n2 is silent"}, 10);
  CHECK(f.heard() == "kill restarting ");  // nothing is complete yet
  f.c.tick(60);
  CHECK(f.heard() == "load ");
  f.c.restored(std::optional<restored_job>(), 60);
  f.c.deployed(f.c.attempt(), {}, 60);
  f.c.tick(160);
  f.acknowledge(1, 160);
  f.c.committed(epoch{1}, 170);
  CHECK(f.heard() == "deploy2 running discover begin1 commit1 complete1 ");
  f.c.tasks_lost({lost[0]}, {errc::timeout, "n2 is silent"}, 180);
  std::string ids;
  for (auto t : lost) ids += "," + std::to_string(t.value);
  CHECK(f.heard() == "kill" + ids + " ");
  CHECK(f.c.state() == job_state::running);
  // While it is deployed, another of it is lost: once more, as another attempt.
  f.c.tick(240);
  CHECK(f.heard() == "deploy3" + ids + " ");
  f.c.tasks_lost({lost.back()}, {errc::timeout, "n3 is silent"}, 250);
  CHECK(f.heard() == "kill" + ids + " ");
  f.c.deployed(attempt_id{3}, {}, 255);
  CHECK(f.heard() == "");
  f.c.tick(310);
  CHECK(f.heard() == "deploy4" + ids + " ");
  f.c.deployed(attempt_id{4}, {}, 320);
  for (auto t : lost) CHECK(f.c.attempt_of(t) == attempt_id{4});
  for (auto t : alive) CHECK(f.c.attempt_of(t) == attempt_id{2});
  f.c.tick(400);
  CHECK(f.heard() == "begin2 ");
  // All of them: the job starts again as a whole.
  f.c.tasks_lost({lost[0], alive[0]}, {errc::timeout, "two nodes are silent"}, 410);
  CHECK(f.heard() == "abort2 kill restarting ");
}

TEST_CASE("coordinator: a new one takes running tasks over") {
  // What an earlier one made durable: two of four splits are handed out.
  fixture before(true);
  const auto runs = before.graph.regions[0], gone = before.graph.regions[1];
  before.c.start(0);
  before.c.restored(std::optional<restored_job>(), 0);
  before.c.deployed(attempt_id{1}, {}, 0);
  discovery d;
  for (auto id : {"a", "b", "c", "d"}) d.splits.push_back({id, "", "", 1, 0});
  before.c.discovered(operator_index{0}, d, 0);
  before.c.splits_needed(runs[0]);  // a
  before.c.splits_needed(gone[0]);  // b
  before.c.tick(100);
  before.acknowledge(1, 110);
  before.c.committed(epoch{1}, 120);
  // Behind the epoch one more goes to the tasks that live.
  before.assigned.clear();
  before.c.splits_needed(runs[0]);
  REQUIRE(before.assigned == std::to_string(runs[0].value) + ":c ");

  fixture f(true);
  f.c.start(200);
  CHECK(f.heard() == "load ");
  running_job found;
  found.from = {epoch{1}, false, before.committed.split_pools, {}};
  found.newest = epoch{2};
  found.attempt = attempt_id{1};
  found.regions = {attempt_id{1}, std::nullopt};
  auto& stands = found.sources[runs[0]];
  stands.handed = {"a", "c"};
  stands.given = {{"c", "", "", 1, 0}};
  stands.reads = true;
  stands.held = false;
  found.begun[gone[0]] = {{"b", "", "42", 1, 0}};
  std::string ids;
  for (auto t : gone) ids += "," + std::to_string(t.value);

  SUBCASE("they go on, and what is missing is deployed") {
    REQUIRE(f.c.taken_over(found, 200));
    CHECK(f.heard() == "running deploy2" + ids + " ");
    CHECK(f.c.completed() == epoch{1});
    for (auto t : runs) CHECK(f.c.attempt_of(t) == attempt_id{1});
    f.c.deployed(attempt_id{2}, {{gone[0], found.begun[gone[0]]}}, 210);
    CHECK(f.assigned == std::to_string(gone[0].value) + ":b@42d ");
    f.assigned.clear();
    f.c.splits_needed(runs[0]);
    CHECK(f.assigned == std::to_string(runs[0].value) + ":! ");
    // Numbers that tasks have heard are not used again.
    f.c.tick(300);
    CHECK(f.heard() == "begin3 ");
    f.acknowledge(3, 310);
    CHECK(f.heard() == "commit3 ");
  }
  SUBCASE("without any that runs the job starts as it always does") {
    found.regions = {std::nullopt, std::nullopt};
    CHECK(!f.c.taken_over(found, 200));
    CHECK(f.heard() == "");
    f.c.restored(std::optional<restored_job>(found.from), 200);
    CHECK(f.heard() == "deploy1 ");
  }
}

TEST_CASE("coordinator: before its first epoch a job restarts as a whole") {
  fixture f(true);
  f.up();
  f.c.task_failed(f.graph.regions[0][0], attempt_id{1}, {errc::user_code, "broken"}, 10);
  CHECK(f.heard() == "kill restarting ");
}

TEST_CASE("coordinator: what a restart cannot heal fails the job at once") {
  for (auto code : {errc::division_by_zero, errc::parse, errc::not_found, errc::budget_exceeded}) {
    fixture f;
    f.up();
    f.c.task_failed(task_id{1}, attempt_id{1}, {code, "in.csv:3: wrong"}, 10);
    CHECK(f.heard() == "kill failed ");
    CHECK(f.c.failure()->message == "in.csv:3: wrong");
    CHECK(f.c.restarts() == 0);
  }
  for (auto code : {errc::user_code, errc::io, errc::timeout, errc::internal}) {
    fixture f;
    f.up();
    f.c.task_failed(task_id{1}, attempt_id{1}, {code, "perhaps better next time"}, 10);
    CHECK(f.heard() == "kill restarting ");
  }
}

TEST_CASE("coordinator: stop takes a last epoch") {
  fixture f;
  f.up();
  f.c.stop(10);
  CHECK(f.heard() == "stopping begin1 ");
  f.acknowledge(1, 20);
  f.c.committed(epoch{1}, 30);
  f.c.stop(31);  // again: nothing more
  CHECK(f.heard() == "commit1 complete1 ");
  f.c.task_committed(task_id{0}, attempt_id{1}, epoch{1});
  f.c.task_committed(task_id{1}, attempt_id{1}, epoch{1});
  CHECK(f.heard() == "kill stopped ");
}

TEST_CASE("coordinator: a finished job that is restored only publishes") {
  fixture f;
  f.c.start(0);
  restored_job r;
  r.number = epoch{5};
  r.finished = true;
  f.c.restored(std::optional(r), 0);
  // Regression: the ends of restored tasks may come before the word that all are deployed.
  f.c.task_ended(task_id{0}, attempt_id{1}, 0);
  f.c.task_ended(task_id{1}, attempt_id{1}, 0);
  f.c.deployed(attempt_id{1}, {}, 0);
  CHECK(f.heard() == "load deploy1 complete5 ");
  f.c.task_committed(task_id{0}, attempt_id{1}, epoch{5});
  f.c.task_committed(task_id{1}, attempt_id{1}, epoch{5});
  CHECK(f.heard() == "kill finished ");
}

TEST_CASE("a job of one region restarts to move tasks only when there are any to move") {
  fixture f;
  REQUIRE(f.graph.regions.size() == 1);
  f.up();
  f.to_move.emplace();
  f.c.move(10);
  CHECK(f.heard() == "begin1 ");
  f.acknowledge(1, 20);
  f.c.committed(epoch{1}, 30);
  // Where its tasks are is where they would be put again.
  CHECK(f.heard() == "commit1 complete1 ");
  CHECK(f.c.restarts() == 0);

  f.to_move->insert(0);
  f.c.move(40);
  f.acknowledge(2, 50);
  f.c.committed(epoch{2}, 60);
  CHECK(f.heard() == "begin2 commit2 complete2 kill restarting ");
  CHECK(f.c.restarts() == 1);
  f.c.tick(60);
  CHECK(f.heard() == "load ");
}

TEST_CASE("of several regions those with tasks to move restart, without any none does") {
  fixture f(true);
  REQUIRE(f.graph.regions.size() == 2);
  f.up();
  f.to_move.emplace();
  f.c.move(10);
  f.acknowledge(1, 20);
  f.c.committed(epoch{1}, 30);
  CHECK(f.heard() == "begin1 commit1 complete1 ");
  f.to_move->insert(1);
  f.c.move(40);
  f.acknowledge(2, 50);
  f.c.committed(epoch{2}, 60);
  CHECK(f.heard() == "begin2 commit2 complete2 kill,1,3,5 deploy2,1,3,5 ");
  CHECK(f.c.restarts() == 1);
}

}  // namespace weir
