#include "runtime/kafka/transactions/coordinator.hpp"

#include <algorithm>
#include <array>

#include "runtime/kafka/transactions/coordinator_state.hpp"

namespace weir::kafka {

int64_t retry_wait_ms(int failures) noexcept {
  return std::min(retry_ms_max, retry_ms_min << std::min(failures, 10));
}

transaction_coordinator::transaction_coordinator(transaction_options options)
    : s_(std::make_unique<state>(options)) {}
transaction_coordinator::~transaction_coordinator() = default;
transaction_coordinator::transaction_coordinator(transaction_coordinator&&) noexcept = default;
transaction_coordinator& transaction_coordinator::operator=(transaction_coordinator&&) noexcept =
    default;

size_t transaction_coordinator::size() const noexcept {
  return s_->transactions.size();
}
bool transaction_coordinator::ready() const noexcept {
  return s_->loaded;
}
int64_t transaction_coordinator::producer_ids_taken_below() const noexcept {
  return s_->ids_taken_below;
}
int32_t transaction_coordinator::partition_for(std::string_view id) const {
  return partition_of_key(id, s_->options.state_partitions);
}
int32_t transaction_coordinator::offsets_partition_for(std::string_view group) const {
  return partition_of_key(group, s_->options.offsets_partitions);
}

status transaction_coordinator::restore(std::string_view key,
                                        std::optional<std::string_view> value) {
  weir_assert(!s_->loaded, "records are replayed before loaded()");
  WEIR_ASSIGN(const transaction_key k, decode_transaction_key(key));
  auto& taken = s_->ids_taken_below;
  if (k.producer_ids && value) {
    WEIR_ASSIGN(const int64_t next, decode_producer_ids_value(*value));
    taken = std::max(taken, next);
  } else if (k.transactional_id && !value) {
    s_->transactions.erase(*k.transactional_id);
  } else if (k.transactional_id) {
    auto values = decode_transaction_value(*value);
    if (!values.ok()) return values.err().at("transaction '" + *k.transactional_id + "'");
    // Should the record of the ids be lost, none that is in use is given again.
    taken = std::max({taken, values->producer_id + 1, values->next_producer_id + 1});
    transaction& entry = s_->transactions[*k.transactional_id];
    entry.now = std::move(*values);
    entry.persisted = true;
  }
  return {};
}

void transaction_coordinator::loaded(int64_t now_ms, transaction_effects& out) {
  s_->loaded = true;
  s_->next_look_ms = now_ms + s_->options.expiration_interval_ms;
  std::vector<transaction_ref*> unfinished;
  for (transaction_ref& entry : s_->transactions) {
    if (entry.second.now.preparing())
      unfinished.push_back(&entry);
    else
      s_->arm(entry, now_ms);
  }
  // The table's order differs from run to run; what follows from a log does not.
  std::sort(unfinished.begin(), unfinished.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  for (auto* entry : unfinished) s_->send_markers(*entry, now_ms, out);
  s_->schedule_wake(out);
}

// ---- Answers ----

namespace {

add_partitions_to_txn_response partitions_answer(const reply_to& to, error_code code) {
  add_partitions_to_txn_response out;
  auto& topics = out.results_by_topic_v3_and_below;
  for (const transaction_partition& p : to.partitions) {
    if (topics.empty() || topics.back().name != p.topic) topics.push_back({p.topic, {}});
    topics.back().results_by_partition.push_back({p.partition, code});
  }
  return out;
}

// From which version on clients know PRODUCER_FENCED.
int16_t fenced_since(reply_to::form what) noexcept {
  switch (what) {
    case reply_to::form::init:
      return 4;
    case reply_to::form::add_partitions:
    case reply_to::form::add_offsets:
    case reply_to::form::end:
      return 2;
    default:
      return 0;
  }
}

}  // namespace

void transaction_coordinator::state::answer(const reply_to& to, error_code code,
                                            int64_t producer_id, int16_t epoch,
                                            transaction_effects& out) const {
  if (code == error_code::producer_fenced && to.version < fenced_since(to.what))
    code = error_code::invalid_producer_epoch;
  switch (to.what) {
    case reply_to::form::nobody:
      return;
    case reply_to::form::init: {
      init_producer_id_response r;
      r.error_code = code;
      r.producer_id = producer_id;
      r.producer_epoch = epoch;
      out.replies.push_back({to.token, r});
      return;
    }
    case reply_to::form::add_partitions:
      out.replies.push_back({to.token, partitions_answer(to, code)});
      return;
    case reply_to::form::add_offsets: {
      add_offsets_to_txn_response r;
      r.error_code = code;
      out.replies.push_back({to.token, r});
      return;
    }
    case reply_to::form::end: {
      end_txn_response r;
      r.error_code = code;
      r.producer_id = producer_id;
      r.producer_epoch = epoch;
      out.replies.push_back({to.token, r});
      return;
    }
    case reply_to::form::check: {
      partition_check_response r;
      for (const transaction_partition& p : to.partitions) r.partitions.emplace_back(p, code);
      out.replies.push_back({to.token, std::move(r)});
      return;
    }
    case reply_to::form::abort:
      out.replies.push_back({to.token, force_abort_response{code, producer_id, epoch}});
      return;
  }
}

// ---- Records ----

void transaction_coordinator::state::write(transaction_ref& entry, transaction::step step,
                                           transaction_values next, reply_to client, int64_t now_ms,
                                           transaction_effects& out) {
  transaction& t = entry.second;
  weir_assert(t.pending == transaction::step::none, "one record of a transaction at a time");
  const uint64_t id = next_write_id++;
  out.writes.push_back({id, partition_of_key(entry.first, options.state_partitions),
                        encode_transaction_key(entry.first),
                        encode_transaction_value(next, options.transaction_version >= 1 ? 1 : 0),
                        now_ms});
  t.pending = step;
  t.next = std::move(next);
  t.client = std::move(client);
  writes.emplace(id, entry.first);
}

void transaction_coordinator::state::confirm(const std::string& id, const reply_to& client,
                                             transaction_reply reply, int64_t now_ms,
                                             transaction_effects& out) {
  const auto found = transactions.find(id);
  if (found != transactions.end()) {
    // Clients come again; then what was under way is over.
    if (found->second.busy()) return refuse(client, error_code::concurrent_transactions, out);
    found->second.confirmed = std::move(reply);
    return write(*found, transaction::step::confirm, found->second.now, client, now_ms, out);
  }
  const uint64_t write_id = next_write_id++;
  out.writes.push_back({write_id, partition_of_key(id, options.state_partitions),
                        encode_transaction_key(id), std::nullopt, now_ms});
  unknown_ids.emplace(write_id, unknown_id{client, std::move(reply)});
}

void transaction_coordinator::state::confirm(const std::string& id, const reply_to& client,
                                             error_code code, int64_t now_ms,
                                             transaction_effects& out) {
  int64_t producer_id = -1;
  int16_t epoch = -1;
  if (const auto found = transactions.find(id);
      code == error_code::none && found != transactions.end()) {
    producer_id = found->second.now.producer_id;
    epoch = found->second.now.epoch;
  }
  transaction_effects later;
  answer(client, code, producer_id, epoch, later);
  confirm(id, client, std::move(later.replies.front()), now_ms, out);
}

void transaction_coordinator::state::fence_off(const transaction_ref& entry, int64_t producer_id,
                                               int16_t epoch, const reply_to& client,
                                               int64_t now_ms, transaction_effects& out) {
  const transaction_values& now = entry.second.now;
  if (producer_id == now.producer_id && epoch < now.epoch)
    return refuse(client, error_code::producer_fenced, out);
  confirm(entry.first, client, error_code::producer_fenced, now_ms, out);
}

void transaction_coordinator::state::write_tombstone(transaction_ref& entry, int64_t now_ms,
                                                     transaction_effects& out) {
  const uint64_t id = next_write_id++;
  out.writes.push_back({id, partition_of_key(entry.first, options.state_partitions),
                        encode_transaction_key(entry.first), std::nullopt, now_ms});
  entry.second.pending = transaction::step::expire;
  entry.second.client = {};
  writes.emplace(id, entry.first);
}

namespace {

// What a client is told when the record that its answer rests on could not be written.
error_code answer_of_append(error_code code) noexcept {
  switch (code) {
    case error_code::unknown_topic_or_partition:
    case error_code::not_enough_replicas:
    case error_code::not_enough_replicas_after_append:
    case error_code::request_timed_out:
      return error_code::coordinator_not_available;
    case error_code::not_leader_or_follower:
    case error_code::kafka_storage_error:
      return error_code::not_coordinator;
    case error_code::message_too_large:
    case error_code::record_list_too_large:
      return error_code::unknown_server_error;
    default:
      return code;
  }
}

}  // namespace

void transaction_coordinator::on_written(uint64_t write_id, error_code code, int64_t now_ms,
                                         transaction_effects& out) {
  if (auto unknown = s_->unknown_ids.find(write_id); unknown != s_->unknown_ids.end()) {
    auto [client, confirmed] = std::move(unknown->second);
    s_->unknown_ids.erase(unknown);
    if (code != error_code::none)
      s_->refuse(client, answer_of_append(code), out);
    else
      out.replies.push_back(std::move(confirmed));
  } else if (auto found = s_->writes.find(write_id); found != s_->writes.end()) {
    auto entry = s_->transactions.find(found->second);
    s_->writes.erase(found);
    weir_assert(entry != s_->transactions.end(), "a record under way has its transaction");
    s_->transaction_written(*entry, code, now_ms, out);
  }
  s_->schedule_wake(out);
}

void transaction_coordinator::state::transaction_written(transaction_ref& entry, error_code code,
                                                         int64_t now_ms, transaction_effects& out) {
  using step = transaction::step;
  transaction& t = entry.second;
  const step done = std::exchange(t.pending, step::none);
  const reply_to client = std::exchange(t.client, {});
  const bool fencing = std::exchange(t.fencing, false);
  auto confirmed = std::exchange(t.confirmed, std::nullopt);
  if (code != error_code::none) {
    const int64_t wait = retry_wait_ms(t.failures++);
    refuse(client, answer_of_append(code), out);
    if (done == step::complete) {
      retries.emplace(now_ms + wait, entry.first);  // the markers are there: it has to be said
    } else if (!t.persisted) {
      transactions.erase(entry.first);  // nothing was promised to anyone
    } else {
      arm(entry, now_ms + wait);
    }
    return;
  }
  t.failures = 0;
  if (done == step::expire) {
    transactions.erase(entry.first);
    return;
  }
  t.now = std::move(t.next);
  t.persisted = true;
  switch (done) {
    case step::prepare: {
      // KIP-890: the client goes on with what stands after the end.
      const transaction_values after = complete(t.now, now_ms);
      if (fencing && client.what == reply_to::form::init)
        refuse(client, error_code::concurrent_transactions,
               out);  // it comes again, when all is done
      else
        answer(client, error_code::none, after.producer_id, after.epoch, out);
      send_markers(entry, now_ms, out);
      return;
    }
    case step::complete:
      t.completing = false;
      break;
    case step::confirm:
      out.replies.push_back(std::move(*confirmed));
      break;
    default:
      answer(client, error_code::none, t.now.producer_id, t.now.epoch, out);
      break;
  }
  arm(entry, now_ms);
}

// ---- Producer ids ----

void transaction_coordinator::state::want_producer_ids(transaction_effects& out) {
  // What is asked for in this very call may grow.
  if (ids_asked && out.producer_ids_wanted == 0) return;
  ids_asked = true;
  out.producer_ids_wanted = static_cast<int64_t>(std::max<size_t>(1, waiting_for_ids.size()));
}

void transaction_coordinator::on_producer_ids(std::span<const int64_t> ids, int64_t now_ms,
                                              transaction_effects& out) {
  weir_assert(s_->ids_asked, "producer ids are given when they were asked for");
  s_->ids_asked = false;
  s_->fresh_ids.insert(s_->fresh_ids.end(), ids.begin(), ids.end());
  auto waiting = std::exchange(s_->waiting_for_ids, {});
  for (auto& [request, client] : waiting) {
    if (ids.empty())
      s_->refuse(client, error_code::coordinator_load_in_progress, out);  // clients try again
    else if (const auto* init = std::get_if<init_producer_id_request>(&request))
      s_->init(*init, std::move(client), now_ms, out);
    else
      s_->end(std::get<end_txn_request>(request), std::move(client), now_ms, out);
  }
  s_->schedule_wake(out);
}

std::optional<int64_t> transaction_coordinator::state::producer_id_for(
    const init_producer_id_request& request, const reply_to& client, transaction_effects& out) {
  if (!fresh_ids.empty()) {
    const auto id = fresh_ids.front();
    fresh_ids.pop_front();
    return id;
  }
  wait_for_ids(request, client, out);
  return std::nullopt;
}

void transaction_coordinator::state::wait_for_ids(request_for_ids request, reply_to client,
                                                  transaction_effects& out) {
  if (waiting_for_ids.size() < producer_id_waiters_max)
    waiting_for_ids.emplace_back(std::move(request), std::move(client));
  else
    refuse(client, error_code::coordinator_load_in_progress, out);
  want_producer_ids(out);
}

}  // namespace weir::kafka
