#include "cluster/http/broker_pool.hpp"

namespace weir::http {
namespace {

// Kept for the next requests; the others are closed.
constexpr size_t idle_max = 8;
// Well below the time after which brokers close what is idle.
constexpr auto idle_limit = std::chrono::seconds(30);

}  // namespace

result<streams::brokers> broker_pool::take() {
  if (address_.empty())
    return error{errc::io,
                 "this node has no Kafka listener, so no topics: weir up has one, weir "
                 "node with --kafka HOST:PORT"};
  {
    std::lock_guard lock(mutex_);
    const auto oldest = std::chrono::steady_clock::now() - idle_limit;
    std::erase_if(idle_, [oldest](const idle& i) { return i.since < oldest; });
    if (!idle_.empty()) {
      auto b = std::move(idle_.back().connection);
      idle_.pop_back();
      return b;
    }
  }
  kafka::client_options o;
  o.client_id = "weir-http";
  return streams::brokers::connect(address_, o);
}

void broker_pool::give(streams::brokers b) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < idle_max) idle_.push_back({std::move(b), std::chrono::steady_clock::now()});
}

}  // namespace weir::http
