// Connections to the node's own Kafka listener, for handlers of HTTP requests: taken for one
// request, given back when it went well. Thread-safe; owned by the api.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/http/target.hpp"
#include "cluster/streams/brokers.hpp"

namespace weir::http {

class broker_pool {
 public:
  /// Empty: the node has no Kafka listener; every request is refused.
  explicit broker_pool(std::string address) : address_(std::move(address)) {}

  /// Runs `work` over a connection. What it returns is the answer; an error becomes one.
  template <class Work>
  http_response run(Work work) {
    auto b = take();
    if (!b) return problem(b.err());
    result<http_response> answer = work(*b);
    if (!answer) return problem(answer.err());  // the connection may be the reason: not given back
    give(std::move(*b));
    return std::move(*answer);
  }

 private:
  struct idle {
    streams::brokers connection;
    std::chrono::steady_clock::time_point since;
  };
  result<streams::brokers> take();
  void give(streams::brokers);

  std::string address_;
  std::mutex mutex_;
  std::vector<idle> idle_;  // the last used last
};

}  // namespace weir::http
