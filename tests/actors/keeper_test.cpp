// Jobs over several nodes of a cluster, whose actors reach each other by sockets as they do between
// processes; the nodes are in this process and the ledger in its memory. Whatever happens to the
// nodes, each row comes out once.
#include <doctest/doctest.h>

#include <caf/scoped_actor.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "actors/job_keeper.hpp"
#include "jobs/yaml/job.hpp"
#include "tests/actors/memory_ledger.hpp"
#include "tests/io/scratch.hpp"

using namespace weir;
using namespace std::chrono_literals;

namespace {

constexpr int64_t rows = 18'000;
constexpr int64_t keys = 97;
constexpr auto deadline = 60s;

/// The numbers as they are, and their count and sum by key when all have been read.
physical_plan counting_job(const std::string& name, const std::string& out, int64_t rate) {
  std::string text = "name: " + name + R"(
tables:
  numbers:
    columns: {n: bigint}
    with: {connector: sequence, start: 1, end: )" +
                     std::to_string(rows) + ", rate: " + std::to_string(rate) + R"(}
  every: {columns: {n: bigint}, with: {connector: file, path: )" +
                     out + R"(/every, format: csv}}
  sums:
    columns: {g: bigint, c: bigint, total: 'decimal(38,0)'}
    with: {connector: file, path: )" +
                     out + R"(/sums, format: csv}
steps:
  - {name: by_key, from: numbers, key: {g: "n % )" +
                     std::to_string(keys) +
                     R"("}, aggregate: {c: count(*), total: sum(n)}, emit: final}
sinks:
  - {from: numbers, into: every}
  - {from: by_key, into: sums}
)";
  jobs::job_settings settings;
  settings.default_parallelism = 3;
  auto job = jobs::load_job_text(jobs::read_yaml, text, name + ".yaml", ".", settings);
  INFO((job ? std::string() : job.err().message));
  REQUIRE(job.ok());
  return job->plan;
}

struct cluster_node_in_test {
  std::unique_ptr<node_process> process;
  job_keeper_actor keeper;

  ~cluster_node_in_test() {
    if (keeper) caf::anon_send_exit(keeper, caf::exit_reason::kill);
    keeper = job_keeper_actor();
    process->close();
    // CAF's destructor waits for time-outs of requests that nothing fires any more (see
    // cluster_node::close()): what is closed stays until the process ends.
    static auto* closed = new std::vector<std::unique_ptr<node_process>>();
    closed->push_back(std::move(process));
  }
};

struct fixture {
  test::scratch_folder folder;
  test::ledger_world world;
  std::map<int32_t, std::unique_ptr<cluster_node_in_test>> nodes;
  std::mutex mutex;
  std::string said;

  fixture() {
    for (int32_t id : {1, 2, 3}) start(id);
    wait("all nodes know each other", [this] {
      for (auto& [id, n] : nodes)
        if (list(id).nodes.size() != 3 || known(id) != 3) return false;
      return true;
    });
  }
  ~fixture() {
    for (auto& [id, n] : nodes) world.give_up(id);  // ends masters and tasks
    std::this_thread::sleep_for(100ms);
    nodes.clear();
    if (doctest::getContextOptions()->success) std::fputs(said.c_str(), stdout);
  }

  void start(int32_t id) {
    auto n = std::make_unique<cluster_node_in_test>();
    node_options o;
    o.name = "n" + std::to_string(id);
    o.data_dir = folder / o.name;
    o.network = true;
    o.scheduler_threads = 1;
    o.io_threads = 1;
    std::filesystem::create_directories(o.data_dir);
    auto started = node_process::start(o);
    INFO((started ? std::string() : started.err().message));
    REQUIRE(started.ok());
    n->process = std::move(*started);
    keeper_seed seed;
    seed.ledger = world.start_node(id, "r" + std::to_string(id));
    seed.here = n->process->self();
    seed.environment = n->process->environment();
    seed.memory_bytes = o.memory_bytes;
    seed.connector = n->process->system().middleman().actor_handle();
    seed.log = [this, id](const std::string& line) {
      std::lock_guard lock(mutex);
      said += "n" + std::to_string(id) + ": " + line + "\n";
    };
    n->keeper = spawn_job_keeper(n->process->system(), std::move(seed));
    auto port = publish_job_keeper(n->process->system(), n->keeper, "127.0.0.1", 0);
    REQUIRE(port.ok());
    world.set_address(id, "127.0.0.1:" + std::to_string(*port));
    nodes[id] = std::move(n);
  }
  /// The ledger gives it up, and its process goes.
  void lose(int32_t id) {
    world.give_up(id);
    std::this_thread::sleep_for(50ms);
    nodes.erase(id);
  }

