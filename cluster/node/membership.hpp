// A node as a member of its cluster, put together: the listener for nodes, the client to others,
// the metadata, the files of jobs. Made, used and ended by the process's main thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/node/ledger.hpp"
#include "cluster/node/metadata_bridge.hpp"
#include "cluster/node/peers_endpoint.hpp"

namespace weir {

struct membership_options {
  std::string data_dir;
  std::string name, rack;
  std::string listen = "127.0.0.1:0";  // HOST:PORT of the listener for nodes
  std::string advertised;              // HOST:PORT that other nodes are told; empty: as it listens
  std::vector<std::string> seeds;      // listeners for nodes of others; empty: begins a cluster
  tls_context_ptr tls;                 // between nodes; null: in the clear
  wire_version wire;                   // what this build speaks
  meta::watch_options watch;
  std::function<void(std::string)> log;  // any thread
};

class membership {
 public:
  /// Opens the listener; nothing is answered yet.
  static result<std::unique_ptr<membership>> bind(membership_options);
  ~membership();

  /// HOST:PORT of this node's listener for nodes, as others are told.
  const std::string& address() const noexcept { return endpoint_->address(); }
  /// Begins to be a member: finds the cluster (or begins it), registers with these listeners.
  status join(file_system&, io_executor&, std::vector<meta::endpoint> listeners);
  bool wait_registered(std::chrono::milliseconds limit) { return service_->wait_registered(limit); }
  meta::standing stand() const { return service_->stand(); }
  meta::metadata_service& metadata() noexcept { return *service_; }
  metadata_port& port() noexcept { return bridge_; }
  job_ledger& ledger() noexcept { return ledger_; }
  /// Says that this node stops, so that others lead at once what it led. Waits at most `limit`.
  void leave(std::chrono::milliseconds limit);
  kafka::peer_client& peers() noexcept { return *peers_; }
  file_store& files() noexcept { return *files_; }

  /// Storage follows the metadata, the broker answers nodes' requests. False: not in time.
  bool attach(stream_storage&, broker&, std::chrono::milliseconds limit);
  void detach();
  void stop();

 private:
  explicit membership(membership_options o) : options_(std::move(o)) {}

  membership_options options_;
  metadata_bridge bridge_;
  metadata_ledger ledger_;
  std::unique_ptr<peers_endpoint> endpoint_;
  std::unique_ptr<meta::metadata_service> service_;
  std::unique_ptr<file_store> files_;
  std::unique_ptr<kafka::peer_client> peers_;  // first to go: its callbacks know the others
  std::atomic<stream_storage*> storage_{nullptr};
};

}  // namespace weir
