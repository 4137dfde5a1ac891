#include "runtime/kafka/partition/producer_state.hpp"

#include <algorithm>
#include <limits>

namespace weir::kafka {

namespace {

constexpr int32_t sequence_last = std::numeric_limits<int32_t>::max();

// Sequences count 0 ... 2^31 - 1 and then start again at 0.
int32_t add_sequence(int32_t sequence, int32_t count) noexcept {
  if (sequence > sequence_last - count) return count - (sequence_last - sequence) - 1;
  return sequence + count;
}

int32_t subtract_sequence(int32_t sequence, int32_t count) noexcept {
  if (sequence < count) return sequence_last - (count - sequence) + 1;
  return sequence - count;
}

void push_batch(producer_entry& entry, const producer_batch& batch) {
  if (entry.batch_count == producer_batches_max) {
    std::move(entry.batches.begin() + 1, entry.batches.end(), entry.batches.begin());
    --entry.batch_count;
  }
  entry.batches[entry.batch_count++] = batch;
}

void set_epoch(producer_entry& entry, int16_t epoch) {
  if (entry.epoch == epoch) return;
  entry.epoch = epoch;
  entry.batch_count = 0;  // a new epoch counts its sequences from 0
  entry.resume_sequence = 0;
}

producer_verdict refuse(error_code code, std::string message) {
  return {code, std::move(message), std::nullopt};
}

std::string who(int64_t producer_id, int16_t epoch) {
  return "producer " + std::to_string(producer_id) + " with epoch " + std::to_string(epoch);
}

producer_verdict fenced(const batch_facts& batch, const producer_entry& entry) {
  return refuse(error_code::invalid_producer_epoch, who(batch.producer_id, batch.producer_epoch) +
                                                        " was replaced by one with epoch " +
                                                        std::to_string(entry.epoch));
}

producer_verdict check_in_transaction(const batch_facts& batch, const producer_entry& entry) {
  if (batch.transactional || entry.transaction_first_offset < 0) return {};
  return refuse(error_code::invalid_txn_state,
                who(batch.producer_id, batch.producer_epoch) +
                    " wrote outside of its open transaction (since offset " +
                    std::to_string(entry.transaction_first_offset) + ")");
}

}  // namespace

int32_t producer_batch::first_sequence() const noexcept {
  return subtract_sequence(last_sequence, offset_delta);
}

int32_t producer_entry::next_sequence() const noexcept {
  return batch_count == 0 ? resume_sequence : add_sequence(last_sequence(), 1);
}

producer_verdict producer_state::check(const batch_facts& batch) const {
  auto found = producers_.find(batch.producer_id);
  if (found == producers_.end()) return {};  // nothing is known of it: any sequence will do
  const producer_entry& entry = found->second;
  const int32_t last_sequence = add_sequence(batch.base_sequence, batch.last_offset_delta);
  if (batch.producer_epoch == entry.epoch) {
    for (int i = 0; i < entry.batch_count; ++i) {
      const producer_batch& seen = entry.batches[static_cast<size_t>(i)];
      if (seen.last_sequence == last_sequence && seen.first_sequence() == batch.base_sequence)
        return {error_code::none, {}, seen};
    }
  }
  if (batch.producer_epoch < entry.epoch) return fenced(batch, entry);
  if (batch.producer_epoch != entry.epoch) {
    if (batch.base_sequence != 0 && entry.epoch != -1)
      return refuse(error_code::out_of_order_sequence_number,
                    who(batch.producer_id, batch.producer_epoch) +
                        " starts a new epoch with sequence " + std::to_string(batch.base_sequence) +
                        " instead of 0");
  } else if (entry.next_sequence() != producer_entry::any_sequence &&
             batch.base_sequence != entry.next_sequence()) {
    return refuse(error_code::out_of_order_sequence_number,
                  who(batch.producer_id, batch.producer_epoch) + " sent sequence " +
                      std::to_string(batch.base_sequence) + " where " +
                      std::to_string(entry.next_sequence()) + " is the next");
  }
  return check_in_transaction(batch, entry);
}

producer_verdict producer_state::check_without_sequence(const batch_facts& batch) const {
  auto found = producers_.find(batch.producer_id);
  if (found == producers_.end()) return {};
  if (batch.producer_epoch < found->second.epoch) return fenced(batch, found->second);
  return check_in_transaction(batch, found->second);
}

producer_verdict producer_state::check_marker(int64_t producer_id, int16_t epoch,
                                              const end_marker& marker) const {
  auto found = producers_.find(producer_id);
  if (found == producers_.end()) return {};
  const producer_entry& entry = found->second;
  if (epoch < entry.epoch)
    return refuse(error_code::invalid_producer_epoch, "a marker for " + who(producer_id, epoch) +
                                                          " comes after epoch " +
                                                          std::to_string(entry.epoch));
  if (marker.coordinator_epoch < entry.coordinator_epoch)
    return refuse(error_code::transaction_coordinator_fenced,
                  "a marker for " + who(producer_id, epoch) + " comes from coordinator epoch " +
                      std::to_string(marker.coordinator_epoch) + ", but epoch " +
                      std::to_string(entry.coordinator_epoch) + " is at work");
  return {};
}

void producer_state::remember(const batch_facts& batch, bool started, bool completed) {
  weir_assert(undo_.empty() || undo_.back().offset < batch.base_offset,
              "batches are staged in the order of their offsets");
  undo_record record{
      batch.base_offset, batch.producer_id, batch.producer_epoch, batch.base_sequence, std::nullopt,
      started,           completed};
  if (auto found = producers_.find(batch.producer_id); found != producers_.end())
    record.before = found->second;
  undo_.push_back(std::move(record));
}

void producer_state::stage(const batch_facts& batch, int64_t now_ms) {
  auto found = producers_.find(batch.producer_id);
  const bool open = found != producers_.end() && found->second.transaction_first_offset >= 0;
  const bool starts = batch.transactional && !open;
  remember(batch, starts, false);
  if (found == producers_.end() && producers_.size() >= producers_max) evict();
  producer_entry& entry = producers_[batch.producer_id];
  const bool known = entry.epoch != -1;
  set_epoch(entry, batch.producer_epoch);
  if (!known) entry.resume_sequence = producer_entry::any_sequence;
  if (batch.base_sequence >= 0)
    push_batch(entry, {add_sequence(batch.base_sequence, batch.last_offset_delta),
                       batch.last_offset_delta, batch.last_offset(), batch.max_timestamp_ms});
  entry.unwritten = false;
  entry.last_timestamp_ms = batch.max_timestamp_ms;
  entry.seen_ms = now_ms;
  entry.touched_offset = batch.last_offset();
  if (starts) {
    entry.transaction_first_offset = batch.base_offset;
    open_.emplace(batch.base_offset, batch.producer_id);
  }
}

void producer_state::stage_marker(const batch_facts& batch, const end_marker& marker,
                                  int64_t now_ms) {
  auto found = producers_.find(batch.producer_id);
  const int64_t first = found == producers_.end() ? -1 : found->second.transaction_first_offset;
  remember(batch, false, first >= 0);
  if (found == producers_.end() && producers_.size() >= producers_max) evict();
  producer_entry& entry = producers_[batch.producer_id];
  const bool known = entry.epoch != -1;
  set_epoch(entry, batch.producer_epoch);
  if (!known) entry.resume_sequence = producer_entry::any_sequence;
  entry.coordinator_epoch = marker.coordinator_epoch;
  entry.unwritten = false;
  entry.last_timestamp_ms = batch.max_timestamp_ms;
  entry.transaction_first_offset = -1;
  entry.seen_ms = now_ms;
  entry.touched_offset = batch.last_offset();
  if (first < 0) return;  // a transaction without data here has nothing to hide from readers
  open_.erase(first);
  const int64_t stable = open_.empty() ? batch.last_offset() + 1 : open_.begin()->first;
  completed_.push_back({batch.producer_id, first, batch.last_offset(),
                        std::min(stable, batch.last_offset() + 1), !marker.commit});
}

void producer_state::durable(int64_t end_offset) {
  while (!undo_.empty() && undo_.front().offset < end_offset) undo_.pop_front();
}

void producer_state::committed(int64_t end_offset) {
  durable(end_offset);
  while (!completed_.empty() && completed_.front().last_offset < end_offset) {
    const completed_transaction& done = completed_.front();
    if (done.aborted)
      aborted_.push_back(
          {done.producer_id, done.first_offset, done.last_offset, done.last_stable_offset});
    completed_.pop_front();
  }
}

void producer_state::roll_back(int64_t end_offset) {
  while (!undo_.empty() && undo_.back().offset >= end_offset) {
    undo_record& record = undo_.back();
    if (record.started_transaction) open_.erase(record.offset);
    if (record.completed_transaction) {
      const completed_transaction& done = completed_.back();
      weir_assert(done.producer_id == record.producer_id, "markers are undone newest first");
      open_.emplace(done.first_offset, done.producer_id);
      completed_.pop_back();
    }
    producer_entry& entry = producers_[record.producer_id];
    if (record.before) {
      entry = *record.before;
    } else {
      const int64_t seen_ms = entry.seen_ms;
      entry = {};
      entry.epoch = record.producer_epoch;
      entry.unwritten = true;
      entry.resume_sequence = std::max(record.base_sequence, 0);
      entry.seen_ms = seen_ms;
    }
    undo_.pop_back();
  }
}

std::optional<int64_t> producer_state::first_unstable_offset() const {
  std::optional<int64_t> first;
  if (!open_.empty()) first = open_.begin()->first;
  // Few: only those whose markers are on their way to the disk or to other replicas.
  for (const completed_transaction& done : completed_)
    if (!first || done.first_offset < *first) first = done.first_offset;
  return first;
}

bool producer_state::in_transaction(int64_t producer_id) const {
  auto found = producers_.find(producer_id);
  return found != producers_.end() && found->second.transaction_first_offset >= 0;
}

bool producer_state::has_late_transaction(int64_t now_ms, int64_t timeout_ms) const {
  if (open_.empty()) return false;
  auto found = producers_.find(open_.begin()->second);
  weir_assert(found != producers_.end(), "an open transaction has its producer");
  return now_ms - found->second.seen_ms > timeout_ms;
}

std::vector<aborted_transaction> producer_state::aborted_in(int64_t from, int64_t to) const {
  std::vector<aborted_transaction> out;
  auto at = std::lower_bound(
      aborted_.begin(), aborted_.end(), from,
      [](const aborted_transaction& a, int64_t offset) { return a.last_offset < offset; });
  for (; at != aborted_.end(); ++at) {
    if (at->first_offset < to) out.push_back(*at);
    // All transactions that end later begin at or after this point.
    if (at->last_stable_offset >= to) break;
  }
  return out;
}

std::vector<producer_description> producer_state::describe() const {
  std::vector<producer_description> out;
  out.reserve(producers_.size());
  for (const auto& [id, entry] : producers_)
    if (!entry.unwritten)
      out.push_back({id, entry.epoch, entry.last_sequence(), entry.last_timestamp_ms,
                     entry.coordinator_epoch, entry.transaction_first_offset});
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.producer_id < b.producer_id; });
  return out;
}

