// What readers of a partition are told: batches, offsets, epochs.
#include <algorithm>

#include "runtime/kafka/partition/partition.hpp"

namespace weir::kafka {

error_code partition::check_leader_epoch(int32_t current) const noexcept {
  if (current < 0 || current == leader_epoch_) return error_code::none;
  return current < leader_epoch_ ? error_code::fenced_leader_epoch
                                 : error_code::unknown_leader_epoch;
}

fetch_answer partition::offsets() const {
  fetch_answer out;
  out.high_watermark = high_watermark();
  out.last_stable_offset = last_stable_offset();
  out.log_start_offset = log_start_offset();
  return out;
}

error_code partition::check_reader(int32_t current_epoch, bool leader_only) const noexcept {
  const error_code e = check_leader_epoch(current_epoch);
  if (e != error_code::none || leads() || !leader_only) return e;
  return error_code::not_leader_or_follower;
}

fetch_answer partition::fetch(const fetch_query& query) {
  const bool follower = query.replica >= 0;
  fetch_answer out = offsets();
  out.read.next_offset = query.offset;
  out.error = check_reader(query.current_leader_epoch, query.leader_only || follower);
  if (out.error != error_code::none) return out;
  // A node that is no replica yet: its role may be newer than ours.
  if (follower && !(leader_ && leader_->knows(query.replica))) {
    out.error = query.current_leader_epoch >= 0 ? error_code::unknown_leader_epoch
                                                : error_code::not_leader_or_follower;
    return out;
  }
  // A follower beyond the bounds needs them; Kafka's asks for them by ListOffsets.
  const auto tell_bounds = [this, follower, &out] {
    if (follower) out.diverging = epoch_end{std::max(epochs_.latest(), 0), log_end_offset()};
  };
  if (query.last_fetched_epoch >= 0) {
    const epoch_end end = epochs_.end_of(query.last_fetched_epoch, log_end_offset());
    if (end.epoch < 0 || query.offset < out.log_start_offset) {
      out.error = error_code::offset_out_of_range;
      tell_bounds();
      return out;
    }
    if (end.epoch < query.last_fetched_epoch || end.end_offset < query.offset) {
      out.diverging = end;
      return out;
    }
  }
  // Between the high watermark and the end there is nothing for a consumer yet.
  if (query.offset < out.log_start_offset || query.offset > log_end_offset()) {
    // Whoever names no epoch may take this replica, which is behind, for the leader; told that the
    // offset is out of range it would begin at the start of the log.
    const bool misled =
        !follower && !leads() && query.current_leader_epoch < 0 && query.offset > log_end_offset();
    out.error = misled ? error_code::not_leader_or_follower : error_code::offset_out_of_range;
    tell_bounds();
    return out;
  }
  if (follower) {
    // Its position is in this log: what it has is what stands here.
    if (query.note_position) {
      now_ms_ = std::max(now_ms_, query.now_ms);
      out.error = leader_->fetched(
          {query.replica, query.incarnation, query.offset, query.replica_log_start, query.now_ms},
          log_end_offset());
      if (out.error != error_code::none) return out;
      advance();
      out.high_watermark = high_watermark();
      out.last_stable_offset = last_stable_offset();
    }
    out.news = leader_->tell(query.replica, out.high_watermark, out.log_start_offset);
  } else if (query.near && leader_ &&
             !std::binary_search(query.near->begin(), query.near->end(), role_.self)) {
    out.preferred_replica = leader_->preferred_of(*query.near, query.offset);
    if (out.preferred_replica != no_node) return out;
  }
  const int64_t limit = follower || query.level == isolation::replica ? log_end_offset()
                        : query.level == isolation::read_committed    ? out.last_stable_offset
                                                                      : out.high_watermark;
  if (query.offset >= limit) return out;
  const read_request request{query.offset, query.bytes_max, limit, query.whole_first};
  auto read = log_->try_read(request);
  if (!read) {
    out.job = log_->read_job(request);
    return out;
  }
  return complete_fetch(query, out.last_stable_offset, std::move(*read));
}

fetch_answer partition::complete_fetch(const fetch_query& query, int64_t last_stable_offset,
                                       result<log_read> read) {
  fetch_answer out = offsets();
  // What the reader may take as stable is what was stable when the read began.
  out.last_stable_offset = std::min(out.last_stable_offset, last_stable_offset);
  // Aborted transactions below the log's start are forgotten, so nothing from there may be sent.
  if (query.offset < out.log_start_offset || (!read.ok() && read.err().code == errc::not_found)) {
    out.error = error_code::offset_out_of_range;
    return out;
  }
  if (!read.ok()) {
    out.error = error_code::kafka_storage_error;
    return out;
  }
  out.read = std::move(*read);
  if (query.level == isolation::read_committed && out.read.bytes > 0)
    out.aborted = producers_.aborted_in(query.offset, out.read.next_offset);
  std::sort(out.aborted.begin(), out.aborted.end(),
            [](const auto& a, const auto& b) { return a.first_offset < b.first_offset; });
  return out;
}

offset_answer partition::list_offset(int64_t timestamp_ms, isolation level,
                                     int32_t current_leader_epoch) {
  offset_answer out;
  out.error = check_reader(current_leader_epoch, true);
  if (out.error != error_code::none) return out;
  // KIP-207: a new leader does not know yet how far the one before had told its readers.
  const bool behind = leader_ && high_watermark() < leader_->epoch_start();
  const int64_t limit = level == isolation::replica          ? log_end_offset()
                        : level == isolation::read_committed ? last_stable_offset()
                                                             : high_watermark();
  switch (timestamp_ms) {
    case offset_latest:
      if (behind && level != isolation::replica) {
        out.error = error_code::offset_not_available;
        return out;
      }
      out.offset = limit;
      out.leader_epoch = epochs_.latest();
      return out;
    case offset_earliest:
    case offset_earliest_local:
      out.offset = log_start_offset();
      out.leader_epoch = epochs_.epoch_at(out.offset);
      return out;
    case offset_latest_tiered:
      return out;  // nothing is tiered
    case offset_max_timestamp:
      if (high_watermark() > log_start_offset())
        out.job = log_->max_timestamp_job(high_watermark());
      return out;
    default:
      break;
  }
  if (timestamp_ms < 0) {
    out.error = error_code::unsupported_version;
    return out;
  }
  if (limit > log_start_offset()) out.job = log_->timestamp_job(timestamp_ms, limit);
  return out;
}

offset_answer partition::complete_offset(result<timestamp_offset> found) const {
  offset_answer out;
  if (!found.ok()) {
    out.error = error_code::kafka_storage_error;
    return out;
  }
  if (found->offset < log_start_offset()) return out;  // nothing, or deleted meanwhile
  out.timestamp_ms = found->timestamp_ms;
  out.offset = found->offset;
  out.leader_epoch = epochs_.epoch_at(found->offset);
  return out;
}

std::pair<error_code, epoch_end> partition::offset_for_leader_epoch(int32_t current_leader_epoch,
                                                                    int32_t epoch) const {
  const error_code error = check_reader(current_leader_epoch, true);
  if (error != error_code::none) return {error, {}};
  return {error, epochs_.end_of(epoch, log_end_offset())};
}

}  // namespace weir::kafka
