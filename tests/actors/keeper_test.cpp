// Jobs over several nodes of a cluster, whose actors reach each other by sockets as they do between
// processes; the nodes are in this process and the ledger in its memory. Whatever happens to the
// nodes, each row comes out once.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/scoped_actor.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "actors/data/frame.hpp"
#include "actors/job_keeper.hpp"
#include "actors/job_manifest.hpp"
#include "jobs/yaml/job.hpp"
#include "tests/actors/counting_job.hpp"
#include "tests/actors/memory_ledger.hpp"
#include "tests/io/scratch.hpp"

using namespace weir;
using namespace std::chrono_literals;

namespace {

constexpr int64_t rows = 18'000;
constexpr int64_t keys = 97;
constexpr auto deadline = 60s;

/// At a parallelism of three.
physical_plan plan_of(const std::string& name, const std::string& yaml) {
  jobs::job_settings settings;
  settings.default_parallelism = 3;
  auto job = jobs::load_job_text(jobs::read_yaml, yaml, name + ".yaml", ".", settings);
  INFO((job ? std::string() : job.err().message));
  REQUIRE(job.ok());
  return job->plan;
}

physical_plan counting_job(const std::string& name, const std::string& out, int64_t rate) {
  return plan_of(name, test::counting_job_text(name, out, rows, keys, rate));
}

uint16_t port_of(const sockaddr_storage& a) {
  return ntohs(reinterpret_cast<const sockaddr_in&>(a).sin_port);
}

/// Cuts the connections for rows that the node has taken (others dial to it): nothing else between
/// nodes is touched.
size_t cut_rows(const data_exchange& to) {
  const auto port = parse_data_address(to.address())->port;
  size_t cut = 0;
  for (int fd = 3; fd < ::sysconf(_SC_OPEN_MAX); ++fd) {
    sockaddr_storage here{}, there{};
    socklen_t size = sizeof here;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&here), &size) != 0) continue;
    size = sizeof there;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&there), &size) != 0) continue;
    if (here.ss_family != AF_INET || (port_of(here) != port && port_of(there) != port)) continue;
    cut += ::shutdown(fd, SHUT_RDWR) == 0 ? 1 : 0;
  }
  return cut;
}

constexpr int64_t pipeline_rows = 4'000;

