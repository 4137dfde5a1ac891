#include "cluster/cli/bench_nodes.hpp"

#include <fcntl.h>
#include <signal.h>
#include <simdjson.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "cluster/cli/bench_broker.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "cluster/cli/node_file.hpp"
#include "cluster/http/server.hpp"
#include "cluster/http/target.hpp"

namespace weir::cli {
namespace {

constexpr auto call_limit = std::chrono::seconds(10);

result<std::string> call(const std::string& http, const char* method, const std::string& target,
                         const std::string& body = "") {
  WEIR_ASSIGN(auto r, http::http_call(http, method, target, body, call_limit));
  if (r.status != 200)
    return error{errc::internal, target + " answers " + std::to_string(r.status) + ": " + r.body};
  return std::move(r.body);
}

/// Bytes that the loopback device has carried.
uint64_t loopback_bytes() {
  std::ifstream in("/proc/net/dev");
  std::string line;
  while (std::getline(in, line)) {
    const auto at = line.find("lo:");
    if (at != std::string::npos) return std::strtoull(line.c_str() + at + 3, nullptr, 10);
  }
  return 0;
}

/// How often threads of a process have left their core, and come back.
uint64_t thread_switches(pid_t pid) {
  uint64_t n = 0;
  std::error_code none;  // a thread that ends meanwhile
  const auto threads = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& t : std::filesystem::directory_iterator(threads, none)) {
    std::ifstream in(t.path() / "status");
    std::string line;
    while (std::getline(in, line))
      if (line.find("ctxt_switches:") != std::string::npos)
        n += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
  }
  return n;
}

/// Adds every series of a Prometheus text to the sum under its name.
void add_metrics(const std::string& text, std::map<std::string, double>& to) {
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    const auto space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string::npos) continue;
    to[line.substr(0, std::min(line.find('{'), space))] +=
        std::strtod(line.c_str() + space + 1, nullptr);
  }
}

}  // namespace

result<std::unique_ptr<bench_nodes>> bench_nodes::start(const std::string& folder, uint32_t count,
                                                        size_t memory_bytes) {
  std::unique_ptr<bench_nodes> n(new bench_nodes);
  for (uint32_t i = 1; i <= count; ++i) WEIR_TRY(n->spawn(folder, i, memory_bytes));
  return n;
}

status bench_nodes::spawn(const std::string& folder, uint32_t number, size_t memory_bytes) {
  const auto name = "n" + std::to_string(number);
  const auto data = folder + "/" + name;
  std::vector<std::string> arguments = {"weir",       "node",
                                        "--data-dir", data,
                                        "--name",     name,
                                        "--kafka",    "127.0.0.1:0",
                                        "--http",     "127.0.0.1:0",
                                        "--peers",    "127.0.0.1:0",
                                        "--memory",   std::to_string(memory_bytes)};
  if (!nodes_.empty()) arguments.insert(arguments.end(), {"--join", nodes_.front().peers});
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return error{errc::io, "cannot make a pipe"};
  const auto log = folder + "/" + name + ".log";
  const pid_t pid = ::fork();
  if (pid < 0) return error{errc::io, "cannot start a process"};
  if (pid == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    const int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (to >= 0) ::dup2(to, STDERR_FILENO);
    std::vector<char*> argv;
    for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(127);
  }
  nodes_.push_back({pid, "", ""});
  ::close(out[1]);
  std::string line;
  char c = 0;
  while (::read(out[0], &c, 1) == 1 && c != '\n') line += c;
  ::close(out[0]);
  const auto at = line.find("http=");
  const auto about = read_running_node(data);
  if (at == std::string::npos || !about) {
    std::ifstream said(log);
    return error{errc::io, "node " + name + " did not start: " +
                               std::string(std::istreambuf_iterator<char>(said), {})};
  }
  nodes_.back().http = line.substr(at + 5);
  nodes_.back().peers = about->peers;
  return {};
}

bench_nodes::~bench_nodes() {
  // At once: what they would still do for a clean stop is not measured.
  for (const auto& n : nodes_) ::kill(n.pid, SIGKILL);
  for (const auto& n : nodes_) ::waitpid(n.pid, nullptr, 0);
}

status bench_nodes::submit(const physical_plan& plan, int64_t snapshot_interval_us) {
  for (const auto& o : plan.operators)
    if (std::holds_alternative<source_spec>(o.spec)) sources_.push_back(o.id);
  const auto bytes = encode_plan(plan);
  WEIR_ASSIGN(auto text, call(nodes_.front().http, "POST",
                              "/jobs?interval_us=" + std::to_string(snapshot_interval_us),
                              {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  simdjson::dom::parser parser;
  std::string_view id;
  auto parsed = parser.parse(text);
  if (parsed.error() || parsed["id"].get(id))
    return error{errc::internal, "not a job's id: " + text};
  job_ = id;
  return {};
}

result<nodes_sample> bench_nodes::sample() {
  nodes_sample s;
  // A question is answered with the last reports and has the next ones made.
  WEIR_TRY(call(nodes_.front().http, "GET", "/jobs/" + job_));
  ::usleep(5'000);
  WEIR_ASSIGN(auto text, call(nodes_.front().http, "GET", "/jobs/" + job_));
  s.wall_seconds = wall_seconds();
  s.loopback_bytes = loopback_bytes();
  for (const auto& n : nodes_) {
    bench_broker process;
    process.pid = n.pid;
    s.cpu_seconds += process.cpu_seconds();
    s.switches += thread_switches(n.pid);
  }
  simdjson::dom::parser parser;
  simdjson::dom::array tasks;
  auto parsed = parser.parse(text);
  std::string_view state, why;
  if (parsed.error() || parsed["state"].get(state) || parsed["tasks"].get(tasks))
    return error{errc::internal, "not a description of a job: " + text};
  if (state == "failed" || state == "stopped")
    return error{errc::internal, "the job has ended: " + text};
  std::set<std::string_view> used;
  for (auto t : tasks) {
    simdjson::dom::array operators;
    std::string_view where;
    if (!t["node"].get(where) && !where.empty()) used.insert(where);
    if (t["operators"].get(operators)) continue;
    for (auto o : operators) {
      std::string_view id;
      uint64_t rows = 0;
      if (o["operator"].get(id) || o["rows_out"].get(rows)) continue;
      if (std::find(sources_.begin(), sources_.end(), id) != sources_.end()) s.rows += rows;
    }
  }
  s.nodes_used = used.size();
  for (const auto& n : nodes_) {
    WEIR_ASSIGN(auto metrics, call(n.http, "GET", "/metrics"));
    add_metrics(metrics, s.metrics);
  }
  return s;
}

status bench_nodes::cancel() {
  WEIR_TRY(call(nodes_.front().http, "POST", "/jobs/" + job_ + "/cancel"));
  return {};
}

}  // namespace weir::cli
