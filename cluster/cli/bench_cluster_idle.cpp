// What a cluster costs that has nothing to do: `weir cluster up` until its nodes are ready, then
// what each of them holds and uses.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_broker.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "cluster/cli/node_file.hpp"

namespace weir::cli {
namespace {

constexpr int node_count = 3;
constexpr double ready_goal_ms = 2'000, resident_goal_mib = 64, cpu_goal_percent = 1;

/// This binary with other arguments; what it prints goes nowhere.
status run_weir(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "weir");
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int problem = ::posix_spawn(&pid, "/proc/self/exe", &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  int code = 0;
  if (problem != 0 || ::waitpid(pid, &code, 0) != pid || code != 0)
    return error{errc::io, "weir " + arguments[1] + " " + arguments[2] + " failed"};
  return {};
}

}  // namespace

result<std::vector<bench_line>> bench_cluster_idle(const bench_setup& s) {
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  const auto data = folder->path() + "/data";
  const double began = wall_seconds();
  WEIR_TRY(run_weir({"cluster", "up", "-n", std::to_string(node_count), "--data-dir", data}));
  const double ready_ms = (wall_seconds() - began) * 1e3;
  std::vector<bench_broker> nodes;
  for (int i = 1; i <= node_count; ++i)
    if (const auto n = read_running_node(data + "/n" + std::to_string(i))) {
      nodes.emplace_back();
      nodes.back().pid = static_cast<pid_t>(n->pid);
    }
  // What starting took is over by then.
  ::usleep(2'000'000);
  std::vector<double> before;
  for (const auto& n : nodes) before.push_back(n.cpu_seconds());
  const double from = wall_seconds();
  ::usleep(static_cast<useconds_t>(s.seconds * 1e6));
  const double seconds = wall_seconds() - from;
  double cpu = 0, resident = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    cpu = std::max(cpu, 100 * (nodes[i].cpu_seconds() - before[i]) / seconds);
    resident = std::max(resident, nodes[i].resident_mib());
  }
  WEIR_TRY(run_weir({"cluster", "down", "--data-dir", data}));
  if (nodes.size() != node_count)
    return error{errc::internal, "only " + std::to_string(nodes.size()) + " nodes run"};
  return std::vector<bench_line>{
      {"ready", ready_ms, "ms", "", 0, 0, ready_goal_ms, 0, ready_ms / 1e3},
      {"resident_of_the_largest_node", resident, "MiB", "", 0, 0, resident_goal_mib, 0, seconds},
      {"cpu_of_the_busiest_node", cpu, "%", "", 0, 0, cpu_goal_percent, 0, seconds}};
}

}  // namespace weir::cli
