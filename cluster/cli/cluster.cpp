#include "cluster/cli/cluster.hpp"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "cluster/cli/jobs/call.hpp"
#include "cluster/cli/node_file.hpp"
#include "cluster/cli/table.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/http/server.hpp"
#include "cluster/http/target.hpp"
#include "cluster/meta/service/watch.hpp"
#include "runtime/column/json_text.hpp"
#include "runtime/io/file.hpp"

namespace weir::cli {
namespace {

using namespace std::chrono_literals;

// A node that is not ready by then has failed; its log says why.
constexpr auto ready_limit = 20s;
// By then the nodes have given each other their votes, or are busy with something else.
constexpr auto votes_limit = 10s;
// The jobs' last snapshots, when the cluster stops.
constexpr auto last_snapshot_limit = 10s;
// After SIGTERM a node gets this long before SIGKILL.
constexpr auto stop_limit = 20s;
// A process that is killed may have writes under way in the kernel.
constexpr auto kill_limit = 10s;
constexpr auto poll_interval = 10ms;
constexpr auto drain_interval = 200ms;
constexpr auto drain_patience = 10s;  // then it says why nothing moves

std::string node_dir(const cluster_verb_options& o, uint32_t i) {
  return canonical_folder(o.data_dir) + "/n" + std::to_string(i);
}

/// Whether some node_dir() is there.
bool has_nodes(const std::string& data_dir) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir, ignored)) {
    const auto name = entry.path().filename().string();
    if (name.size() > 1 && name[0] == 'n' && name.find_first_not_of("0123456789", 1) == name.npos)
      return true;
  }
  return false;
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

/// Where a local node listens, kept in its folder so that it is found there when it starts again.
struct kept_addresses {
  std::string http, kafka, peers;
};
std::optional<kept_addresses> read_addresses(const std::string& dir) {
  std::ifstream in(dir + "/addresses");
  kept_addresses a;
  if (!(in >> a.http >> a.kafka >> a.peers)) return std::nullopt;
  return a;
}
status keep_addresses(const std::string& dir, const node_file& n) {
  auto files = make_posix_file_system();
  return atomic_write_file(*files, dir + "/addresses",
                           n.http + "\n" + n.kafka + "\n" + n.peers + "\n");
}

std::string process_file(const std::string& dir) {
  return dir + "/process";
}

struct starting_node {
  std::string dir;
  uint32_t number = 0;
  pid_t child = -1;
};

result<starting_node> start_node(const cluster_verb_options& o, uint32_t i,
                                 const std::vector<std::string>& join) {
  starting_node n{node_dir(o, i), i, -1};
  std::error_code e;
  std::filesystem::create_directories(n.dir, e);
  if (e) return error{errc::io, "cannot make " + n.dir + ": " + e.message()};
  const auto kept =
      read_addresses(n.dir).value_or(kept_addresses{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"});
  std::vector<std::string> arguments = {"weir",       "node",
                                        "--data-dir", n.dir,
                                        "--name",     "n" + std::to_string(i),
                                        "--http",     kept.http,
                                        "--kafka",    kept.kafka,
                                        "--peers",    kept.peers,
                                        "--memory",   std::to_string(o.memory_bytes)};
  for (const auto& j : join) arguments.insert(arguments.end(), {"--join", j});
  for (const auto& [name, value] : o.settings)
    arguments.insert(arguments.end(), {"--broker-config", name + "=" + value});
  remove_node_file(n.dir);
  n.child = spawn_node_process(n.dir, arguments);
  if (n.child < 0) return error{errc::io, "cannot start a process for " + n.dir};
  std::ofstream(process_file(n.dir)) << n.child << "\n";
  return n;
}

/// Of a node that was started and may not be ready, so that it has no file of its own yet.
std::optional<uint32_t> started_process(const std::string& dir) {
  std::ifstream in(process_file(dir));
  uint32_t pid = 0;
  if (!(in >> pid) || !is_running_node(pid, dir)) return std::nullopt;
  return pid;
}

/// What it has written last: why it has ended, or what it waits for.
std::string last_words(const starting_node& n) {
  std::ifstream in(n.dir + "/log");
  std::string line, last;
  while (std::getline(in, line))
    if (!line.empty()) last = line;
  return (last.empty() ? "" : ": " + last) + " (" + n.dir + "/log)";
}

result<node_file> wait_ready(const starting_node& n) {
  const auto name = "node n" + std::to_string(n.number);
  auto deadline = std::chrono::steady_clock::now() + ready_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (auto running = read_running_node(n.dir)) {
      WEIR_TRY(keep_addresses(n.dir, *running));
      return *running;
    }
    if (n.child >= 0 && ::waitpid(n.child, nullptr, WNOHANG) == n.child)
      return error{errc::io, name + " has ended" + last_words(n)};
    std::this_thread::sleep_for(poll_interval);
  }
  return error{errc::timeout, name + " is not ready" + last_words(n)};
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

/// Whether the cluster has as many votes as it is to have: with fewer, the loss of one node that
/// votes can stop it.
bool votes_are_spread(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::array nodes;
  auto parsed = parser.parse(json);
  if (parsed.error() || parsed["nodes"].get(nodes)) return false;
  unsigned alive = 0, votes = 0;
  for (auto n : nodes) {
    bool lives = false, is_voter = false, leaves = false;
    if (n["alive"].get(lives) || n["votes"].get(is_voter) || n["draining"].get(leaves))
      return false;
    if (!lives || leaves) continue;
    ++alive;
    votes += is_voter ? 1 : 0;
  }
  return votes >= meta::voters_wanted(alive, meta::watch_options().voters_max);
}

/// A cluster that has just begun bears the death of any node when this returns. False: it does not.
bool wait_votes(const node_file& any) {
  const auto deadline = std::chrono::steady_clock::now() + votes_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    auto r = http::http_call(any.http, "GET", "/cluster", "");
    if (r && r->status == 200 && votes_are_spread(r->body)) return true;
    std::this_thread::sleep_for(poll_interval);
  }
  return false;
}

void print_nodes(const std::vector<node_file>& nodes, const std::string& format) {
  if (format == "json") {
    std::string out = "{\"nodes\": [";
    for (const auto& n : nodes)
      out += (n.name == nodes.front().name ? "" : ", ") + std::string("{\"id\": ") +
             json_string(n.name) + ", \"pid\": " + std::to_string(n.pid) +
             ", \"kafka\": " + json_string(n.kafka) + ", \"http\": " + json_string(n.http) + "}";
    std::printf("%s]}\n", out.c_str());
    return;
  }
  text_table t({"id", "pid", "kafka", "http"});
  for (const auto& n : nodes) t.add({n.name, std::to_string(n.pid), n.kafka, n.http});
  t.print(format);
}

}  // namespace

