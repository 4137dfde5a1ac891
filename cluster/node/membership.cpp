#include "cluster/node/membership.hpp"

#include <future>

#include "runtime/io/address.hpp"

namespace weir {

result<std::unique_ptr<membership>> membership::bind(membership_options o) {
  std::unique_ptr<membership> m(new membership(std::move(o)));
  WEIR_ASSIGN(m->endpoint_,
              peers_endpoint::bind(m->options_.listen, m->options_.advertised, m->options_.tls));
  kafka::peer_client_options peers;
  peers.tls = m->options_.tls;
  m->peers_ = std::make_unique<kafka::peer_client>(std::move(peers));
  return m;
}

membership::~membership() {
  stop();
}

status membership::join(file_system& files, io_executor& io,
                        std::vector<meta::endpoint> listeners) {
  files_ = std::make_unique<file_store>(files, io, *peers_, options_.data_dir + "/files");
  meta::service_options s;
  s.data_dir = options_.data_dir;
  s.name = options_.name;
  s.rack = options_.rack;
  s.address = address();
  s.endpoints = std::move(listeners);
  WEIR_ASSIGN(auto told, split_address(address()));
  s.endpoints.push_back({"peers", std::move(told.host), told.port});
  s.seeds = options_.seeds;
  s.wire = options_.wire;
  s.watch = options_.watch;
  s.log = options_.log;
  WEIR_ASSIGN(service_,
              meta::metadata_service::open(std::move(s), files, *peers_,
                                           [this](const meta::cluster_state& state,
                                                  const meta::change_set& c, bool everything) {
                                             bridge_.observe(state, c, everything);
                                             ledger_.observe(state, c, everything);
                                           }));
  bridge_.use(service_.get());
  ledger_.use(service_.get(), files_.get());
  service_->start();
  endpoint_->start(*service_, *files_);
  return {};
}

bool membership::attach(stream_storage& storage, broker& b, std::chrono::milliseconds limit) {
  files_->set_cluster(service_->stand().cluster);
  if (!bridge_.attach(storage.topics(), limit)) return false;
  endpoint_->serve(&b);
  return true;
}

void membership::leave(std::chrono::milliseconds limit) {
  const auto here = stand();
  if (!here.registered || here.members.size() < 2) return;
  auto done = std::make_shared<std::promise<void>>();
  auto over = done->get_future();
  service_->leave(limit, [done] { done->set_value(); });
  over.wait_for(limit);
}

void membership::detach() {
  if (!service_) return;
  endpoint_->serve(nullptr);
  bridge_.detach();
}

void membership::stop() {
  if (service_) service_->stop();
  if (endpoint_) endpoint_->stop();
  peers_.reset();
}

}  // namespace weir
