// How transactions end: EndTxn, fencing, markers, the COMPLETE record.
#include <algorithm>

#include "runtime/kafka/transactions/coordinator.hpp"
#include "runtime/kafka/transactions/coordinator_state.hpp"

namespace weir::kafka {

namespace {

using state_of = transaction_state;

bool ended_as(const transaction_values& t, bool commit) noexcept {
  return t.state == (commit ? state_of::complete_commit : state_of::complete_abort);
}
bool ends_as(const transaction_values& t, bool commit) noexcept {
  return t.state == (commit ? state_of::prepare_commit : state_of::prepare_abort);
}

struct end_decision {
  error_code code = error_code::none;
  bool done = false;  // it ended this way before: a repeated request
};

/// Clients before EndTxn v5: the epoch stays, so the state alone tells a repetition.
end_decision decide_end(const transaction& t, const end_txn_request& request) {
  const transaction_values& now = t.now;
  if (now.producer_id != request.producer_id)
    return {error_code::invalid_producer_id_mapping, false};
  if (now.epoch != request.producer_epoch) return {error_code::producer_fenced, false};
  if (t.busy()) return {error_code::concurrent_transactions, false};
  if (now.state == state_of::ongoing) return {};
  if (ended_as(now, request.committed)) return {error_code::none, true};
  if (ends_as(now, request.committed)) return {error_code::concurrent_transactions, false};
  return {error_code::invalid_txn_state, false};
}

/// KIP-890: each end bumps the epoch, so the epoch tells a repetition from the next transaction.
/// An abort is also for a transaction of which the coordinator has seen nothing yet.
end_decision decide_end_bumping(const transaction& t, const end_txn_request& request) {
  const transaction_values& now = t.now;
  const bool bumped_id = now.previous_producer_id == request.producer_id &&
                         request.producer_epoch == epoch_last - 1 && now.epoch == 0;
  const bool bumped = now.client_version >= 2 && now.epoch == request.producer_epoch + 1;
  if (now.producer_id != request.producer_id && !bumped_id)
    return {error_code::invalid_producer_id_mapping, false};
  const bool same = now.producer_id == request.producer_id && now.epoch == request.producer_epoch;
  const bool valid = now.preparing()   ? bumped
                     : now.completed() ? bumped || bumped_id || same
                                       : same;
  if (!valid) return {error_code::producer_fenced, false};
  if (t.busy()) return {error_code::concurrent_transactions, false};
  if (now.state == state_of::ongoing) return {};
  const bool repeated = !same;
  if (repeated && ended_as(now, request.committed)) return {error_code::none, true};
  if (!repeated && !request.committed && !now.preparing()) return {};
  return {error_code::invalid_txn_state, false};
}

}  // namespace

void transaction_coordinator::end_transaction(const end_txn_request& request, int16_t version,
                                              reply_token token, int64_t now_ms,
                                              transaction_effects& out) {
  s_->end(request, {reply_to::form::end, token, version, {}}, now_ms, out);
  s_->schedule_wake(out);
}

void transaction_coordinator::state::end(const end_txn_request& request, reply_to client,
                                         int64_t now_ms, transaction_effects& out) {
  if (!loaded) return refuse(client, error_code::coordinator_load_in_progress, out);
  if (request.transactional_id.empty()) return refuse(client, error_code::invalid_request, out);
  auto found = transactions.find(request.transactional_id);
  if (found == transactions.end())
    return confirm(request.transactional_id, client, error_code::invalid_producer_id_mapping,
                   now_ms, out);
  const transaction& t = found->second;
  const bool bump = client.version >= 5 && options.transaction_version >= 2;
  const end_decision decision = bump ? decide_end_bumping(t, request) : decide_end(t, request);
  if (decision.code == error_code::concurrent_transactions)
    return refuse(client, decision.code, out);
  if (decision.code == error_code::producer_fenced)
    return fence_off(*found, request.producer_id, request.producer_epoch, client, now_ms, out);
  if (decision.code != error_code::none || decision.done)
    return confirm(request.transactional_id, client, decision.code, now_ms, out);
  if (bump && epoch_exhausted(t.now.epoch) && fresh_ids.empty())
    return wait_for_ids(request, std::move(client), out);
  prepare(*found, request.committed, bump, std::move(client), now_ms, out);
}

void transaction_coordinator::state::prepare(transaction_ref& entry, bool commit, bool bump,
                                             reply_to client, int64_t now_ms,
                                             transaction_effects& out) {
  const transaction_values& now = entry.second.now;
  transaction_values next = now;
  next.state = commit ? state_of::prepare_commit : state_of::prepare_abort;
  next.client_version = bump ? 2 : 0;
  next.update_ms = now_ms;
  if (now.state != state_of::ongoing) next.start_ms = now_ms;  // an abort of nothing
  if (bump) {
    if (epoch_exhausted(now.epoch)) {
      weir_assert(!fresh_ids.empty(), "an end that needs an id waits for it first");
      next.next_producer_id = fresh_ids.front();
      fresh_ids.pop_front();
    }
    next.last_epoch = now.epoch;
    next.epoch = static_cast<int16_t>(now.epoch + 1);
  }
  write(entry, transaction::step::prepare, std::move(next), std::move(client), now_ms, out);
}

void transaction_coordinator::state::fence_and_abort(transaction_ref& entry, reply_to client,
                                                     int64_t now_ms, transaction_effects& out) {
  const transaction_values& now = entry.second.now;
  weir_assert(now.state == state_of::ongoing, "only an open transaction is fenced");
  transaction_values next = now;
  next.state = state_of::prepare_abort;
  next.client_version = 0;
  next.update_ms = now_ms;
  // This epoch is given to nobody. The last one is reached by fencing only, never left by it.
  next.epoch = static_cast<int16_t>(std::min<int>(now.epoch + 1, epoch_last));
  next.last_epoch = -1;
  write(entry, transaction::step::prepare, std::move(next), std::move(client), now_ms, out);
  entry.second.fencing = true;
}

void transaction_coordinator::force_abort(std::string_view id, reply_token token, int64_t now_ms,
                                          transaction_effects& out) {
  reply_to client{reply_to::form::abort, token, 0, {}};
  auto found = s_->transactions.find(std::string(id));
  if (!s_->loaded)
    s_->refuse(client, error_code::coordinator_load_in_progress, out);
  else if (found == s_->transactions.end())
    s_->confirm(std::string(id), client, error_code::transactional_id_not_found, now_ms, out);
  else if (found->second.busy())
    s_->refuse(client, error_code::concurrent_transactions, out);
  else if (found->second.now.state != state_of::ongoing)
    s_->confirm(std::string(id), client, error_code::invalid_txn_state, now_ms, out);
  else
    s_->fence_and_abort(*found, std::move(client), now_ms, out);
  s_->schedule_wake(out);
}

// ---- Markers ----

void transaction_coordinator::state::send_markers(transaction_ref& entry, int64_t now_ms,
                                                  transaction_effects& out) {
  transaction& t = entry.second;
  t.completing = true;
  if (t.now.partitions.empty()) return finish(entry, now_ms, out);
  const uint64_t id = next_round_id++;
  rounds.emplace(id,
                 marker_round{entry.first, {t.now.partitions.begin(), t.now.partitions.end()}, 0});
  ask_markers(id, out);
}

void transaction_coordinator::state::ask_markers(uint64_t round_id, transaction_effects& out) {
  const marker_round& round = rounds.at(round_id);
  const transaction_values& now = transactions.at(round.transactional_id).now;
  transaction_markers ask;
  ask.id = round_id;
  ask.transactional_id = round.transactional_id;
  ask.producer_id = now.producer_id;
  ask.producer_epoch = now.epoch;
  ask.coordinator_epoch = options.coordinator_epoch;
  ask.commit = now.state == state_of::prepare_commit;
  for (const transaction_partition& p : round.left)
    if (p.topic == offsets_topic)
      ask.offsets_partitions.push_back(p.partition);
    else
      ask.partitions.push_back(p);
  out.markers.push_back(std::move(ask));
}

void transaction_coordinator::on_markers_written(
    uint64_t markers_id, std::span<const std::pair<transaction_partition, error_code>> results,
    int64_t now_ms, transaction_effects& out) {
  auto found = s_->rounds.find(markers_id);
  if (found == s_->rounds.end()) return s_->schedule_wake(out);  // a late repetition
  marker_round& round = found->second;
  for (const auto& [partition, code] : results) {
    switch (code) {
      case error_code::none:
      // A deleted topic needs no marker; a newer epoch has brought its own; a topic that keeps the
      // records of no transaction has none to end.
      case error_code::unknown_topic_or_partition:
      case error_code::unknown_topic_id:
      case error_code::invalid_producer_epoch:
      case error_code::transaction_coordinator_fenced:
      case error_code::unsupported_for_message_format:
        std::erase(round.left, partition);
        break;
      default:
        break;
    }
  }
  if (round.left.empty()) {
    auto entry = s_->transactions.find(round.transactional_id);
    weir_assert(entry != s_->transactions.end(), "markers belong to a transaction");
    s_->rounds.erase(found);
    s_->finish(*entry, now_ms, out);
  } else {
    s_->retries.emplace(now_ms + std::min(retry_wait_ms(round.attempts++), marker_retry_ms_max),
                        markers_id);
  }
  s_->schedule_wake(out);
}

void transaction_coordinator::state::finish(transaction_ref& entry, int64_t now_ms,
                                            transaction_effects& out) {
  write(entry, transaction::step::complete, complete(entry.second.now, now_ms), {}, now_ms, out);
}

}  // namespace weir::kafka