  void wait(const std::string& what, const std::function<bool()>& f) {
    auto until = std::chrono::steady_clock::now() + deadline;
    while (!f()) {
      if (std::chrono::steady_clock::now() > until) {
        std::lock_guard lock(mutex);
        FAIL("in vain: " << what << "\n" << said);
      }
      std::this_thread::sleep_for(10ms);
    }
  }

  template <class Answer, class... Message>
  Answer ask(int32_t node, Message... m) {
    Answer out{};
    caf::scoped_actor self(nodes.at(node)->process->system());
    self->request(nodes.at(node)->keeper, 30s, m...)
        .receive([&](Answer& a) { out = std::move(a); },
                 [](const caf::error& e) { FAIL(caf::to_string(e)); });
    return out;
  }
  cluster_report list(int32_t node) { return ask<cluster_report>(node, list_atom::value); }
  job_answer ask_job(int32_t node, job_request::verb what, const std::string& job) {
    return ask<job_answer>(node, job_request{what, job, false});
  }
  /// How many nodes the keeper has a pid of: those that it has met.
  size_t known(int32_t node) {
    size_t n = 0;
    for (const auto& x : list(node).nodes) n += x.pid != 0;
    return n;
  }

  std::string submit(int32_t node, const physical_plan& plan) {
    submit_message m;
    auto bytes = encode_plan(plan);
    const auto* p = reinterpret_cast<const char*>(bytes.data());
    m.plan.assign(p, p + bytes.size());
    m.snapshot_interval_us = 100'000;
    auto reply = ask<submit_reply>(node, m);
    REQUIRE(reply.error == "");
    return reply.id;
  }
  ledger_job job(const std::string& id) { return world.view()->jobs.at(id); }
  void wait_for_epoch(const std::string& id, uint64_t more) {
    auto from = job(id).newest;
    wait("epochs", [&] { return job(id).newest >= from + more; });
  }
  void wait_for_end(const std::string& id) {
    wait("the end of the job", [&] { return has_ended(job(id).state); });
    INFO(job(id).error << "\n" << said);
    CHECK(job(id).state == job_state::finished);
  }

