#include "actors/cluster.hpp"

#include <caf/openssl/all.hpp>

namespace weir {

result<std::unique_ptr<cluster_node>> cluster_node::start(cluster_options o) {
  std::unique_ptr<cluster_node> n(new cluster_node(std::move(o)));
  WEIR_TRY(n->open());
  return n;
}

status cluster_node::open() {
  options_.node.network = true;
  if (options_.listen_host.empty()) options_.listen_host = options_.host;
  options_.node.rows_host = options_.host;
  options_.node.rows_listen_host = options_.listen_host;
  options_.node.log = options_.log;
  options_.node.libraries = [ledger = options_.ledger](const std::string& content, auto done) {
    ledger->local_file(content, std::move(done));
  };
  WEIR_ASSIGN(node_, node_process::start(options_.node));
  keeper_seed seed;
  seed.ledger = options_.ledger;
  seed.here = node_->self();
  seed.environment = node_->environment();
  seed.memory_bytes = options_.node.memory_bytes;
  auto& system = node_->system();
  seed.connector = system.has_openssl_manager() ? system.openssl_manager().actor_handle()
                                                : system.middleman().actor_handle();
  seed.log = options_.log;
  keeper_ = spawn_job_keeper(node_->system(), std::move(seed));
  WEIR_ASSIGN(port_,
              publish_job_keeper(node_->system(), keeper_, options_.listen_host, options_.port));
  return {};
}

void cluster_node::hand_off() {
  if (node_) close_job_keeper(node_->system(), keeper_);
}

void cluster_node::close() {
  if (!node_) return;
  if (keeper_) caf::anon_send_exit(keeper_, caf::exit_reason::kill);
  keeper_ = job_keeper_actor();
  node_->close();
}

cluster_node::~cluster_node() {
  close();
}

}  // namespace weir