std::optional<int32_t> producer_state::last_sequence(int64_t producer_id, int16_t epoch) const {
  auto found = producers_.find(producer_id);
  if (found == producers_.end() || found->second.epoch != epoch || found->second.batch_count == 0)
    return std::nullopt;
  return found->second.last_sequence();
}

absl::flat_hash_map<int64_t, std::vector<int64_t>> producer_state::batch_ends() const {
  absl::flat_hash_map<int64_t, std::vector<int64_t>> out;
  out.reserve(producers_.size());
  for (const auto& [id, entry] : producers_) {
    std::vector<int64_t>& ends = out[id];
    for (int i = 0; i < entry.batch_count; ++i)
      ends.push_back(entry.batches[static_cast<size_t>(i)].last_offset);
  }
  return out;
}

size_t producer_state::expire(int64_t now_ms, int64_t expiration_ms) {
  const int64_t first_staged =
      undo_.empty() ? std::numeric_limits<int64_t>::max() : undo_.front().offset;
  const size_t before = producers_.size();
  absl::erase_if(producers_, [now_ms, expiration_ms, first_staged](const auto& item) {
    const producer_entry& entry = item.second;
    return entry.transaction_first_offset < 0 && entry.touched_offset < first_staged &&
           now_ms - entry.seen_ms >= expiration_ms;
  });
  return before - producers_.size();
}

void producer_state::evict() {
  // A tenth at once, so that the scan is paid for by the ten thousand next newcomers.
  const int64_t first_staged = undo_.front().offset;  // the newcomer's own is there
  std::vector<int64_t> seen;
  seen.reserve(producers_.size());
  for (const auto& [id, entry] : producers_)
    if (entry.transaction_first_offset < 0 && entry.touched_offset < first_staged)
      seen.push_back(entry.seen_ms);
  if (seen.empty()) return;  // all of them are at work: they stay
  const auto nth = seen.begin() + static_cast<std::ptrdiff_t>(seen.size() / 10);
  std::nth_element(seen.begin(), nth, seen.end());
  const int64_t limit_ms = *nth;
  size_t left = seen.size() / 10 + 1;
  absl::erase_if(producers_, [limit_ms, first_staged, &left](const auto& item) {
    const producer_entry& entry = item.second;
    if (left == 0 || entry.transaction_first_offset >= 0 || entry.touched_offset >= first_staged ||
        entry.seen_ms > limit_ms)
      return false;
    --left;
    return true;
  });
}

void producer_state::log_start(int64_t offset) {
  while (!aborted_.empty() && aborted_.front().last_offset < offset) aborted_.pop_front();
}

}  // namespace weir::kafka
