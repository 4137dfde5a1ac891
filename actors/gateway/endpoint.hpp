// Stream storage of a node with its Kafka listener, put together and taken apart in order. Owned by
// the process's main thread.
#pragma once

#include <memory>
#include <string>

#include "actors/gateway/broker.hpp"
#include "runtime/flow/task_builder.hpp"

namespace weir {

struct endpoint_options {
  std::string folder;                      // of streams; made if absent
  std::string address = "127.0.0.1:9092";  // HOST:PORT to listen on; port 0: a free one
  std::string advertised;                  // HOST:PORT that clients are told; empty: as `address`
  std::string rack;
  tls_context_ptr peers_tls;             // to other nodes; null: in the clear
  kafka::config_map config;              // node settings by Kafka's broker names
  std::function<void(std::string)> log;  // any thread
};

class kafka_endpoint {
 public:
  /// Listens, and says where; clients have to wait.
  static result<std::unique_ptr<kafka_endpoint>> bind(const task_environment&, endpoint_options);
  ~kafka_endpoint();
  /// Opens the storage, which follows `metadata` from when it is attached to them, as this node of
  /// this cluster.
  status open(caf::actor_system&, const task_environment&, metadata_port& metadata,
              const std::string& cluster_id, int32_t node_id);
  /// The storage has the topics: coordinators read what they have to, clients are answered.
  void serve();
  /// Ends connections, then coordinators, then the storage, with the record of a clean stop.
  status close();

  /// HOST:PORT that clients use.
  const std::string& address() const noexcept { return address_; }
  /// HOST:PORT at which this machine reaches the listener.
  std::string listening() const;
  stream_storage& storage() noexcept { return *storage_; }
  broker& requests() noexcept { return *broker_; }
  coordinators& coordination() noexcept { return *coordinators_; }
  const kafka::node_facts& facts() const noexcept { return facts_; }
  size_t connections() const noexcept { return listener_->connections(); }

 private:
  explicit kafka_endpoint(endpoint_options o) : options_(std::move(o)) {}
  status listen(const task_environment&);

  endpoint_options options_;
  std::string address_;
  kafka::node_facts facts_;
  std::unique_ptr<listener> listener_;  // first, for what waits may still answer when others end
  std::unique_ptr<stream_storage> storage_;
  std::unique_ptr<coordinators> coordinators_;
  std::unique_ptr<quota_desk> quotas_;
  std::unique_ptr<broker> broker_;
};

}  // namespace weir
