// Opening a partition: producer state from the record of a clean stop, else from the newest usable
// snapshot and the batches behind it, else from all batches.
#include <algorithm>

#include "runtime/kafka/partition/byte_io.hpp"
#include "runtime/kafka/partition/partition.hpp"
#include "runtime/kafka/partition/snapshot.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir::kafka {

namespace {

/// A control batch is a header and one small record.
constexpr uint64_t control_batch_bytes_max = 4096;

/// In front of the record of a clean stop when others have the partition too: its high watermark.
constexpr uint64_t replicated_magic = 0x3130'4c50'4552'4557;  // "WEREPL01"

std::pair<std::optional<int64_t>, std::string_view> split_clean_state(std::string_view text) {
  byte_reader in(std::as_bytes(std::span(text)));
  if (in.number<uint64_t>() != replicated_magic) return {std::nullopt, text};
  const auto high_watermark = in.number<int64_t>();
  if (!in.ok()) return {std::nullopt, text};
  return {high_watermark, text.substr(16)};
}

/// The whole of a small batch of which only the header was read.
result<std::vector<std::byte>> read_batch(partition_log& log, record_batch_view batch) {
  const size_t bytes = batch.size_bytes();
  if (bytes > control_batch_bytes_max)
    return error(errc::corrupt, "a control batch has " + std::to_string(bytes) + " bytes");
  WEIR_ASSIGN(const log_read read, log.read({.offset = batch.base_offset(), .bytes_max = bytes}));
  if (read.slices.empty() || read.slices[0].bytes < bytes)
    return error(errc::not_found, "the batch cannot be read");
  WEIR_ASSIGN(const auto file, read.slices[0].file->open());
  std::vector<std::byte> out(bytes);
  WEIR_ASSIGN(const size_t got, file->read(read.slices[0].position, out));
  if (got != bytes) return error(errc::corrupt, "the file ends within the batch");
  return out;
}

}  // namespace

result<std::unique_ptr<partition>> partition::open(file_cache& cache, log_id id, std::string folder,
                                                   log_config log, partition_config config,
                                                   partition_open_options options) {
  WEIR_ASSIGN(auto opened, partition_log::open(cache, id, folder, log, options.log));
  std::unique_ptr<partition> out(new partition(std::move(opened), std::move(folder), cache.files(),
                                               std::move(config), options.leader_epoch));
  WEIR_TRY(out->recover(options));
  // Replication goes on from what was known; a lower high watermark only makes readers wait.
  out->high_watermark_ = options.log.committed ? options.log.committed->high_watermark : 0;
  if (auto kept = split_clean_state(options.clean_state).first; kept && out->recovery_.clean)
    out->high_watermark_ = *kept;
  out->high_watermark_ = std::clamp(out->high_watermark_, out->log_start_offset(),
                                    std::max(out->log_end_offset(), out->log_start_offset()));
  if (options.role.self != no_node) out->set_role(options.role, options.now_ms);
  out->producers_.committed(out->high_watermark());
  return out;
}

status partition::recover(const partition_open_options& options) {
  if (!options.clean_state.empty()) {
    auto state = decode_snapshot(
        log_->id(), std::as_bytes(std::span(split_clean_state(options.clean_state).second)),
        options.now_ms);
    if (state.ok() && state->offset == log_->log_end_offset()) {
      producers_ = std::move(state->producers);
      epochs_ = std::move(state->epochs);
      recovery_.clean = true;
      snapshot_offset_ = state->offset;
      return {};
    }
    recovery_.problems.push_back(
        "the record of the clean stop is not used: " +
        (state.ok() ? "it is of offset " + std::to_string(state->offset) : state.err().message));
  }
  return rebuild(options.now_ms);
}

