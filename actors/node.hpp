// A process of Weir: what its tasks share (memory budget, files, I/O threads, clock), the CAF
// system, the node actor that spawns tasks, and the snapshot store. Used embedded by `weir run` and
// as one node of a cluster.
#pragma once

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <string>

#include "actors/data/exchange.hpp"
#include "actors/interfaces.hpp"
#include "actors/job.hpp"
#include "runtime/base/wire_version.hpp"
#include "runtime/flow/task_builder.hpp"
#include "runtime/io/tls.hpp"

namespace weir {

/// Gives the path of a library of custom operators by the hash of its content, on any thread, once.
using library_source =
    std::function<void(const std::string& content, std::function<void(result<std::string> path)>)>;

struct node_options {
  std::string name = "local";
  std::string data_dir;  // empty: snapshots live in a temporary folder that dies with the process
  size_t memory_bytes = size_t{2} << 30;
  unsigned scheduler_threads = 0;  // 0 = cores
  unsigned io_threads = 2;
  bool network = false;  // actors of other processes can be reached
  tls_files peers_tls;   // then: under TLS, if there are files
  // With network: where this node takes rows from tasks of others.
  std::string rows_host = "127.0.0.1";
  std::string rows_listen_host;  // empty: rows_host
  uint16_t rows_port = 0;        // 0: a free one
  wire_version wire;  // processes of builds that this one does not get on with are not talked to
  bool rows_checksum = false;
  std::function<void(std::string)> log;  // any thread
  std::string log_level = "warn";
  library_source libraries;  // none: plans name operator libraries by their paths
};

struct job_options {
  int64_t snapshot_interval_us = 1'000'000;
  uint32_t restarts_max = 5;
  int64_t alignment_limit_us = 500'000;
};

/// Channel credit for a job: a quarter of the memory budget over its channels, within bounds that
/// keep batches flowing and latency low.
credit window_for(size_t memory_bytes, size_t channels);

/// What a node's tasks may have from other processes before credit is held back: as much as the
/// windows of one job may take of the memory budget, half of it from one process.
credit_budget::limits rows_in_flight(size_t memory_bytes);

/// Spawns the node actor. `exchange`: for rows from and to other processes; may be null.
node_actor spawn_node(caf::actor_system&, std::string name, task_environment,
                      data_exchange* exchange, library_source libraries = {});

class node_process {
 public:
  /// Opens the store (refused when another process holds the data directory) and starts the actors.
  static result<std::unique_ptr<node_process>> start(node_options);
  ~node_process();
  /// Ends the jobs and the node's actors and waits until the store is closed. For once.
  void close();
  /// Removes what dies with the process; for who ends it at once, without the destructor.
  void remove_temporary() noexcept;

  /// Starts a job; `id` is its key in the store.
  result<job_actor> submit(std::string id, physical_plan, const job_options&,
                           std::function<void(std::string)> log);
  caf::actor_system& system() { return *system_; }
  memory_pool& memory() { return memory_; }
  const placement& self() const { return placement_; }
  task_environment environment();
  /// Null without network.
  const data_exchange* exchange() const { return exchange_.get(); }

 private:
  explicit node_process(node_options);
  status open();

  node_options options_;
  memory_pool memory_;
  system_clock clock_;
  std::unique_ptr<file_system> files_;
  std::unique_ptr<io_executor> io_;
  std::unique_ptr<data_exchange> exchange_;  // tasks use it to their end
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  placement placement_;
  std::vector<job_actor> jobs_;
  std::string temporary_;
};

}  // namespace weir