int cluster_up(const cluster_verb_options& o) {
  // Those that were here before know each other: they start together, for none is ready alone. Of a
  // new cluster the first one begins, and the others join it.
  std::vector<std::string> known;
  for (uint32_t i = 1; i <= o.nodes; ++i)
    if (auto a = read_addresses(node_dir(o, i))) known.push_back(a->peers);
  std::vector<node_file> ready(o.nodes);
  std::vector<starting_node> starting;
  for (uint32_t i = 1; i <= o.nodes; ++i) {
    if (auto running = read_running_node(node_dir(o, i))) {
      ready[i - 1] = *running;
      continue;
    }
    auto join = known;
    if (auto own = read_addresses(node_dir(o, i))) std::erase(join, own->peers);
    auto started = start_node(o, i, join);
    if (!started) return fail(started.err().message);
    if (!known.empty()) {
      starting.push_back(*started);
      continue;
    }
    auto first = wait_ready(*started);
    if (!first) return fail(first.err().message);
    ready[i - 1] = *first;
    known.push_back(first->peers);
  }
  for (const auto& s : starting) {
    auto n = wait_ready(s);
    if (!n) return fail(n.err().message);
    ready[s.number - 1] = *n;
  }
  if (!wait_votes(ready.front()))
    std::fprintf(stderr,
                 "weir: the nodes are ready, but fewer of them vote than should: until they do, "
                 "the loss of one can stop the cluster; see weir cluster status\n");
  print_nodes(ready, o.output);
  return exit_ok;
}

