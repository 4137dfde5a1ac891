// The fetch sessions of a node's clients, with the lock around them: requests come on the
// listener's thread, answers may be complete on partitions' threads.
#pragma once

#include <mutex>

#include "runtime/kafka/fetch/fetch_sessions.hpp"

namespace weir {

struct fetch_desk {
  explicit fetch_desk(const kafka::fetch_session_options& o) : sessions(o) {}
  std::mutex m;
  kafka::fetch_sessions sessions;
};

}  // namespace weir
