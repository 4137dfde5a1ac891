// Copies this node's partitions from their leaders: one thread for each leader node, with one
// connection to its listener for nodes, that fetches all of its partitions in one request
// (runtime/kafka/replication/fetch_plan) and hands each what it got. The next fetch of a partition
// says what it has durably by then. Owned by the node's storage; calls come from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "actors/storage/interfaces.hpp"
#include "runtime/io/clock.hpp"
#include "runtime/io/tls.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir {

struct replica_fetcher_options {
  kafka::fetch_plan_options plan;
  int32_t timeout_ms = 30'000;  // replica.socket.timeout.ms
  const clock* time = nullptr;
  tls_context_ptr tls;                   // null: in the clear
  std::function<void(std::string)> log;  // any thread
};
/// From the node's settings: replica.fetch.*, replica.socket.timeout.ms,
/// follower.replication.throttled.rate. `self` comes with the roles of partitions.
replica_fetcher_options replica_options_of(const kafka::broker_config&, const clock&,
                                           std::function<void(std::string)> log);

class replica_fetchers final : public replica_source {
 public:
  explicit replica_fetchers(replica_fetcher_options);
  ~replica_fetchers() override;

  void follow(const kafka::fetch_position&, int32_t self, int32_t leader,
              const std::string& address, const partition_actor& who, bool later) override;
  void forget(const log_id&) override;
  void registered(int64_t registration) override;
  /// Ends all threads; from then on nothing is fetched. For once.
  void stop();

 private:
  class leader_link;
  replica_fetcher_options options_;
  std::atomic<int64_t> incarnation_ = -1;
  std::mutex mutex_;
  bool stopped_ = false;
  std::map<int32_t, std::unique_ptr<leader_link>> links_;  // by leader
  std::map<log_id, int32_t> leader_of_;
};

}  // namespace weir