  static std::vector<std::string> lines(const std::string& dir) {
    std::vector<std::string> out;
    for (const auto& f : std::filesystem::directory_iterator(dir)) {
      if (f.path().extension() != ".csv") continue;
      std::ifstream in(f.path());
      for (std::string line; std::getline(in, line);) out.push_back(line);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  /// Every number once, and the sums over them.
  void check_output(const std::string& out) {
    std::vector<std::string> want;
    std::map<int64_t, std::pair<int64_t, int64_t>> sums;
    for (int64_t n = 1; n <= rows; ++n) {
      want.push_back(std::to_string(n));
      ++sums[n % keys].first;
      sums[n % keys].second += n;
    }
    std::sort(want.begin(), want.end());
    auto got = lines(out + "/every");
    INFO(said);
    CHECK(got.size() == want.size());
    CHECK((got == want));
    std::vector<std::string> want_sums;
    for (const auto& [k, s] : sums)
      want_sums.push_back(std::to_string(k) + "," + std::to_string(s.first) + "," +
                          std::to_string(s.second));
    std::sort(want_sums.begin(), want_sums.end());
    CHECK((lines(out + "/sums") == want_sums));
  }
};

}  // namespace

TEST_CASE_FIXTURE(fixture, "a job runs on all nodes and is known at each of them") {
  auto id = submit(2, counting_job("plain", folder / "out", 4'000));
  wait_for_epoch(id, 2);
  std::set<std::string> used;
  auto report = ask_job(3, job_request::verb::describe, "plain").report;
  CHECK(report.id == id);
  CHECK(report.master != "");
  wait("reports of tasks on all nodes", [&] {
    for (const auto& t : ask_job(1, job_request::verb::describe, id).report.tasks)
      used.insert(t.node);
    return used.contains("n1") && used.contains("n2") && used.contains("n3");
  });
  auto saved = ask_job(1, job_request::verb::savepoint, id);
  CHECK(saved.error == "");
  CHECK(saved.epoch <= job(id).newest);
  CHECK(saved.epoch > 2);
  CHECK(ask_job(1, job_request::verb::remove, id).error ==
        "job plain has not ended: stop it first");
  CHECK(ask_job(1, job_request::verb::stop, "nothing").code ==
        static_cast<uint8_t>(errc::not_found));
  wait_for_end(id);
  check_output(folder / "out");
  CHECK(ask_job(1, job_request::verb::describe, "plain").report.state ==
        static_cast<uint8_t>(job_state::finished));
  CHECK(ask_job(1, job_request::verb::remove, id).error == "");
  wait("the job is forgotten", [&] { return list(3).jobs.empty(); });
}

TEST_CASE_FIXTURE(fixture,
                  "the loss of any node, the master's too, costs no row and doubles none") {
  auto id = submit(1, counting_job("lost", folder / "out", 1'000));
  wait_for_epoch(id, 3);
  auto token = job(id).token;
  auto master = job(id).master;
  lose(master);
  wait("another node takes the job", [&] { return job(id).token > token; });
  CHECK(job(id).master != master);
  wait_for_epoch(id, 3);
  // The lost one comes back with its disk, then another one goes, with its disk.
  start(master);
  wait("it is known", [&] { return known(job(id).master) == 3; });
  wait_for_epoch(id, 2);
  auto other = job(id).master == 1 ? 2 : 1;
  if (other == master) other = 3;
  lose(other);
  std::filesystem::remove_all(folder / ("n" + std::to_string(other)));
  wait_for_epoch(id, 2);
  wait_for_end(id);
  check_output(folder / "out");
  auto epochs = world.completed(id);
  CHECK(std::is_sorted(epochs.begin(), epochs.end()));
}

TEST_CASE_FIXTURE(fixture, "a master that is given up while it works is fenced") {
  auto id = submit(1, counting_job("fenced", folder / "out", 1'500));
  wait_for_epoch(id, 2);
  auto master = job(id).master;
  auto token = job(id).token;
  // Its process goes on: the ledger gave it up, as when it was cut off, and takes it back.
  world.give_up(master);
  wait("another node takes the job", [&] { return job(id).token > token; });
  auto keeper_epoch = job(id).newest;
  wait("the new master completes epochs", [&] { return job(id).newest > keeper_epoch; });
  wait_for_end(id);
  check_output(folder / "out");
}

TEST_CASE_FIXTURE(fixture, "a node that is drained gives its tasks and masters away") {
  auto id = submit(1, counting_job("drained", folder / "out", 1'500));
  wait_for_epoch(id, 2);
  auto master = job(id).master;
  world.drain(master, true);
  wait("its master moves", [&] { return job(id).master >= 0 && job(id).master != master; });
  auto name = "n" + std::to_string(master);
  auto asked = job(id).master;
  wait("its tasks move", [&] {
    auto a = ask_job(asked, job_request::verb::describe, id);
    if (a.error != "" || a.report.tasks.empty()) return false;
    return std::none_of(a.report.tasks.begin(), a.report.tasks.end(),
                        [&](const task_report& t) { return t.node == name || t.node.empty(); });
  });
  wait_for_end(id);
  check_output(folder / "out");
}

TEST_CASE_FIXTURE(fixture,
                  "a node that ends hands its masters on, and a cluster that stops goes on later") {
  auto id = submit(1, counting_job("handed", folder / "out", 1'500));
  wait_for_epoch(id, 2);
  auto master = job(id).master;
  auto token = job(id).token;
  auto& leaving = *nodes.at(master);
  close_job_keeper(leaving.process->system(), leaving.keeper);
  CHECK((job(id).master == -1 || job(id).token > token));
  lose(master);
  wait("another node takes the job", [&] { return job(id).token > token; });
  wait_for_epoch(id, 2);
  auto any = nodes.begin()->first;
  CHECK(ask<operation_reply>(any, quiesce_atom::value, false).error == "");
  CHECK(job(id).state == job_state::running);
  auto last = job(id).newest;
  for (int32_t n : {1, 2, 3})
    if (nodes.contains(n)) lose(n);
  CHECK(job(id).newest == last);
  for (int32_t n : {1, 2, 3}) start(n);
  wait_for_end(id);
  check_output(folder / "out");
}
