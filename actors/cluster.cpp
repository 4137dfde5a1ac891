#include "actors/cluster.hpp"

#include <unistd.h>
#include <caf/io/all.hpp>

#include <algorithm>
#include <map>

namespace weir {
namespace {

constexpr auto join_timeout = std::chrono::seconds(10);
constexpr auto describe_timeout = std::chrono::seconds(5);

result<std::pair<std::string, uint16_t>> split_address(const std::string& text) {
  auto at = text.rfind(':');
  unsigned long port =
      at == std::string::npos ? 0 : std::strtoul(text.c_str() + at + 1, nullptr, 10);
  if (port == 0 || port > 65535)
    return error{errc::invalid_argument, "'" + text + "' is not HOST:PORT"};
  return std::pair(text.substr(0, at), static_cast<uint16_t>(port));
}

struct coordinator_state {
  static inline const char* name = "weir.coordinator";
  struct job {
    job_actor handle;
    std::string name;
  };
  std::shared_ptr<node_registry> registry;
  std::vector<peer_address> addresses;
  task_environment environment;
  size_t memory_bytes = 0;
  store_actor home;
  std::map<std::string, job> jobs;
  uint64_t next_id = 1;
};

submit_reply submit(coordinator_actor::stateful_pointer<coordinator_state> self,
                    const submit_message& m) {
  submit_reply reply;
  auto refuse = [&reply](const error& e) {
    reply.error = e.message;
    reply.code = static_cast<uint8_t>(e.code);
    return reply;
  };
  auto& state = self->state;
  auto plan = decode_plan(std::as_bytes(std::span(m.plan)));
  if (!plan) return refuse(plan.err());
  job_seed seed;
  auto graph = build_task_graph(*plan);
  if (!graph) return refuse(graph.err());
  seed.window = window_for(state.memory_bytes, graph->channels.size());
  seed.id = plan->name + "-" + std::to_string(state.next_id++);
  std::string name = plan->name;
  seed.plan = std::make_shared<const physical_plan>(std::move(*plan));
  seed.graph = std::make_shared<const task_graph>(std::move(*graph));
  seed.options.interval_us = m.snapshot_interval_us;
  seed.nodes = [registry = state.registry] { return registry->alive(); };
  seed.home = state.home;
  seed.parts = true;
  seed.environment = state.environment;
  reply.id = seed.id;
  auto handle = spawn_job(self->system(), std::move(seed));
  state.jobs.emplace(reply.id, coordinator_state::job{handle, name});
  return reply;
}

coordinator_actor::behavior_type coordinate(
    coordinator_actor::stateful_pointer<coordinator_state> self,
    std::shared_ptr<node_registry> registry, task_environment environment, size_t memory_bytes,
    store_actor home) {
  auto* state = &self->state;
  state->registry = std::move(registry);
  state->environment = environment;
  state->memory_bytes = memory_bytes;
  state->home = std::move(home);
  self->set_down_handler([state](const caf::down_msg& m) { state->registry->remove(m.source); });
  return {
      [self, state](const join_message& m) {
        join_reply reply;
        reply.peers = state->addresses;
        std::erase_if(state->addresses, [&m](const peer_address& p) { return p.name == m.name; });
        state->addresses.push_back({m.name, m.host, m.port});
        bool first = state->registry->all().empty();
        self->monitor(m.node);
        state->registry->add({m.name, m.node, m.store}, {m.name, m.http, m.pid, true, first});
        return reply;
      },
      [self](const submit_message& m) { return submit(self, m); },
      [self, state](describe_atom a, const std::string& id) -> caf::result<job_report> {
        auto it = state->jobs.find(id);
        if (it == state->jobs.end()) return caf::sec::invalid_argument;
        auto promise = self->make_response_promise<job_report>();
        self->request(it->second.handle, describe_timeout, a)
            .then([promise](job_report& r) mutable { promise.deliver(std::move(r)); },
                  [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
        return promise;
      },
      [self, state](stop_atom a, const std::string& id) {
        auto it = state->jobs.find(id);
        if (it == state->jobs.end())
          return operation_reply{"there is no job '" + id + "'",
                                 static_cast<uint8_t>(errc::not_found)};
        self->send(it->second.handle, a);
        return operation_reply{};
      },
      [self, state](list_atom) -> caf::result<cluster_report> {
        auto report = std::make_shared<cluster_report>();
        report->nodes = state->registry->all();
        if (state->jobs.empty()) return *report;
        auto promise = self->make_response_promise<cluster_report>();
        auto left = std::make_shared<size_t>(state->jobs.size());
        for (const auto& [id, job] : state->jobs)
          self->request(job.handle, describe_timeout, describe_atom::value)
              .then(
                  [promise, report, left](job_report& r) mutable {
                    report->jobs.push_back(std::move(r));
                    if (--*left == 0) promise.deliver(std::move(*report));
                  },
                  [promise, report, left](const caf::error&) mutable {
                    if (--*left == 0) promise.deliver(std::move(*report));
                  });
        return promise;
      },
  };
}

}  // namespace

void node_registry::add(placement where, node_report about) {
  std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const member& m) { return m.about.name == about.name; });
  members_.push_back({std::move(where), std::move(about)});
}

bool node_registry::remove(const caf::actor_addr& address) {
  std::lock_guard lock(mutex_);
  for (auto& m : members_)
    if (m.where.node.address() == address) {
      m.about.alive = false;
      return true;
    }
  return false;
}

std::vector<placement> node_registry::alive() const {
  std::lock_guard lock(mutex_);
  std::vector<placement> list;
  for (const auto& m : members_)
    if (m.about.alive) list.push_back(m.where);
  return list;
}

std::vector<node_report> node_registry::all() const {
  std::lock_guard lock(mutex_);
  std::vector<node_report> list;
  for (const auto& m : members_) list.push_back(m.about);
  return list;
}

result<std::unique_ptr<cluster_node>> cluster_node::start(cluster_options o) {
  std::unique_ptr<cluster_node> n(new cluster_node(std::move(o)));
  WEIR_TRY(n->open());
  return n;
}

status cluster_node::open() {
  options_.node.network = true;
  WEIR_ASSIGN(node_, node_process::start(options_.node));
  auto& network = node_->system().middleman();
  auto failed = [](const caf::error& e, const std::string& what) {
    return error{errc::io, what + ": " + caf::to_string(e)};
  };
  if (options_.join.empty()) {
    registry_ = std::make_shared<node_registry>();
    coordinator_ = node_->system().spawn(coordinate, registry_, node_->environment(),
                                         options_.node.memory_bytes, node_->self().store);
    auto port = network.publish(coordinator_, options_.port, options_.host.c_str(), true);
    if (!port) return failed(port.error(), "cannot publish on " + options_.host);
    port_ = *port;
    return {};
  }
  WEIR_ASSIGN(auto address, split_address(options_.join));
  auto coordinator = network.remote_actor<coordinator_actor>(address.first, address.second);
  if (!coordinator) return failed(coordinator.error(), "cannot join " + options_.join);
  coordinator_ = *coordinator;
  auto port = network.publish(node_->self().node, options_.port, options_.host.c_str(), true);
  if (!port) return failed(port.error(), "cannot publish on " + options_.host);
  port_ = *port;
  return {};
}

status cluster_node::join(const std::string& http) {
  join_message m;
  m.name = options_.node.name;
  m.pid = static_cast<uint32_t>(::getpid());
  m.http = http;
  m.host = options_.host;
  m.port = port_;
  m.node = node_->self().node;
  m.store = node_->self().store;
  caf::scoped_actor self(node_->system());
  status outcome;
  std::vector<peer_address> peers;
  self->request(coordinator_, join_timeout, m)
      .receive(
          [&](join_reply& r) {
            if (!r.error.empty()) outcome = error{errc::io, r.error};
            peers = std::move(r.peers);
          },
          [&](const caf::error& e) {
            outcome = error{errc::io, "the coordinator does not answer: " + caf::to_string(e)};
          });
  WEIR_TRY(outcome);
  if (options_.join.empty()) return {};
  // A direct connection to every node that is there; later ones connect to this one.
  auto& network = node_->system().middleman();
  for (const auto& p : peers) {
    if (p.name == m.name || p.name == peers.front().name) continue;  // the coordinator's is open
    auto peer = network.remote_actor<node_actor>(p.host, p.port);
    if (peer) peers_.push_back(*peer);
  }
  return {};
}

cluster_node::~cluster_node() {
  peers_.clear();
  if (registry_ && coordinator_) caf::anon_send_exit(coordinator_, caf::exit_reason::kill);
  coordinator_ = coordinator_actor();
}

}  // namespace weir
