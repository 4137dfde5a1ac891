// InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn and the check of the produce path.
#include <algorithm>

#include "runtime/kafka/transactions/coordinator.hpp"
#include "runtime/kafka/transactions/coordinator_state.hpp"

namespace weir::kafka {

// ---- InitProducerId ----

void transaction_coordinator::init_producer_id(const init_producer_id_request& request,
                                               int16_t version, reply_token token, int64_t now_ms,
                                               transaction_effects& out) {
  s_->init(request, {reply_to::form::init, token, version, {}}, now_ms, out);
  s_->schedule_wake(out);
}

void transaction_coordinator::state::init(const init_producer_id_request& request, reply_to client,
                                          int64_t now_ms, transaction_effects& out) {
  if (!loaded) return refuse(client, error_code::coordinator_load_in_progress, out);
  if ((request.producer_id == -1) != (request.producer_epoch == -1))
    return refuse(client, error_code::invalid_request, out);
  if (request.transactional_id.value_or("").empty())
    return refuse(client, error_code::invalid_request, out);
  if (request.transaction_timeout_ms <= 0 ||
      request.transaction_timeout_ms > options.timeout_ms_max)
    return refuse(client, error_code::invalid_transaction_timeout, out);

  auto found = transactions.find(*request.transactional_id);
  if (found == transactions.end()) {
    if (transactions.size() >= transactional_ids_max)
      return refuse(client, error_code::policy_violation, out);
    const auto id = producer_id_for(request, client, out);
    if (!id) return;
    found = transactions.try_emplace(*request.transactional_id).first;
    found->second.now.producer_id = *id;
    found->second.now.update_ms = now_ms;
  }
  init_known(*found, request, std::move(client), now_ms, out);
}

void transaction_coordinator::state::init_known(transaction_ref& entry,
                                                const init_producer_id_request& request,
                                                reply_to client, int64_t now_ms,
                                                transaction_effects& out) {
  transaction& t = entry.second;
  const transaction_values& now = t.now;
  if (t.busy()) return refuse(client, error_code::concurrent_transactions, out);
  // A producer that tells who it was goes on after an error of its own; it must not have been
  // replaced. It may still name the id before the last rotation: a repeated request.
  const bool expects = request.producer_id >= 0;
  if (expects && now.epoch != -1 && request.producer_id != now.producer_id &&
      !(request.producer_id == now.previous_producer_id && epoch_exhausted(request.producer_epoch)))
    return fence_off(entry, request.producer_id, request.producer_epoch, client, now_ms, out);
  if (now.preparing()) return refuse(client, error_code::concurrent_transactions, out);
  if (now.state == transaction_state::ongoing)
    return fence_and_abort(entry, std::move(client), now_ms, out);

  transaction_values next = now;
  next.state = transaction_state::empty;
  next.partitions.clear();
  next.timeout_ms = request.transaction_timeout_ms;
  next.start_ms = -1;
  next.update_ms = now_ms;
  next.client_version = 0;
  if (epoch_exhausted(now.epoch) && (!expects || request.producer_epoch == now.epoch)) {
    const auto id = producer_id_for(request, client, out);
    if (!id) return;
    next.previous_producer_id = now.producer_id;
    next.producer_id = *id;
    next.last_epoch = expects ? now.epoch : int16_t{-1};
    next.epoch = 0;
  } else if (!expects || now.epoch == -1 || request.producer_epoch == now.epoch) {
    next.last_epoch = expects ? now.epoch : int16_t{-1};
    next.epoch = static_cast<int16_t>(now.epoch + 1);
    next.previous_producer_id = now.producer_id;
  } else if (request.producer_epoch != now.last_epoch) {
    return fence_off(entry, request.producer_id, request.producer_epoch, client, now_ms, out);
  }  // else a repeated request: the epoch that it was given stands
  write(entry, transaction::step::initialize, std::move(next), std::move(client), now_ms, out);
}

// ---- Partitions ----

void transaction_coordinator::add_partitions(const add_partitions_to_txn_request& request,
                                             int16_t version, reply_token token, int64_t now_ms,
                                             transaction_effects& out) {
  std::vector<transaction_partition> partitions;
  for (const auto& topic : request.v3_and_below_topics)
    for (int32_t partition : topic.partitions) partitions.push_back({topic.name, partition});
  reply_to client{reply_to::form::add_partitions, token, version, partitions};
  s_->add(request.v3_and_below_transactional_id, request.v3_and_below_producer_id,
          request.v3_and_below_producer_epoch, std::move(partitions), std::move(client), now_ms,
          out);
  s_->schedule_wake(out);
}

void transaction_coordinator::add_offsets(const add_offsets_to_txn_request& request,
                                          int16_t version, reply_token token, int64_t now_ms,
                                          transaction_effects& out) {
  reply_to client{reply_to::form::add_offsets, token, version, {}};
  if (request.group_id.empty())
    s_->refuse(client, error_code::invalid_group_id, out);
  else
    s_->add(request.transactional_id, request.producer_id, request.producer_epoch,
            {{std::string(offsets_topic), offsets_partition_for(request.group_id)}},
            std::move(client), now_ms, out);
  s_->schedule_wake(out);
}

void transaction_coordinator::state::add(const std::string& id, int64_t producer_id, int16_t epoch,
                                         std::vector<transaction_partition> partitions,
                                         reply_to client, int64_t now_ms,
                                         transaction_effects& out) {
  if (!loaded) return refuse(client, error_code::coordinator_load_in_progress, out);
  if (id.empty()) return refuse(client, error_code::invalid_request, out);
  auto found = transactions.find(id);
  if (found == transactions.end() || found->second.now.producer_id != producer_id)
    return confirm(id, client, error_code::invalid_producer_id_mapping, now_ms, out);
  const transaction& t = found->second;
  if (t.now.epoch != epoch) return fence_off(*found, producer_id, epoch, client, now_ms, out);
  if (t.busy() || t.now.preparing())
    return refuse(client, error_code::concurrent_transactions, out);
  const bool ongoing = t.now.state == transaction_state::ongoing;
  if (ongoing && std::all_of(partitions.begin(), partitions.end(),
                             [&t](const auto& p) { return t.now.partitions.contains(p); }))
    return confirm(id, client, error_code::none, now_ms, out);

  transaction_values next = t.now;
  next.partitions.insert(partitions.begin(), partitions.end());
  next.state = transaction_state::ongoing;
  next.client_version = 0;
  if (!ongoing) next.start_ms = now_ms;
  next.update_ms = now_ms;
  write(*found, transaction::step::add, std::move(next), std::move(client), now_ms, out);
}

void transaction_coordinator::check_partitions(std::string_view id, int64_t producer_id,
                                               int16_t epoch,
                                               std::vector<transaction_partition> partitions,
                                               bool add, reply_token token, int64_t now_ms,
                                               transaction_effects& out) {
  reply_to client{reply_to::form::check, token, 0, partitions};
  if (add)
    s_->add(std::string(id), producer_id, epoch, std::move(partitions), std::move(client), now_ms,
            out);
  else
    s_->check(std::string(id), producer_id, epoch, client, now_ms, out);
  s_->schedule_wake(out);
}

void transaction_coordinator::state::check(const std::string& id, int64_t producer_id,
                                           int16_t epoch, const reply_to& client, int64_t now_ms,
                                           transaction_effects& out) {
  if (!loaded) return refuse(client, error_code::coordinator_load_in_progress, out);
  if (id.empty()) return refuse(client, error_code::invalid_request, out);
  const auto found = transactions.find(id);
  if (found == transactions.end() || found->second.now.producer_id != producer_id)
    return confirm(id, client, error_code::invalid_producer_id_mapping, now_ms, out);
  const transaction_values& now = found->second.now;
  if (now.epoch != epoch) return fence_off(*found, producer_id, epoch, client, now_ms, out);
  if (now.preparing()) return refuse(client, error_code::concurrent_transactions, out);
  partition_check_response answer;
  bool all = true;
  for (const transaction_partition& p : client.partitions) {
    const bool takes_part = now.partitions.contains(p);
    all = all && takes_part;
    answer.partitions.emplace_back(
        p, takes_part ? error_code::none : error_code::transaction_abortable);
  }
  // A yes needs no confirmation: it is asked for the first batch of every transaction, and ends
  // nothing.
  if (all)
    out.replies.push_back({client.token, std::move(answer)});
  else
    confirm(id, client, {client.token, std::move(answer)}, now_ms, out);
}

}  // namespace weir::kafka
