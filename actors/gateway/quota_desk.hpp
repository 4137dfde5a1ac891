// The quotas of clients as the cluster's metadata has them: charges requests with what this node's
// clients take, carries out requests about quotas. A change holds here when it is answered, soon
// after on all nodes, and from then on. Each node has buckets of its own: a client that speaks to
// three nodes gets three times its rate, as with Kafka. Any thread; the metadata outlives it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "actors/gateway/client_request.hpp"
#include "actors/storage/topics.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/quotas/client_quotas.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir {

class quota_desk {
 public:
  /// Watches the metadata's quotas. FOLDER/quotas, where a node alone kept its own before, goes
  /// into them. Blocks.
  static result<std::unique_ptr<quota_desk>> open(file_system&, metadata_port&,
                                                  const std::string& folder,
                                                  const kafka::broker_config&,
                                                  std::function<void(std::string)> log);
  ~quota_desk();

  /// Takes a request's bytes. Its connection is not read from until the time that is returned, for
  /// throttle_time_ms, is over.
  int32_t charge(kafka::quota_kind, const client_request&, uint64_t bytes);
  void alter(const request_ptr&);
  void describe(const request_ptr&) const;

 private:
  struct state;
  explicit quota_desk(std::shared_ptr<state>);
  std::shared_ptr<state> s_;
};

}  // namespace weir
