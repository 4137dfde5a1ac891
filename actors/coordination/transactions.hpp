// The transaction coordinator of a partition of __transaction_state, in one tenure, as an actor:
// drives kafka::transaction_coordinator, keeps its records, has the markers written that end
// transactions. The router finds it by the transactional id; thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "actors/coordination/markers.hpp"
#include "actors/coordination/producer_ids.hpp"
#include "actors/coordination/state_homes.hpp"
#include "runtime/kafka/transactions/coordinator.hpp"

namespace weir {

/// A request: what to call, and what to do with the one answer.
struct transaction_request_message {
  std::function<void(kafka::transaction_coordinator&, kafka::reply_token, int64_t now_ms,
                     kafka::transaction_effects&)>
      work;
  std::function<void(kafka::transaction_response)> answer;
  /// Instead, where this is not the home of the transactional id (yet, or any more).
  std::function<void(kafka::error_code)> refuse;
};
/// A look at the coordinator; null: the tenure is over.
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
struct producer_ids_message {
  std::shared_ptr<std::vector<int64_t>> ids;  // none: come again
};
/// The tenure is over.
struct transactions_ended_message {};

using transactions_actor = caf::typed_actor<
    // Gateways. Router: the end.
    caf::reacts_to<transaction_request_message>, caf::reacts_to<transaction_visit_message>,
    caf::reacts_to<transactions_ended_message>,
    // Its partition of __transaction_state; those of the topics of a transaction.
    caf::reacts_to<transaction_written_message>, caf::reacts_to<markers_written_message>,
    // The desk for producer ids.
    caf::reacts_to<producer_ids_message>,
    // Itself.
    caf::reacts_to<timer_atom, int64_t>>;

struct transactions_seed {
  std::shared_ptr<kafka::transaction_coordinator> restored;  // the actor's from now on
  std::shared_ptr<state_topic> state;
  kafka::tenure tenure;
  std::shared_ptr<const marker_desk> markers;
  std::shared_ptr<producer_id_desk> ids;
};
transactions_actor spawn_transactions(caf::actor_system&, transactions_seed);

class transaction_router final : public state_homes {
 public:
  /// `ids`: where blocks of producer ids come from; null: from records of partition 0, which is
  /// for a node that is alone.
  transaction_router(caf::actor_system&, std::shared_ptr<state_topic>,
                     std::shared_ptr<const marker_desk>, std::shared_ptr<producer_id_source> ids,
                     kafka::transaction_options, std::function<void(std::string)> log);
  ~transaction_router();

  /// A request about a transactional id; makes the topic if it is absent.
  void ask(const std::string& transactional_id, transaction_request_message);
  /// The coordinator of an id; null with the reason, and with NONE while there is no topic.
  std::pair<kafka::error_code, transactions_actor> find(const std::string& transactional_id) const;
  /// All that are served here.
  std::vector<transactions_actor> all() const;
  producer_id_desk& ids() noexcept { return *ids_; }

 private:
  void begun(const kafka::tenure&) override;
  void ended(const kafka::tenure&) override;
  result<bool> load(const kafka::tenure&, int64_t& end) override;

  caf::actor_system& system_;
  std::shared_ptr<const marker_desk> markers_;
  kafka::transaction_options options_;
  std::shared_ptr<producer_id_desk> ids_;
  std::map<int32_t, transactions_actor> actors_;  // by partition, once loaded; under mutex()
};

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transaction_request_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transaction_visit_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transaction_written_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::markers_written_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::producer_ids_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::transactions_ended_message)
