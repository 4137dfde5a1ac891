#include "actors/gateway/endpoint.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "runtime/io/address.hpp"

namespace weir {
namespace {

/// As many as there are descriptors for, beside those of files; raises the soft limit, which is
/// often 1,024, to the hard one.
size_t connections_possible() {
  // Segments in the cache, the transfers under way, everything else of the process.
  constexpr size_t kept_for_files = file_cache::open_max_default + 500;
  constexpr size_t at_least = 100;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return at_least;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return std::max(at_least, static_cast<size_t>(limit.rlim_cur) -
                                std::min(kept_for_files, static_cast<size_t>(limit.rlim_cur)));
}

/// Ids of producers are given by the cluster's metadata.
class cluster_producer_ids final : public producer_id_source {
 public:
  explicit cluster_producer_ids(metadata_port& m) : metadata_(m) {}
  void allocate(int64_t count, std::function<void(kafka::error_code, int64_t)> done) override {
    metadata_.allocate_producer_ids(
        static_cast<uint32_t>(count), [done = std::move(done)](result<int64_t> first) {
          if (!first) return done(kafka::error_code::coordinator_load_in_progress, -1);
          done(kafka::error_code::none, *first);
        });
  }
  /// The metadata know all that was ever given.
  void taken_below(int64_t) override {}

 private:
  metadata_port& metadata_;
};

}  // namespace

result<std::unique_ptr<kafka_endpoint>> kafka_endpoint::bind(const task_environment& e,
                                                             endpoint_options o) {
  std::unique_ptr<kafka_endpoint> k(new kafka_endpoint(std::move(o)));
  WEIR_TRY(k->listen(e));
  return k;
}

status kafka_endpoint::listen(const task_environment& e) {
  auto& o = options_;
  WEIR_TRY(e.files->create_directories(o.folder));
  WEIR_ASSIGN(facts_.config, kafka::broker_config::make(o.config));
  listener_options l;
  l.address = o.address;
  l.limits.request_bytes_max =
      static_cast<size_t>(facts_.config.number("socket.request.max.bytes"));
  l.limits.idle_max = std::chrono::seconds(facts_.config.number("connections.max.idle.ms") / 1000);
  l.connections_max = std::min(static_cast<size_t>(facts_.config.number("max.connections")),
                               connections_possible());
  l.connections_per_host_max = static_cast<size_t>(facts_.config.number("max.connections.per.ip"));
  WEIR_ASSIGN(listener_, listener::open(std::move(l)));
  facts_.host = listener_->reachable_host();
  facts_.port = listener_->port();
  if (!o.advertised.empty()) {
    WEIR_ASSIGN(const auto told, split_address(o.advertised));
    facts_.host = told.host;
    facts_.port = told.port;
  }
  if (!o.rack.empty()) facts_.rack = o.rack;
  address_ = join_address(facts_.host, static_cast<uint16_t>(facts_.port));
  return {};
}

status kafka_endpoint::open(caf::actor_system& system, const task_environment& e,
                            metadata_port& metadata, const std::string& cluster_id,
                            int32_t node_id) {
  auto& o = options_;
  facts_.cluster_id = cluster_id;
  facts_.node_id = node_id;
  // What the node really does is what DescribeConfigs says of it.
  o.config["node.id"] = o.config["broker.id"] = std::to_string(node_id);
  o.config["listeners"] = "PLAINTEXT://" + join_address(listener_->host(), listener_->port());
  o.config["advertised.listeners"] = "PLAINTEXT://" + address_;
  o.config["log.dir"] = o.config["log.dirs"] = o.folder;
  if (!o.rack.empty()) o.config["broker.rack"] = o.rack;
  WEIR_ASSIGN(facts_.config, kafka::broker_config::make(o.config));
  storage_options s{o.folder, std::make_shared<const kafka::broker_config>(facts_.config),
                    &metadata, o.peers_tls, o.log};
  WEIR_ASSIGN(storage_, stream_storage::start(system, *e.files, *e.io, *e.time, std::move(s)));
  coordinators_ = std::make_unique<coordinators>(system, *storage_, facts_, *e.time, o.log,
                                                 std::make_shared<cluster_producer_ids>(metadata));
  WEIR_ASSIGN(quotas_, quota_desk::open(*e.files, metadata, o.folder, facts_.config, o.log));
  broker_ = std::make_unique<broker>(*storage_, *coordinators_, *quotas_, facts_, *e.time);
  return {};
}

void kafka_endpoint::serve() {
  coordinators_->start();
  listener_->start(*broker_);
}

std::string kafka_endpoint::listening() const {
  auto host = listener_->host();
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  return join_address(host, listener_->port());
}

status kafka_endpoint::close() {
  if (!storage_) return {};
  listener_->stop();
  coordinators_.reset();
  auto closed = storage_->close();
  broker_.reset();
  quotas_.reset();
  storage_.reset();
  return closed;
}

kafka_endpoint::~kafka_endpoint() {
  if (listener_) listener_->stop();
}

}  // namespace weir
