#include "runtime/kafka/partition/partition.hpp"

#include <algorithm>

#include "runtime/kafka/partition/snapshot.hpp"

namespace weir::kafka {

batch_facts facts_of(record_batch_view batch, int64_t base_offset) {
  return {batch.producer_id(),       batch.producer_epoch(), batch.base_sequence(),   base_offset,
          batch.last_offset_delta(), batch.max_timestamp(),  batch.is_transactional()};
}

partition::partition(std::unique_ptr<partition_log> log, std::string folder, file_system& files,
                     partition_config config, int32_t leader_epoch)
    : log_(std::move(log)),
      folder_(std::move(folder)),
      files_(files),
      config_(std::move(config)),
      leader_epoch_(leader_epoch) {}

partition::~partition() = default;

void partition::set_config(const partition_config& config, const log_config& log) {
  config_ = config;
  log_->set_config(log);
  if (leader_) leader_->set_lag(config_.replica_lag_ms_max);
}

int64_t partition::last_stable_offset() const {
  const int64_t end = high_watermark();
  const auto unstable = producers_.first_unstable_offset();
  // DeleteRecords may have gone past an open transaction's start.
  return unstable ? std::max(std::min(*unstable, end), log_start_offset()) : end;
}

progress partition::committed(int64_t end_offset) {
  log_->committed(end_offset);
  if (replicated_) {
    producers_.durable(end_offset);
    advance();
  } else {
    producers_.committed(end_offset);
  }
  return now();
}

progress partition::failed() {
  log_->rollback();
  // In an empty log the first batch may have begun in front of its end.
  producers_.roll_back(log_->size_bytes() == 0 ? 0 : log_end_offset());
  epochs_.truncate(log_end_offset());
  if (leader_) {
    leader_->lower_epoch_start(log_end_offset());
    epochs_.assign(leader_epoch_, log_end_offset());
  }
  return now();
}

delete_records_answer partition::delete_records(int64_t offset) {
  delete_records_answer out;
  if (offset == -1) offset = high_watermark();
  if (offset < 0 || offset > high_watermark()) {
    out.error = error_code::offset_out_of_range;
    out.message = "cannot delete up to offset " + std::to_string(offset) +
                  ": the high watermark is " + std::to_string(high_watermark());
    return out;
  }
  if (offset > log_start_offset()) {
    if (auto done = log_->delete_records(offset); !done.ok()) {
      out.error = error_code::kafka_storage_error;
      out.message = done.err().message;
      return out;
    }
    producers_.log_start(log_start_offset());
    epochs_.log_start(log_start_offset());
  }
  out.low_watermark = log_start_offset();
  return out;
}

size_t partition::apply_retention(int64_t now_ms) {
  producers_.expire(now_ms, config_.producer_expiration_ms);
  absl::erase_if(verifications_, [this, now_ms](const auto& item) {
    return now_ms - item.second.since_ms >= config_.producer_expiration_ms;
  });
  const int64_t start = log_start_offset();
  const size_t dropped = log_->apply_retention(now_ms, high_watermark());
  if (log_start_offset() != start) {
    producers_.log_start(log_start_offset());
    epochs_.log_start(log_start_offset());
  }
  return dropped;
}

compaction_options partition::make_compaction_options() const {
  // The job runs on another thread: it gets copies.
  struct facts {
    std::vector<aborted_transaction> aborted;  // by producer, then by last offset
    absl::flat_hash_map<int64_t, std::vector<int64_t>> last_offsets;
  };
  auto known = std::make_shared<facts>();
  known->aborted.assign(producers_.aborted().begin(), producers_.aborted().end());
  std::sort(known->aborted.begin(), known->aborted.end(), [](const auto& a, const auto& b) {
    return std::pair(a.producer_id, a.last_offset) < std::pair(b.producer_id, b.last_offset);
  });
  known->last_offsets = producers_.batch_ends();
  compaction_options out;
  out.limit = last_stable_offset();
  out.is_aborted = [known](record_batch_view batch) {
    if (!batch.is_transactional() || batch.is_control()) return false;
    const std::pair key(batch.producer_id(), batch.base_offset());
    const auto at = std::lower_bound(
        known->aborted.begin(), known->aborted.end(), key,
        [](const auto& a, const auto& k) { return std::pair(a.producer_id, a.last_offset) < k; });
    return at != known->aborted.end() && at->producer_id == key.first &&
           at->first_offset <= key.second;
  };
  out.is_last_of_producer = [known](record_batch_view batch) {
    const auto found = known->last_offsets.find(batch.producer_id());
    return found != known->last_offsets.end() &&
           std::find(found->second.begin(), found->second.end(), batch.last_offset()) !=
               found->second.end();
  };
  return out;
}

std::vector<log_chore> partition::take_chores() {
  std::vector<log_chore> chores = log_->take_chores();
  const commit_point point = log_->committed_point();
  const bool rolled = snapshot_segment_ >= 0 && point.segment_base != snapshot_segment_;
  // A snapshot from before the log's start is of no use: batches behind it are gone.
  const bool outdated =
      log_start_offset() > std::max<int64_t>(snapshot_offset_, 0) && !producers_.empty();
  if (bytes_since_snapshot_ < snapshot_interval_bytes && !rolled && !outdated) {
    if (snapshot_segment_ < 0) snapshot_segment_ = point.segment_base;
    return chores;
  }
  snapshot_segment_ = point.segment_base;
  bytes_since_snapshot_ = 0;
  if (point.end_offset <= snapshot_offset_) return chores;
  snapshot_offset_ = point.end_offset;
  auto write = [&files = files_, folder = folder_, offset = point.end_offset,
                bytes = encode_snapshot(log_->id(), point.end_offset, log_start_offset(), epochs_,
                                        producers_),
                outdated] { return write_snapshot(files, folder, offset, bytes, outdated); };
  // Before the log starts anew: else a crash would leave nothing that knows of older batches.
  chores.insert(outdated ? chores.begin() : chores.end(), std::move(write));
  return chores;
}

}  // namespace weir::kafka
