#include "actors/cluster.hpp"

#include "actors/reach.hpp"

#include <unistd.h>
#include <caf/io/all.hpp>

namespace weir {
namespace {

constexpr auto join_timeout = std::chrono::seconds(10);
// The last snapshots of all jobs; what takes longer is cut off, which costs no more than a crash.
constexpr auto close_timeout = std::chrono::seconds(6);

}  // namespace

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
    auto environment = node_->environment();
    coordinator_seed seed{registry_,
                          environment,
                          options_.node.memory_bytes,
                          node_->self().store,
                          job_catalog(*environment.files, options_.node.data_dir + "/jobs"),
                          {}};
    WEIR_ASSIGN(seed.jobs, seed.catalog.load());
    coordinator_ = spawn_coordinator(node_->system(), std::move(seed));
    auto port = network.publish(coordinator_, options_.port, options_.host.c_str(), true);
    if (!port) return failed(port.error(), "cannot publish on " + options_.host);
    port_ = *port;
    return {};
  }
  WEIR_ASSIGN(auto address, split_address(options_.join));
  auto coordinator = network.remote_actor<coordinator_actor>(address.host, address.port);
  if (!coordinator) return failed(coordinator.error(), "cannot join " + options_.join);
  coordinator_ = *coordinator;
  auto port = network.publish(node_->self().node, options_.port, options_.host.c_str(), true);
  if (!port) return failed(port.error(), "cannot publish on " + options_.host);
  port_ = *port;
  return {};
}

status cluster_node::join(const std::string& http, const std::string& kafka) {
  join_message m;
  m.name = options_.node.name;
  m.pid = static_cast<uint32_t>(::getpid());
  m.http = http;
  m.kafka = kafka;
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

void cluster_node::close() {
  if (!node_) return;
  if (registry_) {
    caf::scoped_actor self(node_->system());
    self->request(coordinator_, close_timeout, close_atom::value)
        .receive([](const operation_reply&) {},
                 [](const caf::error&) { /* too slow: as after a crash */ });
    caf::anon_send_exit(coordinator_, caf::exit_reason::kill);
    registry_.reset();
  }
  coordinator_ = coordinator_actor();
  peers_.clear();
  node_->close();
}

cluster_node::~cluster_node() {
  close();
}

}  // namespace weir
