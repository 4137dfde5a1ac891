#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "actors/cluster.hpp"
#include "actors/gateway/endpoint.hpp"
#include "cluster/cli/cluster.hpp"
#include "cluster/cli/node_file.hpp"
#include "cluster/cli/signals.hpp"
#include "cluster/cli/topic_cluster.hpp"
#include "cluster/http/api.hpp"

namespace weir::cli {
namespace {

constexpr int64_t watch_interval_ms = 500;

}  // namespace

int run_node(const cluster_verb_options& o) {
  signal_waiter signals;
  cluster_options c;
  c.node.name = o.name;
  c.node.data_dir = o.data_dir;
  c.node.memory_bytes = o.memory_bytes;
  c.port = o.port;
  c.join = o.join;
  auto fail = [](const error& e) {
    std::fprintf(stderr, "weir node: %s\n", e.message.c_str());
    return exit_failed;
  };
  std::error_code made;
  std::filesystem::create_directories(o.data_dir, made);
  if (made) return fail({errc::io, "cannot make " + o.data_dir + ": " + made.message()});
  auto node = cluster_node::start(c);
  if (!node) return fail(node.err());
  std::unique_ptr<kafka_endpoint> kafka;
  if (!o.kafka.empty()) {
    endpoint_options e;
    e.folder = o.data_dir + "/streams";
    e.address = o.kafka;
    e.advertised = o.advertised;
    e.config.insert(o.settings.begin(), o.settings.end());
    e.log = [](const std::string& text) { std::fprintf(stderr, "weir: %s\n", text.c_str()); };
    auto started = kafka_endpoint::start((*node)->system(), (*node)->environment(), std::move(e));
    if (!started) return fail(started.err());
    kafka = std::move(*started);
    use_topic_cluster(kafka->address());
    std::fprintf(stderr,
                 "weir: data in %s; records are acknowledged when they are on disk (fsync), "
                 "topics with durability=os when the system has them\n",
                 o.data_dir.c_str());
  }
  http::api answers(**node, kafka.get(), {o.metrics_partitions, o.metrics_groups});
  auto listener = http::http_server::start(
      o.http, [&answers](const auto& r) { return answers.answer(r); },
      [&answers](const auto& r) { return answers.at_once(r); });
  if (!listener) return fail(listener.err());
  if (auto s = (*node)->join((*listener)->address(), kafka ? kafka->address() : ""); !s)
    return fail(s.err());
  answers.set_ready();
  node_file about{o.name, static_cast<uint32_t>(::getpid()), (*listener)->address(),
                  (*node)->port()};
  // On a full disk records can still be read: that is no reason not to start.
  if (auto s = write_node_file(o.data_dir, about); !s)
    std::fprintf(stderr, "weir: %s; commands that are given this folder do not find the node\n",
                 s.err().message.c_str());
  if (kafka)
    std::printf("ready kafka=%s http=%s\n", kafka->address().c_str(), about.http.c_str());
  else
    std::printf("ready http=%s\n", about.http.c_str());
  std::fflush(stdout);

  // A node without its coordinator can do nothing: its tasks are the coordinator's to place.
  std::atomic<bool> orphaned{false};
  caf::scoped_actor watcher((*node)->system());
  if (!o.join.empty()) watcher->monitor((*node)->coordinator());
  int code = exit_ok;
  for (;;) {
    int s = signals.wait(watch_interval_ms);
    if (s == SIGINT) code = exit_interrupted;
    if (s > 0) break;
    if (!o.join.empty() && watcher->has_next_message()) {
      std::fprintf(stderr, "weir node: the coordinator is gone\n");
      code = exit_failed;
      break;
    }
  }
  listener->reset();
  if (kafka)
    if (auto s = kafka->close(); !s) std::fprintf(stderr, "weir: %s\n", s.err().message.c_str());
  if (code != exit_failed) (*node)->close();  // without its coordinator a node has nothing to save
  remove_node_file(o.data_dir);
  std::fflush(nullptr);
  ::_exit(code);  // see cluster_node::close()
}

}  // namespace weir::cli
