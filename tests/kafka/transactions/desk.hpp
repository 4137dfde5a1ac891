// A transaction coordinator with a driver in memory: __transaction_state is a list of records,
// markers are noted. Steps are taken one by one, so that tests choose what happens in between.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kafka/transactions/coordinator.hpp"

namespace weir::kafka::test {

struct stored_record {
  std::string key;
  std::optional<std::string> value;
};

class desk {
 public:
  explicit desk(transaction_options o = {}) : options(o), coordinator(o) {
    transaction_effects out;
    coordinator.loaded(now_ms, out);
    take(out);
  }

  /// Everything that is not in the log is lost.
  void restart() {
    coordinator = transaction_coordinator(options);
    writes.clear();
    markers.clear();
    ids_wanted = 0;
    for (const stored_record& r : log)
      if (!coordinator.restore(r.key, r.value).ok()) ++restore_failures;
    transaction_effects out;
    coordinator.loaded(now_ms, out);
    take(out);
  }

  void take(transaction_effects& out) {
    for (auto& r : out.replies) {
      if (replies.contains(r.token)) ++repeated_replies;
      replies.emplace(r.token, std::move(r.response));
    }
    for (auto& w : out.writes) writes.push_back(std::move(w));
    for (auto& m : out.markers) markers.push_back(std::move(m));
    wake_ms = out.next_wake_ms;
    ids_wanted += out.producer_ids_wanted;
    out = {};
    if (!hold_ids && ids_wanted > 0) give_ids(ids_wanted);
  }
  /// Fresh producer ids; 0: there are none now.
  void give_ids(int64_t count) {
    std::vector<int64_t> ids;
    for (; count > 0; --count) ids.push_back(next_producer_id++);
    ids_wanted = 0;
    transaction_effects out;
    coordinator.on_producer_ids(ids, now_ms, out);
    take(out);
  }

  void write_one(error_code code = error_code::none) {
    transaction_write w = std::move(writes.front());
    writes.pop_front();
    if (code == error_code::none) log.push_back({w.key, w.value});
    transaction_effects out;
    coordinator.on_written(w.id, code, now_ms, out);
    take(out);
  }
  void mark_one(error_code code = error_code::none) {
    const transaction_markers m = std::move(markers.front());
    markers.pop_front();
    std::vector<std::pair<transaction_partition, error_code>> results;
    for (const auto& p : m.partitions) results.emplace_back(p, code);
    for (int32_t p : m.offsets_partitions)
      results.push_back({{std::string(transaction_coordinator::offsets_topic), p}, code});
    if (code == error_code::none) marked.push_back(m);
    transaction_effects out;
    coordinator.on_markers_written(m.id, results, now_ms, out);
    take(out);
  }
  void pump() {
    while (!writes.empty() || !markers.empty())
      if (!writes.empty())
        write_one();
      else
        mark_one();
  }
  /// Moves the clock, ringing at every time that was asked for.
  void advance(int64_t ms, bool pumping = true) {
    const int64_t until = now_ms + ms;
    while (wake_ms && *wake_ms <= until) {
      now_ms = std::max(now_ms, *wake_ms);
      wake_ms.reset();
      transaction_effects out;
      coordinator.on_timer(now_ms, out);
      take(out);
      if (pumping) pump();
    }
    now_ms = until;
  }

  template <class T>
  std::optional<T> answer(reply_token token) {
    auto found = replies.find(token);
    if (found == replies.end()) return std::nullopt;
    T out = std::get<T>(std::move(found->second));
    replies.erase(found);
    return out;
  }

  // Requests without their records being written; the token is returned.
  reply_token ask_init(std::optional<std::string> id, int64_t pid = -1, int16_t epoch = -1,
                       int32_t timeout_ms = 60'000, int16_t version = 4) {
    init_producer_id_request r;
    r.transactional_id = std::move(id);
    r.transaction_timeout_ms = timeout_ms;
    r.producer_id = pid;
    r.producer_epoch = epoch;
    transaction_effects out;
    coordinator.init_producer_id(r, version, ++last_token, now_ms, out);
    take(out);
    return last_token;
  }
  reply_token ask_add(const std::string& id, int64_t pid, int16_t epoch,
                      const std::vector<transaction_partition>& partitions, int16_t version = 3) {
    add_partitions_to_txn_request r;
    r.v3_and_below_transactional_id = id;
    r.v3_and_below_producer_id = pid;
    r.v3_and_below_producer_epoch = epoch;
    for (const auto& p : partitions) r.v3_and_below_topics.push_back({p.topic, {p.partition}});
    transaction_effects out;
    coordinator.add_partitions(r, version, ++last_token, now_ms, out);
    take(out);
    return last_token;
  }
  reply_token ask_end(const std::string& id, int64_t pid, int16_t epoch, bool commit,
                      int16_t version = 3) {
    end_txn_request r;
    r.transactional_id = id;
    r.producer_id = pid;
    r.producer_epoch = epoch;
    r.committed = commit;
    transaction_effects out;
    coordinator.end_transaction(r, version, ++last_token, now_ms, out);
    take(out);
    return last_token;
  }

  // The same with everything that follows done at once.
  init_producer_id_response init(std::optional<std::string> id, int64_t pid = -1,
                                 int16_t epoch = -1, int32_t timeout_ms = 60'000) {
    const reply_token token = ask_init(std::move(id), pid, epoch, timeout_ms);
    pump();
    return answer<init_producer_id_response>(token).value();
  }
  error_code add(const std::string& id, int64_t pid, int16_t epoch,
                 const std::vector<transaction_partition>& partitions) {
    const reply_token token = ask_add(id, pid, epoch, partitions);
    pump();
    return answer<add_partitions_to_txn_response>(token)
        .value()
        .results_by_topic_v3_and_below.at(0)
        .results_by_partition.at(0)
        .partition_error_code;
  }
  end_txn_response end(const std::string& id, int64_t pid, int16_t epoch, bool commit,
                       int16_t version = 3) {
    const reply_token token = ask_end(id, pid, epoch, commit, version);
    pump();
    return answer<end_txn_response>(token).value();
  }
  std::string state_of(const std::string& id) {
    describe_transactions_request r;
    r.transactional_ids = {id};
    const auto told = coordinator.describe(r).transaction_states.at(0);
    return told.error_code == error_code::none ? told.transaction_state
                                               : std::string(to_string(told.error_code));
  }

  transaction_options options;
  int64_t now_ms = 1'000'000;
  transaction_coordinator coordinator;
  std::vector<stored_record> log;
  std::deque<transaction_write> writes;
  std::deque<transaction_markers> markers;
  std::vector<transaction_markers> marked;
  std::map<reply_token, transaction_response> replies;
  std::optional<int64_t> wake_ms;
  reply_token last_token = 0;
  bool hold_ids = false;  // until the test gives them
  int64_t ids_wanted = 0;
  int64_t next_producer_id = 0;
  int repeated_replies = 0, restore_failures = 0;
};

}  // namespace weir::kafka::test
