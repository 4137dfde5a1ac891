#include "actors/coordination/verifier.hpp"

#include "runtime/kafka/transactions/transaction.hpp"

namespace weir {

using kafka::error_code;

void transaction_verifier::verify(kafka::verify_item item, done d) const {
  auto directory = board_->get();
  auto topic = directory->catalog().find(topic_);
  if (!topic) return d(error_code::invalid_producer_id_mapping);  // nobody has begun any
  const auto home = kafka::partition_of_key(item.transactional_id,
                                            static_cast<int32_t>(topic->partitions.size()));
  const auto leader = topic->partitions[static_cast<size_t>(home)].leader;
  if (leader != directory->self()) {
    if (leader < 0) return d(error_code::coordinator_not_available);
    return remote_->verify(leader, std::move(item), std::move(d));
  }
  transaction_request_message m;
  m.refuse = d;
  m.answer = [d](const kafka::transaction_response& r) {
    d(std::get<kafka::partition_check_response>(r).partitions.front().second);
  };
  auto id = item.transactional_id;
  m.work = [item = std::move(item)](auto& c, auto token, auto now, auto& out) {
    c.check_partitions(item.transactional_id, item.producer_id, item.producer_epoch,
                       {{item.topic, item.partition}}, false, token, now, out);
  };
  const bool asked = here_->enter(
      [&](state_homes& h) { static_cast<transaction_router&>(h).ask(id, std::move(m)); });
  if (!asked) d(error_code::not_coordinator);
}

error_code transaction_verifier::produce_error(error_code e) noexcept {
  switch (e) {
    case error_code::coordinator_load_in_progress:
    case error_code::coordinator_not_available:
    case error_code::not_coordinator:
    case error_code::concurrent_transactions:
    case error_code::network_exception:
    case error_code::request_timed_out:
      return error_code::not_enough_replicas;
    case error_code::producer_fenced:
      return error_code::invalid_producer_epoch;
    case error_code::transaction_abortable:
      return error_code::invalid_txn_state;
    default:
      return e;
  }
}

}  // namespace weir
