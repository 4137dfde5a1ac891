#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "actors/cluster.hpp"
#include "actors/gateway/endpoint.hpp"
#include "cluster/cli/cluster.hpp"
#include "cluster/cli/http.hpp"
#include "cluster/cli/node_file.hpp"
#include "cluster/cli/report_json.hpp"
#include "cluster/cli/signals.hpp"
#include "cluster/cli/topic_cluster.hpp"
#include "runtime/connectors/json_text.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {
namespace {

constexpr auto request_timeout = std::chrono::seconds(10);
constexpr int64_t watch_interval_ms = 500;

http_response problem(int status, const std::string& text) {
  return {status, "{\"error\": " + json_string(text) + "}\n", "application/json"};
}

/// Answers for the cluster: every node forwards to the coordinator.
class api {
 public:
  explicit api(cluster_node& node) : node_(node) {}

  http_response operator()(const http_request& r) {
    caf::scoped_actor self(node_.system());
    auto path = r.target.substr(0, r.target.find('?'));
    if (path == "/healthz") return {200, "ok\n", "text/plain"};
    if (path == "/cluster" && r.method == "GET") return list(self);
    if (path == "/jobs" && r.method == "POST") return submit(self, r);
    if (!path.starts_with("/jobs/")) return problem(404, "there is no " + path);
    auto id = path.substr(6);
    bool stop = id.ends_with("/stop");
    if (stop) id.resize(id.size() - 5);
    if (stop && r.method == "POST") return stop_job(self, id);
    if (r.method == "GET") return describe(self, id);
    return problem(405, r.method + " is not for " + path);
  }

 private:
  http_response list(caf::scoped_actor& self) {
    http_response out;
    self->request(node_.coordinator(), request_timeout, list_atom::value)
        .receive([&](const cluster_report& c) { out.body = to_json(c) + "\n"; },
                 [&](const caf::error& e) { out = problem(503, unreachable(e)); });
    return out;
  }
  http_response submit(caf::scoped_actor& self, const http_request& r) {
    submit_message m;
    m.plan.assign(r.body.begin(), r.body.end());
    if (auto at = r.target.find("interval_us="); at != std::string::npos)
      m.snapshot_interval_us = std::strtoll(r.target.c_str() + at + 12, nullptr, 10);
    if (m.snapshot_interval_us < 100'000)
      return problem(400, "a snapshot interval is at least 100 ms");
    http_response out;
    self->request(node_.coordinator(), request_timeout, m)
        .receive(
            [&](const submit_reply& reply) {
              if (reply.error.empty())
                out.body = "{\"id\": " + json_string(reply.id) + "}\n";
              else
                out = problem(400, reply.error);
            },
            [&](const caf::error& e) { out = problem(503, unreachable(e)); });
    return out;
  }
  http_response describe(caf::scoped_actor& self, const std::string& id) {
    http_response out;
    self->request(node_.coordinator(), request_timeout, describe_atom::value, id)
        .receive([&](const job_report& j) { out.body = to_json(j) + "\n"; },
                 [&](const caf::error& e) {
                   out = e == caf::sec::invalid_argument ? problem(404, "there is no job " + id)
                                                         : problem(503, unreachable(e));
                 });
    return out;
  }
  http_response stop_job(caf::scoped_actor& self, const std::string& id) {
    http_response out;
    self->request(node_.coordinator(), request_timeout, stop_atom::value, id)
        .receive(
            [&](const operation_reply& reply) {
              out = reply.error.empty() ? http_response{200, "{}\n", "application/json"}
                                        : problem(404, reply.error);
            },
            [&](const caf::error& e) { out = problem(503, unreachable(e)); });
    return out;
  }
  static std::string unreachable(const caf::error& e) {
    return "the coordinator does not answer: " + caf::to_string(e);
  }
  cluster_node& node_;
};

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
  api answers(**node);
  auto http = http_server::start(o.http, [&answers](const http_request& r) { return answers(r); });
  if (!http) return fail(http.err());
  if (auto s = (*node)->join((*http)->address()); !s) return fail(s.err());
  node_file about{o.name, static_cast<uint32_t>(::getpid()), (*http)->address(), (*node)->port()};
  if (auto s = write_node_file(o.data_dir, about); !s) return fail(s.err());
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
  http->reset();
  if (kafka)
    if (auto s = kafka->close(); !s) std::fprintf(stderr, "weir: %s\n", s.err().message.c_str());
  if (code != exit_failed) (*node)->close();  // without its coordinator a node has nothing to save
  remove_node_file(o.data_dir);
  std::fflush(nullptr);
  ::_exit(code);  // see cluster_node::close()
}

}  // namespace weir::cli