int cluster_down(const cluster_verb_options& o) {
  std::vector<std::pair<std::string, uint32_t>> running;
  std::vector<std::string> answering;
  std::error_code ignored;
  if (!std::filesystem::is_directory(o.data_dir, ignored))
    return wrong_usage("--data-dir: there is no folder " + o.data_dir);
  if (!has_nodes(o.data_dir))
    return wrong_usage("--data-dir: " + o.data_dir +
                       " holds no nodes (n1, n2, ...) of weir cluster up");
  for (const auto& entry : std::filesystem::directory_iterator(o.data_dir, ignored)) {
    const auto dir = canonical_folder(entry.path().string());
    if (auto n = read_running_node(dir)) {
      running.emplace_back(dir, n->pid);
      answering.push_back(n->http);
    } else if (auto pid = started_process(dir)) {
      running.emplace_back(dir, *pid);
    }
  }
  // Jobs take their last snapshot while all tasks live. Where nobody answers they continue from the
  // one before.
  for (const auto& http : answering)
    if (auto r = http::http_call(http, "POST", "/cluster/quiesce", "", last_snapshot_limit);
        r && r->status == 200)
      break;
  // All at once: one after the other, each would be taken for lost by those that are left.
  std::sort(running.begin(), running.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [dir, pid] : running) ::kill(static_cast<pid_t>(pid), SIGTERM);
  for (const auto& [dir, pid] : running) {
    if (!wait_for_end(dir, pid, stop_limit)) {
      ::kill(static_cast<pid_t>(pid), SIGKILL);
      if (!wait_for_end(dir, pid, kill_limit))
        return fail("process " + std::to_string(pid) + " of " + dir + " does not end");
    }
    remove_node_file(dir);
    std::filesystem::remove(process_file(dir), ignored);
  }
  std::fprintf(stderr, "%zu nodes stopped\n", running.size());
  return exit_ok;
}

namespace {

/// What must not be overlooked, on stderr: the view of a node that hears no coordinator; nodes that
/// are gone and whose names others have.
void warn_of(const simdjson::dom::element& cluster) {
  bool majority = true;
  uint64_t age_ms = 0;
  simdjson::dom::array nodes;
  std::string voters;
  if (cluster["nodes"].get(nodes)) return;
  for (auto n : nodes) {
    if (text_of(n["votes"]) == "true") voters += (voters.empty() ? "" : ", ") + text_of(n["id"]);
    simdjson::dom::element heir;
    if (n["replaced_by"].get(heir) || heir.is_null()) continue;
    const auto name = text_of(n["id"]), number = text_of(n["node"]);
    std::fprintf(stderr,
                 "weir: node %s (%s) is gone, and node %s has its name: when its disk is lost for "
                 "good, weir cluster drain %s and weir cluster forget %s\n",
                 number.c_str(), name.c_str(), text_of(heir).c_str(), number.c_str(),
                 number.c_str());
  }
  if (cluster["majority"].get(majority) || cluster["view_age_ms"].get(age_ms) || majority) return;
  std::fprintf(stderr,
               "weir: nobody coordinates: the node that was asked hears no majority of those that "
               "vote (%s). All below is as of %" PRIu64 ".%" PRIu64
               " s ago, also who is alive. Nothing can be made or moved until more of them "
               "run: start them\n",
               voters.c_str(), age_ms / 1'000, age_ms % 1'000 / 100);
}

}  // namespace

int cluster_status(const cluster_verb_options& o) {
  std::string answer;
  // As JSON it says so itself: `majority`, `view_age_ms`.
  if (int code = call(o, "GET", "/cluster", "", answer, true)) return code;
  if (o.output == "json") {
    std::fputs(answer.c_str(), stdout);
    return exit_ok;
  }
  simdjson::dom::parser parser;
  simdjson::dom::array nodes;
  text_table t({"id", "node", "rack", "http", "kafka", "alive", "votes", "coordinates", "replicas",
                "leaders", "masters"});
  auto parsed = parser.parse(answer);
  if (!parsed.error()) warn_of(parsed.value_unsafe());
  auto shown = [](simdjson::dom::element e) { return e.is_null() ? std::string() : text_of(e); };
  auto alive = [](simdjson::dom::element n) {
    const bool drains = text_of(n["draining"]) == "true", lives = text_of(n["alive"]) == "true";
    return std::string(lives ? drains ? "draining" : "true" : drains ? "false, draining" : "false");
  };
  if (!parsed.error() && !parsed["nodes"].get(nodes))
    for (auto n : nodes)
      t.add({text_of(n["id"]), text_of(n["node"]), shown(n["rack"]), shown(n["http"]),
             shown(n["kafka"]), alive(n), text_of(n["votes"]), text_of(n["coordinates"]),
             text_of(n["replicas"]), text_of(n["leaders"]), text_of(n["masters"])});
  t.print(o.output);
  if (o.output.empty() || o.output == "table") {
    auto p = parsed["partitions"];
    std::printf("\npartitions: %s, without leader %s, under-replicated %s, moving %s\n\n",
                text_of(p["count"]).c_str(), text_of(p["leaderless"]).c_str(),
                text_of(p["under_replicated"]).c_str(), text_of(p["moving"]).c_str());
  } else {
    std::printf("\n");
  }
  print_jobs(answer, o.output);
  return exit_ok;
}