/// A file for each of three tasks that have nothing to do with each other.
physical_plan pipelines_job(const std::string& name, const std::string& out, int64_t rate) {
  std::filesystem::create_directories(out + "-in");
  for (const char* f : {"a", "b", "c"}) {
    std::ofstream file(out + "-in/" + f + ".csv");
    for (int64_t n = 0; n < pipeline_rows; ++n) file << f << n << "\n";
  }
  std::string text = "name: " + name + R"(
tables:
  words:
    columns: {w: text}
    with: {connector: file, path: ")" +
                     out + R"(-in/*.csv", format: csv, rate: )" + std::to_string(rate) + R"(}
  copy: {columns: {w: text}, with: {connector: file, path: )" +
                     out + R"(, format: csv}}
sinks:
  - {from: words, into: copy}
)";
  auto plan = plan_of(name, text);
  REQUIRE(build_task_graph(plan)->regions.size() == 3);
  return plan;
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
  /// Outlives this: connections of processes that are closed end later.
  struct spoken {
    std::mutex mutex;
    std::string said;
  };
  std::shared_ptr<spoken> heard = std::make_shared<spoken>();
  std::mutex& mutex = heard->mutex;
  std::string& said = heard->said;

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
    o.log = [to = heard, id](const std::string& line) {
      std::lock_guard lock(to->mutex);
      to->said += "n" + std::to_string(id) + ": " + line + "\n";
    };
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
  /// Whether the node's store has the part of the savepoint.
  bool has(int32_t node, const std::string& id, uint64_t number, const std::string& part) {
    return has_part(node, savepoint_job(id, number) + "@" + part, number);
  }
  bool has_part(int32_t node, const std::string& part, uint64_t number) {
    load_message m;
    m.job = part;
    m.number = number;
    m.all = true;
    bool found = false;
    caf::scoped_actor self(nodes.at(node)->process->system());
    self->request(nodes.at(node)->process->self().store, 30s, std::move(m))
        .receive([&](const load_reply& r) { found = r.error.empty(); },
                 [](const caf::error& e) { FAIL(caf::to_string(e)); });
    return found;
  }
  ledger_job job(const std::string& id) { return world.view()->jobs.at(id); }
  /// Of the newest complete epoch.
  std::set<std::string> names_of_parts(const std::string& id) {
    std::set<std::string> names;
    const auto manifest = decode_job_manifest(job(id).manifest);
    REQUIRE(manifest.ok());
    for (const auto& p : manifest->parts) names.insert(p.name);
    return names;
  }
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
  void check_pipelines(const std::string& out) {
    std::vector<std::string> want;
    for (const char* f : {"a", "b", "c"})
      for (int64_t n = 0; n < pipeline_rows; ++n) want.push_back(f + std::to_string(n));
    std::sort(want.begin(), want.end());
    INFO(said);
    CHECK((lines(out) == want));
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

TEST_CASE_FIXTURE(fixture, "what is left of a savepoint that is removed goes from all stores") {
  auto id = submit(1, counting_job("kept", folder / "out", 2'000));
  wait_for_epoch(id, 2);
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 2; ++i) {
    // Who asks at the same time shares one.
    auto saved = ask_job(1, job_request::verb::savepoint, id);
    REQUIRE(saved.error == "");
    numbers.push_back(saved.epoch);
  }
  const auto parts = decode_job_manifest(job(id).savepoints.at(numbers[0]))->parts;
  REQUIRE(parts.size() == 3);
  for (const auto& p : parts) {
    CHECK(has(p.writer, id, numbers[0], p.name));
    CHECK(has(p.copy, id, numbers[0], p.name));
  }
  // A node that answers questions about jobs before it has acted on the news.
  world.hold_news(true);
  job_request drop{job_request::verb::drop_savepoint, id, false, numbers[0]};
  CHECK(ask<job_answer>(1, drop).error == "");
  for (int32_t n : {1, 2, 3})
    CHECK(ask_job(n, job_request::verb::describe, id).report.savepoints.size() == 1);
  world.hold_news(false);
  for (const auto& p : parts)
    wait("it is gone", [&] {
      return !has(p.writer, id, numbers[0], p.name) && !has(p.copy, id, numbers[0], p.name);
    });
  // A node that was down meanwhile.
  const auto away = parts.front().writer;
  CHECK(has(away, id, numbers[1], parts.front().name));
  lose(away);
  const int32_t asked = away == 1 ? 2 : 1;
  drop.epoch = numbers[1];
  CHECK(ask<job_answer>(asked, drop).error == "");
  start(away);
  wait("it is gone there, too", [&] { return !has(away, id, numbers[1], parts.front().name); });
  wait_for_end(id);
  check_output(folder / "out");
}

TEST_CASE_FIXTURE(fixture, "what is kept has two copies again when a node is gone for good") {
  auto id = submit(1, counting_job("copies", folder / "out", 3'000));
  wait_for_epoch(id, 2);
  auto saved = ask_job(1, job_request::verb::savepoint, id);
  REQUIRE(saved.error == "");
  const auto of_savepoint = decode_job_manifest(job(id).savepoints.at(saved.epoch))->parts;
  wait_for_end(id);
  check_output(folder / "out");
  const auto last = job(id).newest;
  const auto of_last = decode_job_manifest(job(id).manifest)->parts;
  const auto gone = of_savepoint.front().writer;
  lose(gone);
  world.remove(gone);
  std::filesystem::remove_all(folder / ("n" + std::to_string(gone)));
  for (const auto& [n, node] : nodes) {
    for (const auto& p : of_savepoint)
      wait("the savepoint's part " + p.name + " at node " + std::to_string(n),
           [&, at = n] { return has(at, id, saved.epoch, p.name); });
    for (const auto& p : of_last)
      wait("the last epoch's part " + p.name + " at node " + std::to_string(n),
           [&, at = n] { return has_part(at, id + "@" + p.name, last); });
  }
}

TEST_CASE_FIXTURE(fixture, "connections for rows that are cut cost no row and double none") {
  auto id = submit(1, counting_job("cut", folder / "out", 2'000));
  auto exchange = [this](int32_t node) { return nodes.at(node)->process->exchange(); };
  for (int i = 0; i < 4; ++i) {
    wait_for_epoch(id, 2);
    // Those that were met late take part from the third epoch on.
    wait("links between all", [&] {
      return exchange(1)->counters().links + exchange(2)->counters().links +
                 exchange(3)->counters().links ==
             6;
    });
    const auto restarts = ask_job(1, job_request::verb::describe, id).report.restarts;
    size_t cut = 0;
    for (int32_t node = 1 + i % 3; cut == 0; node = 1 + node % 3) cut = cut_rows(*exchange(node));
    wait("the job starts again",
         [&] { return ask_job(1, job_request::verb::describe, id).report.restarts > restarts; });
  }
  wait_for_end(id);
  check_output(folder / "out");
  for (auto& [node, n] : nodes) {
    CHECK(n->process->exchange()->counters().in_flight_bytes == 0);
    CHECK(n->process->exchange()->counters().links_lost >= 1);
  }
  std::lock_guard lock(mutex);
  INFO(said);
  CHECK(said.find("the connection for rows with node at") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture,
                  "the loss of any node, the master's too, costs no row and doubles none") {
  auto id = submit(1, counting_job("lost", folder / "out", 1'000));
  wait_for_epoch(id, 3);
  auto token = job(id).token;
  auto master = job(id).master;
  const auto parts = names_of_parts(id);
  CHECK(parts.size() == 3);
  lose(master);
  wait("another node takes the job", [&] { return job(id).token > token; });
  CHECK(job(id).master != master);
  wait_for_epoch(id, 3);
  // Tasks go on with what is where they are; those that were lost where the copy is.
  CHECK(names_of_parts(id) == parts);
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

TEST_CASE_FIXTURE(fixture, "pipelines go on when the job's master and its node are lost") {
  auto id = submit(1, pipelines_job("pipelines", folder / "out", 1'000));
  wait_for_epoch(id, 3);
  auto token = job(id).token;
  auto master = job(id).master;
  // Who runs what, and since when.
  std::map<uint32_t, task_report> before;
  wait("reports of all tasks", [&] {
    for (const auto& t : ask_job(master, job_request::verb::describe, id).report.tasks)
      if (!t.node.empty()) before[t.task] = t;
    return before.size() == 3;
  });
  lose(master);
  wait("another node takes the job", [&] { return job(id).token > token; });
  wait_for_epoch(id, 2);
  auto now_master = job(id).master;
  CHECK(now_master != master);
  std::map<uint32_t, task_report> after;
  wait("reports of all tasks", [&] {
    for (const auto& t : ask_job(now_master, job_request::verb::describe, id).report.tasks)
      if (!t.node.empty()) after[t.task] = t;
    return after.size() == 3;
  });
  size_t went_on = 0;
  for (const auto& [task, was] : before) {
    const auto& is = after.at(task);
    if (was.node == "n" + std::to_string(master)) {
      CHECK(is.node != was.node);
      CHECK(is.attempt > was.attempt);
      continue;
    }
    ++went_on;
    CHECK(is.node == was.node);
    CHECK(is.attempt == was.attempt);
    // Counters of a task begin with it.
    CHECK(is.operators.front().rows_out >= was.operators.front().rows_out);
  }
  CHECK(went_on == 2);
  CHECK(ask_job(now_master, job_request::verb::describe, id).report.restarts == 1);
  wait_for_end(id);
  CHECK(lines(folder / "out").size() == 3 * pipeline_rows);
  check_pipelines(folder / "out");
}

TEST_CASE_FIXTURE(fixture, "a node that connects anew has lost what it was asked before") {
  auto id = submit(1, counting_job("anew", folder / "out", 1'500));
  wait_for_epoch(id, 2);
  const auto master = job(id).master;
  const int32_t other = master == 3 ? 2 : 3;
  REQUIRE(ask_job(master, job_request::verb::describe, id).report.restarts == 0);
  // It has noticed the end of their connection; the master's keeper has not, and sees the same
  // life.
  const auto hello = ask<hello_message>(other, hello_message{});
  caf::anon_send(nodes.at(master)->keeper, hello);
  wait("its tasks start anew",
       [&] { return ask_job(master, job_request::verb::describe, id).report.restarts != 0; });
  wait_for_epoch(id, 2);
  CHECK(job(id).master == master);
  wait_for_end(id);
  check_output(folder / "out");
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

TEST_CASE_FIXTURE(fixture, "a job of one region leaves a drained node by one restart") {
  auto plan = counting_job("single", folder / "out", 1'500);
  REQUIRE(build_task_graph(plan)->regions.size() == 1);
  auto id = submit(1, plan);
  wait_for_epoch(id, 4);
  const auto master = job(id).master;
  const int32_t drained = master == 1 ? 2 : 1;
  const auto before = job(id).newest;
  world.drain(drained, true);
  auto report = [&] { return ask_job(master, job_request::verb::describe, id).report; };
  wait("its tasks move", [&] {
    const auto r = report();
    return r.restarts == 1 && !r.tasks.empty() &&
           std::none_of(r.tasks.begin(), r.tasks.end(), [&](const task_report& t) {
             return t.node == "n" + std::to_string(drained) || t.node.empty();
           });
  });
  // More than the three epochs after which nodes are looked at again.
  wait_for_epoch(id, 5);
  CHECK(report().restarts == 1);
  CHECK(job(id).newest > before);
  // Nothing is on it that the job needs, not even a copy.
  const auto now = *decode_job_manifest(job(id).manifest);
  for (const auto& p : now.parts) CHECK((p.writer != drained && p.copy != drained));
  CHECK(std::count(now.slots.begin(), now.slots.end(), drained) == 0);
  lose(drained);
  wait_for_end(id);
  check_output(folder / "out");
}

TEST_CASE_FIXTURE(fixture, "only what is on a drained node moves, the other pipelines go on") {
  auto id = submit(1, pipelines_job("moved", folder / "out", 1'000));
  wait_for_epoch(id, 3);
  auto master = job(id).master;
  auto tasks = [&] {
    std::map<uint32_t, task_report> found;
    wait("reports of all tasks", [&] {
      for (const auto& t : ask_job(master, job_request::verb::describe, id).report.tasks)
        if (!t.node.empty()) found[t.task] = t;
      return found.size() == 3;
    });
    return found;
  };
  auto before = tasks();
  // Not the master's: a drained node gives that away as well.
  const int32_t drained = master == 1 ? 2 : 1;
  const auto name = "n" + std::to_string(drained);
  world.drain(drained, true);
  wait("its tasks move", [&] {
    auto now = tasks();
    return std::none_of(now.begin(), now.end(),
                        [&](const auto& t) { return t.second.node == name; });
  });
  wait_for_epoch(id, 1);
  auto after = tasks();
  size_t moved = 0;
  for (const auto& [task, was] : before) {
    const auto& is = after.at(task);
    if (was.node == name) {
      ++moved;
      CHECK(is.attempt > was.attempt);
      CHECK(is.placed != "");
      continue;
    }
    CHECK(is.node == was.node);
    CHECK(is.attempt == was.attempt);
    CHECK(is.operators.front().rows_out >= was.operators.front().rows_out);
  }
  CHECK(moved == 1);
  CHECK(ask_job(master, job_request::verb::describe, id).report.restarts == 1);
  // It can be taken away: nothing is on it, and nobody's only copy.
  wait_for_epoch(id, 4);
  lose(drained);
  wait_for_end(id);
  CHECK(job(id).manifest != "");
  CHECK(ask_job(master, job_request::verb::describe, id).report.restarts == 1);
  check_pipelines(folder / "out");
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
