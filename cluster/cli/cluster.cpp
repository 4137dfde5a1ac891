#include "cluster/cli/cluster.hpp"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

#include "cluster/cli/job_file.hpp"
#include "cluster/cli/node_file.hpp"
#include "cluster/cli/table.hpp"
#include "cluster/http/server.hpp"
#include "runtime/column/json_text.hpp"

namespace weir::cli {
namespace {

using namespace std::chrono_literals;

// A node that is not ready by then has failed; its log says why.
constexpr auto ready_limit = 20s;
// After SIGTERM a node gets this long before SIGKILL.
constexpr auto stop_limit = 20s;
// A process that is killed may have writes under way in the kernel.
constexpr auto kill_limit = 10s;
constexpr auto poll_interval = 10ms;

int fail(const std::string& message) {
  std::fprintf(stderr, "weir: %s\n", message.c_str());
  return exit_failed;
}

std::string node_dir(const cluster_verb_options& o, uint32_t i) {
  return std::filesystem::absolute(o.data_dir).string() + "/n" + std::to_string(i);
}

/// Starts this binary as a node in the background, detached from the terminal.
pid_t spawn_node_process(const std::string& dir, const std::vector<std::string>& arguments) {
  std::string log = dir + "/log";
  pid_t child = ::fork();
  if (child != 0) return child;
  ::setsid();
  int null = ::open("/dev/null", O_RDWR);
  int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out < 0 ? null : out, STDOUT_FILENO);
  ::dup2(out < 0 ? null : out, STDERR_FILENO);
  std::vector<char*> argv;
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ::execv("/proc/self/exe", argv.data());
  ::_exit(127);
}

result<node_file> start_node(const cluster_verb_options& o, uint32_t i, const std::string& join) {
  std::string dir = node_dir(o, i);
  std::error_code e;
  std::filesystem::create_directories(dir, e);
  if (e) return error{errc::io, "cannot make " + dir + ": " + e.message()};
  std::vector<std::string> arguments = {"weir",       "node",
                                        "--data-dir", dir,
                                        "--name",     "n" + std::to_string(i),
                                        "--http",     "127.0.0.1:0",
                                        "--memory",   std::to_string(o.memory_bytes)};
  if (!join.empty()) arguments.insert(arguments.end(), {"--join", join});
  remove_node_file(dir);
  pid_t child = spawn_node_process(dir, arguments);
  if (child < 0) return error{errc::io, "cannot start a process for " + dir};
  auto deadline = std::chrono::steady_clock::now() + ready_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (auto n = read_running_node(dir)) return *n;
    if (::waitpid(child, nullptr, WNOHANG) == child)
      return error{errc::io, "node n" + std::to_string(i) + " has ended; see " + dir + "/log"};
    std::this_thread::sleep_for(poll_interval);
  }
  return error{errc::timeout, "node n" + std::to_string(i) + " is not ready; see " + dir + "/log"};
}

/// False when the process still runs after `limit`.
bool wait_for_end(const std::string& dir, uint32_t pid, std::chrono::seconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (is_running_node(pid, dir)) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(poll_interval);
  }
  return true;
}

void print_nodes(const std::vector<node_file>& nodes, const std::string& format) {
  if (format == "json") {
    std::string out = "{\"nodes\": [";
    for (const auto& n : nodes)
      out += (n.name == nodes.front().name ? "" : ", ") + std::string("{\"id\": ") +
             json_string(n.name) + ", \"pid\": " + std::to_string(n.pid) +
             ", \"kafka\": null, \"http\": " + json_string(n.http) + "}";
    std::printf("%s]}\n", out.c_str());
    return;
  }
  text_table t({"id", "pid", "http"});
  for (const auto& n : nodes) t.add({n.name, std::to_string(n.pid), n.http});
  t.print(format);
}

/// Calls a node; prints what it says or its error. Returns the exit code.
int call(const cluster_verb_options& o, const std::string& method, const std::string& target,
         const std::string& body, std::string& answer) {
  if (o.cluster.empty()) {
    std::fprintf(stderr,
                 "weir: which cluster? --cluster HOST:PORT or WEIR_CLUSTER names the HTTP "
                 "address of any node\n");
    return exit_usage;
  }
  auto r = http::http_call(o.cluster, method, target, body);
  if (!r) return fail(r.err().message);
  answer = std::move(r->body);
  if (r->status == 200) return exit_ok;
  simdjson::dom::parser parser;
  std::string_view text;
  auto parsed = parser.parse(answer);
  if (!parsed.error() && !parsed["error"].get(text)) return fail(std::string(text));
  return fail("the node answers " + std::to_string(r->status) + ": " + answer);
}

std::string text_of(simdjson::dom::element e) {
  if (e.is_string()) return std::string(std::string_view(e));
  return simdjson::minify(e);
}

/// A task of every operator on every node, unless the job or the user says otherwise.
uint32_t nodes_alive(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::array nodes;
  uint32_t n = 0;
  auto parsed = parser.parse(json);
  if (!parsed.error() && !parsed["nodes"].get(nodes))
    for (auto node : nodes) n += text_of(node["alive"]) == "true" ? 1 : 0;
  return std::max(1u, n);
}

