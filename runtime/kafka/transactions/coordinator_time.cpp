// What happens by itself: timeouts of open transactions, repetitions, expiry of ids.
#include <algorithm>

#include "runtime/kafka/transactions/coordinator.hpp"
#include "runtime/kafka/transactions/coordinator_state.hpp"

namespace weir::kafka {

void transaction_coordinator::state::arm(transaction_ref& entry, int64_t not_before_ms) {
  const transaction_values& now = entry.second.now;
  if (now.state != transaction_state::ongoing) return;
  // Kafka: later than start + timeout. An entry of an earlier arm() may still be there; it looks
  // again and finds what it finds.
  timeouts.emplace(std::max(now.start_ms + now.timeout_ms + 1, not_before_ms), entry.first);
}

void transaction_coordinator::state::schedule_wake(transaction_effects& out) const {
  out.next_wake_ms.reset();
  if (!loaded) return;
  const auto sooner = [&out](int64_t at) {
    if (!out.next_wake_ms || at < *out.next_wake_ms) out.next_wake_ms = at;
  };
  if (!timeouts.empty()) sooner(timeouts.begin()->first);
  if (!retries.empty()) sooner(retries.begin()->first);
  if (!transactions.empty()) sooner(next_look_ms);
}

void transaction_coordinator::on_timer(int64_t now_ms, transaction_effects& out) {
  while (!s_->retries.empty() && s_->retries.begin()->first <= now_ms) {
    const auto what = s_->retries.begin()->second;
    s_->retries.erase(s_->retries.begin());
    if (const auto* round = std::get_if<uint64_t>(&what)) {
      s_->ask_markers(*round, out);
    } else {
      auto entry = s_->transactions.find(std::get<std::string>(what));
      weir_assert(entry != s_->transactions.end(), "a transaction stays until it is complete");
      s_->finish(*entry, now_ms, out);
    }
  }
  while (!s_->timeouts.empty() && s_->timeouts.begin()->first <= now_ms) {
    const std::string id = s_->timeouts.begin()->second;
    s_->timeouts.erase(s_->timeouts.begin());
    s_->on_timeout(id, now_ms, out);
  }
  if (s_->loaded && s_->next_look_ms <= now_ms) s_->expire(now_ms, out);
  s_->schedule_wake(out);
}

void transaction_coordinator::state::on_timeout(const std::string& id, int64_t now_ms,
                                                transaction_effects& out) {
  auto entry = transactions.find(id);
  // What is under way arms it again when it is done.
  if (entry == transactions.end() || entry->second.busy()) return;
  const transaction_values& now = entry->second.now;
  if (now.state != transaction_state::ongoing) return;
  if (now.start_ms + now.timeout_ms >= now_ms) return arm(*entry, now_ms);
  fence_and_abort(*entry, {}, now_ms, out);
}

void transaction_coordinator::state::expire(int64_t now_ms, transaction_effects& out) {
  size_t left = expirations_per_look_max;
  bool more = false;
  for (transaction_ref& entry : transactions) {
    const transaction& t = entry.second;
    const bool idle = t.now.state == transaction_state::empty || t.now.completed();
    if (!idle || t.busy() || !t.persisted || now_ms - t.now.update_ms < options.id_expiration_ms)
      continue;
    if (left == 0) {
      more = true;
      break;
    }
    --left;
    write_tombstone(entry, now_ms, out);
  }
  // The rest soon, but not at once: others have a turn.
  next_look_ms = now_ms + (more ? retry_ms_min : options.expiration_interval_ms);
}

}  // namespace weir::kafka
