// Stream storage of one node, put together: the log folder, the committer, the topics and their
// partitions. Owned by the process; used by one thread, but directory() by any.
//   DIR/topics/NAME.ID/PARTITION/...   segments and indexes
//   DIR/commits/                       commit points, the journal
//   DIR/clean-stop                     how partitions stood at the end; gone while the node runs
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "actors/storage/replica_fetcher.hpp"
#include "actors/storage/topics.hpp"

namespace weir {

struct storage_options {
  std::string folder;
  std::shared_ptr<const kafka::broker_config> config;
  metadata_port* metadata = nullptr;     // outlives the storage
  tls_context_ptr peers_tls;             // to other nodes; null: in the clear
  std::function<void(std::string)> log;  // any thread
};

class stream_storage {
 public:
  static result<std::unique_ptr<stream_storage>> start(caf::actor_system&, file_system&,
                                                       io_executor&, const clock&, storage_options);
  ~stream_storage();
  /// Last writes become durable, partitions end. For once; without it the next start recovers.
  status close();

  directory_ptr directory() const { return board_->get(); }
  std::shared_ptr<directory_board> board() const { return board_; }
  const topics_actor& topics() const { return topics_; }
  metadata_port& metadata() const { return *options_.metadata; }
  /// The node that leads the metadata; -1: not known. For show.
  int32_t controller() const noexcept { return controller_.load(std::memory_order_relaxed); }
  void set_controller(int32_t node) noexcept { controller_.store(node, std::memory_order_relaxed); }
  const kafka::broker_config& config() const { return *options_.config; }
  std::shared_ptr<const kafka::broker_config> config_ptr() const { return options_.config; }
  const tls_context_ptr& peers_tls() const { return options_.peers_tls; }
  const std::string& folder() const { return options_.folder; }
  file_cache& files() { return *files_; }
  /// Calls of the committer so far; see group_commit_stats. Approximate while it runs.
  std::shared_ptr<group_commit> commits() const { return commits_; }
  /// How partitions stand and what they did, and how long syncs of the disk take; any thread.
  const gauge_board& gauges() const { return *gauges_; }
  const latency_histogram& syncs() const { return *syncs_; }

 private:
  stream_storage(caf::actor_system& s, storage_options o) : system_(s), options_(std::move(o)) {}
  status open(file_system&, io_executor&, const clock&);

  caf::actor_system& system_;
  storage_options options_;
  std::unique_ptr<file_cache> files_;
  std::shared_ptr<group_commit> commits_;
  std::shared_ptr<directory_board> board_;
  std::shared_ptr<gauge_board> gauges_ = std::make_shared<gauge_board>();
  std::shared_ptr<latency_histogram> syncs_ = std::make_shared<latency_histogram>();
  std::atomic<int32_t> controller_{-1};
  std::unique_ptr<replica_fetchers> replicas_;
  committer_actor committer_;
  topics_actor topics_;
};

}  // namespace weir