status partition::rebuild(int64_t now_ms) {
  producers_ = {};
  epochs_ = {};
  snapshot_offset_ = -1;
  bytes_since_snapshot_ = 0;
  const int64_t end = log_->log_end_offset();
  WEIR_ASSIGN(const auto snapshots, list_snapshots(files_, folder_));
  int64_t from = log_start_offset();
  for (const snapshot_file& file : snapshots) {
    std::string problem;
    if (file.offset > end) {
      problem = "it is ahead of the log's end " + std::to_string(end);
    } else if (file.offset < log_start_offset()) {
      // Between it and the log's start batches are missing: what it says of sequences is too old.
      problem = "it is behind the log's start " + std::to_string(log_start_offset());
    } else {
      auto bytes = read_whole_file(files_, file.path, snapshot_bytes_max);
      auto state = bytes.ok()
                       ? decode_snapshot(log_->id(), std::as_bytes(std::span(*bytes)), now_ms)
                       : result<partition_snapshot>(bytes.err());
      if (state.ok() && state->offset == file.offset) {
        // The log may have forgotten a deletion that was not written down yet; the snapshot counts
        // on it.
        if (state->log_start > log_start_offset()) WEIR_TRY(log_->delete_records(state->log_start));
        producers_ = std::move(state->producers);
        epochs_ = std::move(state->epochs);
        recovery_.snapshot_offset = snapshot_offset_ = file.offset;
        from = file.offset;
        break;
      }
      problem = state.ok() ? "its name and content differ" : state.err().message;
    }
    recovery_.problems.push_back("snapshot " + file.path + " is removed: " + problem);
    WEIR_TRY(files_.remove(file.path));
  }
  // Begins with the batch that holds the log's start, if that lies within one: it is still read.
  if (from < end)
    WEIR_TRY(log_->visit_batches(
        from, [this, now_ms](record_batch_view batch) { return replay(batch, now_ms); }));
  producers_.log_start(log_->log_start_offset());
  epochs_.log_start(log_->log_start_offset());
  return {};
}

status partition::replay(record_batch_view batch, int64_t now_ms) {
  ++recovery_.batches_scanned;
  WEIR_TRY(note_copied(batch, false, now_ms));
  producers_.durable(batch.next_offset());
  return {};
}

status partition::note_copied(record_batch_view batch, bool whole, int64_t now_ms) {
  bytes_since_snapshot_ += batch.size_bytes();
  epochs_.assign(batch.leader_epoch(), batch.base_offset());
  if (!batch.has_producer()) return {};
  const batch_facts facts = facts_of(batch, batch.base_offset());
  if (!batch.is_control()) {
    producers_.stage(facts, now_ms);
  } else if (batch.record_count() > 0) {  // else compaction has taken the whole transaction
    auto bytes =
        whole ? result<std::vector<std::byte>>(std::vector<std::byte>()) : read_batch(*log_, batch);
    auto marker = !bytes.ok() ? result<control_marker>(bytes.err())
                              : read_control_marker(whole ? batch : record_batch_view(*bytes));
    if (!marker.ok()) {
      recovery_.problems.push_back("the marker at offset " + std::to_string(batch.base_offset()) +
                                   " cannot be read: " + marker.err().message);
      return {};
    }
    if (marker->type == control_type::other) return {};  // not about transactions
    producers_.stage_marker(
        facts, {marker->type == control_type::commit, marker->coordinator_epoch}, now_ms);
  }
  return {};
}

status partition::truncate_to(int64_t offset, int64_t now_ms) {
  weir_assert(!producers_.has_staged(), "truncation with batches under way");
  // An epoch of our own that wrote nothing.
  epochs_.truncate(offset);
  if (offset >= log_->log_end_offset()) return {};
  return cut({offset, false}, now_ms);
}

result<std::optional<commit_point>> partition::point_for(const truncation& how) const {
  if (how.restart) return std::optional<commit_point>();
  WEIR_ASSIGN(auto left, log_->point_at(how.offset));
  left.high_watermark = std::min(high_watermark_, left.end_offset);
  return std::optional(left);
}

status partition::truncate(const truncation& how, int64_t now_ms) {
  return how.restart ? cut(how, now_ms) : truncate_to(how.offset, now_ms);
}

status partition::cut(const truncation& how, int64_t now_ms) {
  // First the snapshots: one that lies beyond the end would be believed once the log has grown
  // again.
  WEIR_ASSIGN(const auto snapshots, list_snapshots(files_, folder_));
  for (const snapshot_file& file : snapshots)
    if (how.restart || file.offset > how.offset) WEIR_TRY(files_.remove(file.path));
  WEIR_TRY(how.restart ? log_->restart_at(how.offset) : log_->truncate_to(how.offset));
  verifications_.clear();
  WEIR_TRY(rebuild(now_ms));
  high_watermark_ = how.restart ? log_end_offset() : std::min(high_watermark_, log_end_offset());
  snapshot_segment_ = -1;
  producers_.committed(high_watermark());
  return {};
}

std::string partition::clean_state() const {
  weir_assert(!producers_.has_staged(), "a clean stop with batches under way");
  std::string out;
  if (replicated_) {
    put_number(out, replicated_magic);
    put_number(out, high_watermark_);
  }
  return out +
         encode_snapshot(log_->id(), log_end_offset(), log_start_offset(), epochs_, producers_);
}

}  // namespace weir::kafka
