// The job master's decisions, with a port that writes them down.
#include "runtime/flow/coordinator.hpp"

#include <doctest/doctest.h>

#include "tests/flow/sim_graph.hpp"

namespace weir {
namespace {

physical_plan two_chains() {
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
  return p;
}

struct fixture final : coordinator_port {
  physical_plan plan = two_chains();
  task_graph graph = *build_task_graph(plan);
  std::string said;
  timestamp_us woken = watermark_end;
  job_coordinator c{plan, graph, {100, 1000, 2, 50, 1000, 10'000}, *this};

  void say(const std::string& s) { said += s + " "; }
  void load() override { say("load"); }
  void deploy(attempt_id a) override { say("deploy" + std::to_string(a.value)); }
  void kill() override { say("kill"); }
  void begin_epoch(epoch e) override { say("begin" + std::to_string(e.value)); }
  void trigger(task_id, epoch, epoch) override {}
  void commit(epoch_summary s) override {
    say("commit" + std::to_string(s.number.value) + (s.finished ? "!" : ""));
  }
  void abort(epoch e) override { say("abort" + std::to_string(e.value)); }
  void tell_complete(epoch e) override { say("complete" + std::to_string(e.value)); }
  void tell_aborted(epoch e) override { say("aborted" + std::to_string(e.value)); }
  void assign(task_id, split_pool::assignment) override {}
  void release_watermark(task_id) override {}
  void discover(operator_index, std::vector<std::string>) override { say("discover"); }
  void wake_at(timestamp_us t) override { woken = std::min(woken, t); }
  void state_changed(job_state s, const std::optional<error>&) override { say(to_string(s)); }
  void log(std::string) override {}

  std::string heard() { return std::exchange(said, {}); }
  void up() {
    c.start(0);
    c.restored(std::optional<restored_job>(), 0);
    c.deployed(c.attempt(), 0);
    discovery d;
    d.splits.push_back({"s", "", "", 1, 0});
    c.discovered(operator_index{0}, d, 0);
    heard();
  }
  void acknowledge(uint64_t e, timestamp_us now) {
    for (uint32_t t = 0; t < 2; ++t) c.acknowledged(task_id{t}, c.attempt(), epoch{e}, 0, now);
  }
};

}  // namespace

TEST_CASE("coordinator: a job's life from start to finish") {
  fixture f;
  f.c.start(0);
  CHECK(f.heard() == "load ");
  f.c.restored(std::optional<restored_job>(), 0);
  CHECK(f.heard() == "deploy1 ");
  f.c.deployed(attempt_id{1}, 0);
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
  f.c.deployed(attempt_id{2}, 70);
  f.c.task_failed(task_id{1}, attempt_id{2}, {errc::io, "broken"}, 80);
  f.c.tick(180);
  f.c.restored(std::optional<restored_job>(), 190);
  f.c.deployed(attempt_id{3}, 190);
  f.heard();
  f.c.task_failed(task_id{1}, attempt_id{3}, {errc::io, "broken"}, 200);
  CHECK(f.heard() == "kill failed ");
  CHECK(f.c.failure()->message == "broken; given up after 2 restarts");
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
  f.c.deployed(attempt_id{1}, 0);
  CHECK(f.heard() == "load deploy1 complete5 ");
  f.c.task_committed(task_id{0}, attempt_id{1}, epoch{5});
  f.c.task_committed(task_id{1}, attempt_id{1}, epoch{5});
  CHECK(f.heard() == "kill finished ");
}

}  // namespace weir