namespace {

/// Whether a node could take over what one has that drains.
bool others_stay(const simdjson::dom::array& nodes) {
  for (auto n : nodes)
    if (text_of(n["alive"]) == "true" && text_of(n["draining"]) == "false") return true;
  return false;
}

/// Tasks of jobs that run on a node which drains, or may: masters tell where tasks are when they
/// have been asked once.
uint64_t tasks_left(const simdjson::dom::element& cluster, const std::string& name) {
  simdjson::dom::array jobs, tasks;
  if (cluster["jobs"].get(jobs)) return 0;
  uint64_t left = 0;
  for (auto j : jobs) {
    const auto state = text_of(j["state"]);
    if ((state != "running" && state != "restarting") || j["tasks"].get(tasks)) continue;
    for (auto t : tasks) {
      const auto node = text_of(t["node"]);
      left += node.empty() || node == name ? 1 : 0;
    }
  }
  return left;
}

/// What may keep a node from getting empty, where nothing has moved for a while.
std::string hindrances(const simdjson::dom::element& cluster) {
  simdjson::dom::array nodes;
  std::string gone;
  if (cluster["nodes"].get(nodes)) return {};
  for (auto n : nodes)
    if (text_of(n["alive"]) != "true") gone += (gone.empty() ? "" : ", ") + text_of(n["id"]);
  std::string out = text_of(cluster["partitions"]["moving"]) + " partitions are moving";
  if (gone.empty()) return out + " (their new copies have to be in sync first)";
  return out + "; not alive: " + gone +
         " (a new copy there, and a vote that is needed while theirs is missing, wait for them: "
         "start them, or drain them, too, when they are lost for good)";
}

}  // namespace

int cluster_drain(const cluster_verb_options& o) {
  std::string answer;
  const auto target = "/cluster/nodes/" + http::escape(o.id) + "/drain";
  if (o.undo) return call(o, "POST", target + "?undo=true", "", answer);
  // Until nothing is left on it but copies that no other node can take: then it can be stopped.
  simdjson::dom::parser parser;
  std::string shown;
  std::chrono::steady_clock::time_point tell_at;
  for (;;) {
    if (int code = call(o, "POST", target, "", answer)) return code;
    uint64_t stuck = 0, number = 0;
    auto accepted = parser.parse(answer);
    if (accepted["stuck"].get(stuck) || accepted["node"].get(number))
      return fail("not an answer: " + answer);
    if (int code = call(o, "GET", "/cluster", "", answer)) return code;
    simdjson::dom::array nodes;
    simdjson::dom::element parsed;
    if (parser.parse(answer).get(parsed)) return fail("not an answer: " + answer);
    uint64_t replicas = 0, leaders = 0, masters = 0, tasks = 0;
    bool votes = false;
    if (parsed["nodes"].get(nodes)) return fail("not an answer: " + answer);
    for (auto n : nodes) {
      if (text_of(n["node"]) != std::to_string(number)) continue;
      if (n["replicas"].get(replicas) || n["leaders"].get(leaders) || n["masters"].get(masters))
        return fail("not an answer: " + answer);
      if (!others_stay(nodes)) continue;
      tasks = tasks_left(parsed, text_of(n["id"]));
      votes = text_of(n["votes"]) == "true" || text_of(n["coordinates"]) == "true";
    }
    if (replicas <= stuck && leaders == 0 && masters == 0 && tasks == 0 && !votes) {
      if (stuck)
        std::fprintf(stderr,
                     "%" PRIu64
                     " copies stay on it, since no other node can take them: they are behind while "
                     "it is stopped\n",
                     stuck);
      break;
    }
    const auto left = std::to_string(replicas) + " replicas, " + std::to_string(leaders) +
                      " leaders, " + std::to_string(masters) + " job masters, " +
                      std::to_string(tasks) + " tasks" + (votes ? ", its vote" : "");
    if (!o.wait) {
      std::fprintf(stderr, "moving: %s left\n", left.c_str());
      return exit_ok;
    }
    const auto now = std::chrono::steady_clock::now();
    if (left != shown) {
      std::fprintf(stderr, "%s left\n", left.c_str());
      shown = left;
      tell_at = now + drain_patience;
    } else if (now >= tell_at) {
      std::fprintf(stderr, "as much is left as %lld s ago: %s\n",
                   static_cast<long long>(drain_patience / 1s), hindrances(parsed).c_str());
      tell_at = now + 6 * drain_patience;
    }
    std::this_thread::sleep_for(drain_interval);
  }
  std::fprintf(stderr, "%s is drained: it can be stopped\n", o.id.c_str());
  return exit_ok;
}

int cluster_forget(const cluster_verb_options& o) {
  std::string answer;
  return call(o, "DELETE", "/cluster/nodes/" + http::escape(o.id), "", answer);
}

}  // namespace weir::cli
