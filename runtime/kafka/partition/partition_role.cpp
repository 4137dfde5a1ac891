// A partition's place in the cluster: leader or follower, the high watermark, copies, truncation.
#include <algorithm>

#include "runtime/kafka/partition/partition.hpp"

namespace weir::kafka {

void partition::set_role(const partition_role& role, int64_t now_ms) {
  if (role_.self != no_node && role.version < role_.version) return;
  now_ms_ = std::max(now_ms_, now_ms);
  const bool first = role_.self == no_node;
  const bool led = leads();
  const bool new_epoch = first || role.leader_epoch != role_.leader_epoch;
  role_ = role;
  leader_epoch_ = role.leader_epoch;
  const bool alone = role.leads() && role.replicas.size() == 1;
  if (alone == replicated_) {
    // Alone, all that is durable here is committed.
    if (alone) producers_.committed(log_end_offset());
    if (!first) high_watermark_ = log_end_offset();
    replicated_ = !alone;
  }
  if (role.leads()) {
    if (new_epoch) epochs_.assign(role.leader_epoch, log_->staged_end_offset());
    if (!replicated_)
      leader_.reset();
    else if (leader_)
      leader_->set_role(role, log_->staged_end_offset(), now_ms);
    else
      leader_ = std::make_unique<leader_view>(role, log_->staged_end_offset(),
                                              config_.replica_lag_ms_max, now_ms);
  } else {
    leader_.reset();
    // An epoch of our own that wrote nothing is in no other log.
    epochs_.truncate(log_->staged_end_offset());
    if (led || new_epoch) {
      verifications_.clear();
      leader_high_watermark_ = leader_log_start_ = -1;
    }
  }
  if (replicated_) advance();
}

bool partition::enough_in_sync() const noexcept {
  if (!replicated_) return true;
  // As Kafka has it: more than there are replicas cannot be asked for.
  const auto needed =
      std::min<size_t>(static_cast<size_t>(std::max(role_.min_in_sync, 1)), role_.replicas.size());
  return role_.in_sync.size() >= needed;
}

/// Never back: what readers were told stands.
void partition::advance() {
  if (!replicated_) return;
  int64_t end = high_watermark_;
  if (leader_)
    end = leader_->committed_end(log_end_offset(), now_ms_);
  else if (!role_.leads())
    end = std::min(leader_high_watermark_, log_end_offset());
  if (end > high_watermark_) {
    high_watermark_ = end;
    producers_.committed(end);
  }
  // A follower's log starts where the leader's does, as far as both have it.
  if (!role_.leads() && leader_log_start_ > log_start_offset() &&
      leader_log_start_ <= high_watermark_ && log_->delete_records(leader_log_start_).ok()) {
    producers_.log_start(log_start_offset());
    epochs_.log_start(log_start_offset());
  }
}

progress partition::look(int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  advance();
  return now();
}

std::optional<in_sync_proposal> partition::propose(int64_t now_ms) {
  if (!leader_) return std::nullopt;
  now_ms_ = std::max(now_ms_, now_ms);
  return leader_->propose(high_watermark_, log_end_offset(), log_start_offset(), now_ms_);
}

void partition::answered(uint64_t proposal, error_code answer, int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  if (!leader_) return;
  leader_->answered(proposal, answer, now_ms_);
  advance();
}

int64_t partition::low_watermark() const {
  const int64_t own = log_->durable_start_offset();
  return leader_ ? leader_->low_watermark(own) : own;
}

bool partition::waits_for_time(int64_t now_ms) const {
  return leader_ && leader_->waits_for_time(log_end_offset(), now_ms);
}

copy_position partition::position() const {
  weir_assert(log_->staged_end_offset() == log_end_offset(),
              "a follower reads on when what it has is durable");
  return {log_end_offset(), epochs_.latest(), log_->durable_start_offset()};
}

copy_outcome partition::copy(std::span<const std::byte> batches, std::shared_ptr<const void> owner,
                             int32_t leader_epoch, int64_t now_ms) {
  copy_outcome out;
  if (!role_.follows() || leader_epoch != role_.leader_epoch) {
    out.error =
        !role_.follows() ? error_code::not_leader_or_follower : error_code::fenced_leader_epoch;
    out.message = config_.name + ": these batches are not of its leader in epoch " +
                  std::to_string(role_.leader_epoch);
    return out;
  }
  now_ms_ = std::max(now_ms_, now_ms);
  // Checked as a whole before anything is staged, but for what damage follows: that much is good.
  size_t from = 0, to = 0;
  while (to < batches.size()) {
    const auto rest = batches.subspan(to);
    auto header = peek_batch(rest);
    // A last batch that is cut off comes again.
    if (rest.size() < record_batch_header_bytes ||
        (header.ok() && header->size_bytes() > rest.size()))
      break;
    auto batch = verify_batch(rest, {batch_origin::log, segment_bytes_max});
    if (batch.ok() && batch->leader_epoch() > leader_epoch)
      batch = error(errc::corrupt, "its leader epoch " + std::to_string(batch->leader_epoch()) +
                                       " is of the future");
    if (!batch.ok()) {
      out.error = error_code::corrupt_message;
      out.message = config_.name + ": from the leader: " + batch.err().message;
      break;
    }
    to += batch->size_bytes();
    if (batch->next_offset() <= log_->staged_end_offset()) from = to;  // it is here
  }
  for (auto rest = batches.subspan(from, to - from); !rest.empty();) {
    const auto before = rest;
    auto staged = log_->stage_copied(rest, owner, now_ms);
    if (!staged.ok()) {
      out.error = staged.err().code == errc::invalid_argument ? error_code::offset_out_of_range
                                                              : error_code::kafka_storage_error;
      out.message = config_.name + ": " + staged.err().message;
      return out;
    }
    for (auto taken = before.first(before.size() - rest.size()); !taken.empty();) {
      const record_batch_view batch(taken);
      const record_batch_view whole(taken.first(batch.size_bytes()));
      // A marker that cannot be read is a problem of the leader's log: recovery_ has it.
      (void)note_copied(whole, true, now_ms);
      taken = taken.subspan(whole.size_bytes());
    }
    staged->write.high_watermark = high_watermark_;
    out.end_offset = staged->last_offset + 1;
    out.writes.push_back(std::move(staged->write));
  }
  return out;
}

progress partition::followed(int32_t leader_epoch, int64_t leader_high_watermark,
                             int64_t leader_log_start) {
  if (!leads() && leader_epoch == role_.leader_epoch) {
    leader_high_watermark_ = std::max(leader_high_watermark_, leader_high_watermark);
    leader_log_start_ = std::max(leader_log_start_, leader_log_start);
    advance();
  }
  return now();
}

truncation partition::truncation_for(epoch_end diverging) const {
  // Kafka's getOffsetTruncationState: if we do not know the epoch that the leader named, the end of
  // the newest one before it is where we are surely the same, and the leader is asked again.
  const epoch_end ours = epochs_.end_of(diverging.epoch, log_end_offset());
  int64_t to = std::min(diverging.end_offset, log_end_offset());
  if (ours.epoch >= 0)
    to = ours.epoch == diverging.epoch ? std::min(to, ours.end_offset)
                                       : std::min(ours.end_offset, log_end_offset());
  if (to < log_start_offset()) return {to, true};
  return {to, false};
}

}  // namespace weir::kafka
