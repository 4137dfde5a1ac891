// The quotas of one node's clients with their file: charges requests, carries out requests about
// quotas. Owned by the broker; any thread. A change holds when it is answered, and from then on
// after a restart too.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "actors/gateway/client_request.hpp"
#include "runtime/io/executor.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/quotas/client_quotas.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir {

class quota_desk {
 public:
  /// Reads FOLDER/quotas; no file: no quotas. Blocks.
  static result<std::unique_ptr<quota_desk>> open(file_system&, io_executor&,
                                                  const std::string& folder,
                                                  const kafka::broker_config&);
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
