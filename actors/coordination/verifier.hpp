// Asks the coordinator of a transactional id, here or on another node, whether a partition takes
// part in the producer's open transaction (KIP-890): what a partition's leader does before the
// first batch of a transaction. Thread-safe.
#pragma once

#include <deque>
#include <map>
#include <tuple>

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

  /// A producer's batches for a partition: they keep their order while the first one's question is
  /// open, though a connection's appends overlap.
  using line = std::tuple<kafka::uuid, int32_t, int64_t>;  // topic, partition, producer
  using resume = std::function<void(kafka::error_code)>;

  /// True: a question of this line is open, `r` is called after those before it, with its outcome.
  bool hold(const line&, resume r) const;
  /// Asks, unless that is under way already. `r` is called once, on any thread, as verify() does;
  /// with NONE it must only hand on, and not come back here.
  void ask(const line&, kafka::verify_item, resume r) const;

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
  struct lines {
    std::mutex mutex;
    std::map<line, std::deque<resume>> open;
  };
  std::shared_ptr<lines> lines_ = std::make_shared<lines>();
  std::shared_ptr<remote_coordination> remote_;
};

}  // namespace weir
