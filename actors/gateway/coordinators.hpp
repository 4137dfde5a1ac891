// The coordinators of a node, put together: consumer groups and transactions. From start() on they
// follow the metadata: who leads a partition of their topics is the home of what lives in it.
#pragma once

#include <memory>

#include "actors/coordination/groups.hpp"
#include "actors/coordination/transactions.hpp"
#include "actors/coordination/verifier.hpp"

namespace weir {

class coordinators {
 public:
  /// `ids`: where producer ids come from in a cluster; null: from this node's own records.
  coordinators(caf::actor_system&, stream_storage&, kafka::node_facts, const clock&,
               std::function<void(std::string)> log,
               std::shared_ptr<producer_id_source> ids = nullptr);
  ~coordinators();
  void start();

  group_router& groups() noexcept { return *groups_; }
  transaction_router& transactions() noexcept { return *transactions_; }
  /// Ends of transactions, for partitions here and on other nodes.
  const marker_desk& markers() const noexcept { return *markers_; }
  /// Whether a partition takes part in a transaction, asked of its coordinator here or elsewhere.
  const transaction_verifier& verifier() const noexcept { return *verifier_; }
  state_homes& homes_of(bool transactions) {
    return transactions ? static_cast<state_homes&>(*transactions_) : *groups_;
  }

 private:
  std::shared_ptr<remote_coordination> remote_;
  std::unique_ptr<group_router> groups_;
  std::shared_ptr<const marker_desk> markers_;
  std::unique_ptr<transaction_router> transactions_;
  std::unique_ptr<transaction_verifier> verifier_;
};

}  // namespace weir
