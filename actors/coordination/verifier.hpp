// Asks the coordinator of a transactional id, here or on another node, whether a partition takes
// part in the producer's open transaction (KIP-890): what a partition's leader does before the
// first batch of a transaction. Thread-safe.
#pragma once

#include "actors/coordination/remote.hpp"
#include "actors/coordination/transactions.hpp"

namespace weir {

class transaction_verifier {
 public:
  using done = std::function<void(kafka::error_code)>;

  transaction_verifier(std::shared_ptr<directory_board> board, const transaction_router& here,
                       std::shared_ptr<remote_coordination> remote)
      : board_(std::move(board)),
        here_(here.guarded()),
        topic_(here.topic().name()),
        remote_(std::move(remote)) {}

  /// NONE: it does. TRANSACTION_ABORTABLE, PRODUCER_FENCED, INVALID_PRODUCER_ID_MAPPING: it does
  /// not. CONCURRENT_TRANSACTIONS and errors about coordinators and the network: to be asked again.
  /// `done` is called once, on any thread.
  void verify(kafka::verify_item, done) const;

  /// As what a producer is told of it: retriable ones as NOT_ENOUGH_REPLICAS, which all clients
  /// repeat; those that older clients do not know as their older names.
  static kafka::error_code produce_error(kafka::error_code) noexcept;

 private:
  std::shared_ptr<directory_board> board_;
  std::shared_ptr<guard<state_homes>> here_;
  std::string topic_;  // where transactional ids live
  std::shared_ptr<remote_coordination> remote_;
};

}  // namespace weir
