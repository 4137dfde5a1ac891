// The coordinators of a node, put together: consumer groups and transactions. They read their state
// on a thread of their own after start(); requests before that are told to come again.
#pragma once

#include <memory>
#include <thread>

#include "actors/coordination/transactions.hpp"

namespace weir {

class coordinators {
 public:
  coordinators(caf::actor_system&, stream_storage&, kafka::node_facts, const clock&,
               std::function<void(std::string)> log);
  ~coordinators();
  void start();

  group_router& groups() noexcept { return *groups_; }
  const transactions_actor& transactions() const noexcept { return transactions_; }
  /// Makes a coordinator's topic if it is absent: FindCoordinator does.
  state_topic& state_of(bool transactions) {
    return transactions ? *transactions_seed_.state : groups_->offsets();
  }

 private:
  std::function<void(std::string)> log_;
  std::unique_ptr<group_router> groups_;
  transactions_seed transactions_seed_;
  transactions_actor transactions_;
  std::thread loader_;
};

}  // namespace weir
