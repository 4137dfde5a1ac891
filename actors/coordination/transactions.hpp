// The transaction coordinator of a node as an actor: drives kafka::transaction_coordinator, keeps
// its records in __transaction_state, writes the markers that end transactions.
#pragma once

#include <functional>
#include <memory>

#include "actors/coordination/groups.hpp"
#include "runtime/kafka/transactions/coordinator.hpp"

namespace weir {

/// A request: what to call, and what to do with the one answer.
struct transaction_request_message {
  std::function<void(kafka::transaction_coordinator&, kafka::reply_token, int64_t now_ms,
                     kafka::transaction_effects&)>
      work;
  std::function<void(kafka::transaction_response)> answer;
  /// Instead, when there is nothing to ask yet.
  std::function<void(kafka::error_code)> refuse;
};
/// A look at the coordinator; null: its state is not read yet.
struct transaction_visit_message {
  std::function<void(const kafka::transaction_coordinator*, int64_t now_ms)> visit;
};
struct transaction_written_message {
  uint64_t id = 0;
  kafka::error_code error = kafka::error_code::none;
};
struct markers_written_message {
  uint64_t id = 0;
  std::shared_ptr<std::vector<std::pair<kafka::transaction_partition, kafka::error_code>>> results;
};
/// The replay is over.
struct transactions_loaded_message {
  std::shared_ptr<kafka::transaction_coordinator> restored;
};

using transactions_actor = caf::typed_actor<
    // Gateways.
    caf::reacts_to<transaction_request_message>, caf::reacts_to<transaction_visit_message>,
    // Partitions of __transaction_state; of the topics of a transaction.
    caf::reacts_to<transaction_written_message>, caf::reacts_to<markers_written_message>,
    // Whoever replays the topic.
    caf::reacts_to<transactions_loaded_message>,
    // Itself.
    caf::reacts_to<timer_atom, int64_t>>;

struct transactions_seed {
  std::shared_ptr<state_topic> state;
  std::shared_ptr<directory_board> board;
  group_router* groups = nullptr;
  kafka::transaction_options options;
};
transactions_actor spawn_transactions(caf::actor_system&, transactions_seed);
/// Reads __transaction_state and tells the actor. Blocks.
status load_transactions(const transactions_seed&, const transactions_actor&);

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transaction_request_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transaction_visit_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transaction_written_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::markers_written_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transactions_loaded_message)