void print_jobs(const std::string& json, const std::string& format) {
  simdjson::dom::parser parser;
  simdjson::dom::array jobs;
  text_table t({"id", "name", "state", "epoch", "restarts", "error"});
  auto parsed = parser.parse(json);
  if (!parsed.error() && !parsed["jobs"].get(jobs))
    for (auto j : jobs)
      t.add({text_of(j["id"]), text_of(j["name"]), text_of(j["state"]), text_of(j["epoch"]),
             text_of(j["restarts"]), j["error"].is_null() ? "" : text_of(j["error"])});
  t.print(format);
}

}  // namespace

int cluster_up(const cluster_verb_options& o) {
  std::vector<node_file> nodes;
  std::string join;
  for (uint32_t i = 1; i <= o.nodes; ++i) {
    auto running = read_running_node(node_dir(o, i));
    if (!running) {
      auto started = start_node(o, i, join);
      if (!started) return fail(started.err().message);
      running = *started;
    }
    if (i == 1) join = "127.0.0.1:" + std::to_string(running->port);
    nodes.push_back(*running);
  }
  print_nodes(nodes, o.output);
  return exit_ok;
}

int cluster_down(const cluster_verb_options& o) {
  std::vector<std::pair<std::string, uint32_t>> running;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(o.data_dir, ignored))
    if (auto n = read_running_node(std::filesystem::absolute(entry.path()).string()))
      running.emplace_back(std::filesystem::absolute(entry.path()).string(), n->pid);
  // The coordinator first: its jobs take their last snapshots while their tasks still live.
  std::sort(running.begin(), running.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [dir, pid] : running) {
    ::kill(static_cast<pid_t>(pid), SIGTERM);
    if (!wait_for_end(dir, pid, stop_limit)) {
      ::kill(static_cast<pid_t>(pid), SIGKILL);
      if (!wait_for_end(dir, pid, kill_limit))
        return fail("process " + std::to_string(pid) + " of " + dir + " does not end");
    }
    remove_node_file(dir);
  }
  std::fprintf(stderr, "%zu nodes stopped\n", running.size());
  return exit_ok;
}

int cluster_status(const cluster_verb_options& o) {
  std::string answer;
  if (int code = call(o, "GET", "/cluster", "", answer)) return code;
  if (o.output == "json") {
    std::fputs(answer.c_str(), stdout);
    return exit_ok;
  }
  simdjson::dom::parser parser;
  simdjson::dom::array nodes;
  text_table t({"id", "pid", "http", "kafka", "alive", "coordinates"});
  auto parsed = parser.parse(answer);
  if (!parsed.error() && !parsed["nodes"].get(nodes))
    for (auto n : nodes)
      t.add({text_of(n["id"]), text_of(n["pid"]), text_of(n["http"]),
             n["kafka"].is_null() ? "" : text_of(n["kafka"]), text_of(n["alive"]),
             text_of(n["coordinates"])});
  t.print(o.output);
  std::printf("\n");
  print_jobs(answer, o.output);
  return exit_ok;
}

int job_submit(const cluster_verb_options& o) {
  jobs::job_settings settings;
  settings.set = o.set;
  settings.parallelism = o.parallelism;
  std::string members;
  if (int code = call(o, "GET", "/cluster", "", members)) return code;
  settings.default_parallelism = nodes_alive(members);
  auto job = load_job(std::filesystem::absolute(o.file).string(), settings);
  if (!job) {
    std::fprintf(stderr, "%s\n", job.err().message.c_str());
    return exit_usage;
  }
  if (job->plan.operators.empty()) {
    std::fprintf(stderr, "weir: %s only explains: weir run and weir plan show its plans\n",
                 o.file.c_str());
    return exit_usage;
  }
  auto bytes = encode_plan(job->plan);
  std::string body(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string answer;
  const auto interval_us = o.snapshot_interval_us.value_or(
      job->snapshot_interval_us.value_or(default_snapshot_interval_us));
  auto target = "/jobs?interval_us=" + std::to_string(interval_us);
  if (int code = call(o, "POST", target, body, answer)) return code;
  if (o.output == "json") {
    std::fputs(answer.c_str(), stdout);
    return exit_ok;
  }
  simdjson::dom::parser parser;
  std::string_view id;
  auto parsed = parser.parse(answer);
  if (parsed.error() || parsed["id"].get(id)) return fail("the node's answer has no id: " + answer);
  std::printf("%.*s\n", static_cast<int>(id.size()), id.data());
  return exit_ok;
}

int job_ls(const cluster_verb_options& o) {
  std::string answer;
  if (int code = call(o, "GET", "/cluster", "", answer)) return code;
  print_jobs(answer, o.output);
  return exit_ok;
}

int job_describe(const cluster_verb_options& o) {
  std::string answer;
  if (int code = call(o, "GET", "/jobs/" + o.id, "", answer)) return code;
  if (o.output == "json")
    std::fputs(answer.c_str(), stdout);
  else
    print_jobs("{\"jobs\": [" + answer + "]}", o.output);
  return exit_ok;
}

int job_stop(const cluster_verb_options& o) {
  std::string answer;
  return call(o, "POST", "/jobs/" + o.id + "/stop", "", answer);
}

}  // namespace weir::cli
