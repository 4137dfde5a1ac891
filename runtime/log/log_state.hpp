// The inside of partition_log, shared by its source files only.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>

#include "runtime/log/batch_walk.hpp"
#include "runtime/log/partition_log.hpp"
#include "runtime/log/segment_index.hpp"

namespace weir {

/// One segment as the log's owner sees it. Closed ones have no index here: it is in the cache or in
/// its file.
struct log_segment {
  int64_t base = 0;
  segment_file_ptr file;
  int64_t created_ms = 0;  // when its first batch was staged; 0: not known, it was found on disk
  // What is staged; of the last segment more than what is committed.
  uint64_t staged_bytes = 0;
  int64_t staged_max_timestamp = -1;
  // What is committed.
  uint64_t bytes = 0;
  int64_t end_offset = 0;
  int64_t max_timestamp = -1;
  int64_t max_timestamp_offset = -1;
  std::vector<segment_hole> holes;
  std::shared_ptr<segment_index> index;  // until it is closed
  bool sealed = false;                   // closed, committed, and its index handed to a chore

  segment_facts facts() const {
    return {base, end_offset, bytes, max_timestamp, max_timestamp_offset, holes};
  }
};

/// Offsets and positions of the last batches, so that readers at the end need no disk.
class recent_batches {
 public:
  static constexpr size_t size_max = 128;
  struct entry {
    int64_t offset;
    int64_t segment_base;
    uint64_t position;
  };
  void add(entry e) {
    if (entries_.size() < size_max)
      entries_.push_back(e);
    else
      entries_[next_] = e;
    next_ = (next_ + 1) % size_max;
  }
  void clear() {
    entries_.clear();
    next_ = 0;
  }
  /// Where the batch with exactly this base offset stands.
  std::optional<uint64_t> position_of(int64_t segment_base, int64_t offset) const;
  /// The last batch of the segment at or below the position.
  std::optional<entry> at_position(int64_t segment_base, uint64_t position) const;

 private:
  std::vector<entry> entries_;
  size_t next_ = 0;
};

/// A segment for reading: what is committed of it now. Independent of the log when `index` is
/// shared.
struct readable_segment {
  segment_file_ptr file;
  int64_t base = 0;
  int64_t end_offset = 0;
  uint64_t bytes = 0;
  int64_t max_timestamp = -1;
  const segment_index* index = nullptr;  // null: to be loaded
  segment_index_ptr index_owner;
  const recent_batches* recent = nullptr;
  std::vector<segment_hole> holes;
};

/// What read() gives over segments in order, the first of which holds the offset. Without
/// `may_block` nothing when the disk would be needed.
result<std::optional<log_read>> resolve_read(file_system&, std::vector<readable_segment>& segments,
                                             const read_request&, bool may_block);
/// The index of a closed segment: from memory, from its file, or by walking its batches.
result<segment_index_ptr> load_index(file_system&, const segment_file_ptr&, int64_t base,
                                     uint64_t bytes);

struct pending_stage {
  int64_t end_offset;
  int64_t segment_base;
  uint64_t position;  // behind it
  int64_t max_timestamp;
  int64_t max_timestamp_offset;
};

struct partition_log::state {
  state(file_cache& c, log_id id, std::string folder_path, log_config cfg, uint64_t owner)
      : cache(c), folder(std::move(folder_path)), config(cfg) {
    lane = std::make_shared<const log_lane>(log_lane{id, owner, folder});
  }

  file_cache& cache;
  std::string folder;
  log_config config;
  log_lane_ptr lane;
  recovery_report report;

  std::deque<log_segment> segments;  // in order; the last one is written
  int64_t start_offset = 0;
  /// What is written of it; chores write it down.
  std::shared_ptr<std::atomic<int64_t>> written_start = std::make_shared<std::atomic<int64_t>>(0);
  int64_t end_offset = 0;  // committed
  int64_t staged_end = 0;
  uint64_t generation = 1;
  std::deque<pending_stage> pending;
  recent_batches recent;
  std::vector<log_chore> chores;
  bool compacting = false;
  uint64_t compactions = 0;
  int64_t cleaned_end = 0;  // offsets below were compacted with each other

  file_system& files() { return cache.files(); }
  std::string segment_path(int64_t base) const;
  std::string start_path() const { return folder + "/log-start"; }
  log_segment& add_segment(int64_t base, int64_t created_ms);
  uint64_t segment_limit() const {
    return std::clamp(config.segment_bytes, segment_bytes_min, segment_bytes_max);
  }

  // Staging.
  log_segment& segment_for(uint64_t bytes, int64_t end, int64_t now_ms);
  log_write write_for(const log_segment&, std::span<const std::byte> batches,
                      std::shared_ptr<const void> owner, int64_t end) const;
  void note_staged(log_segment&, record_batch_view, pending_stage&);

  /// The segment that holds the offset or the first one behind it; size() when there is none.
  size_t segment_of(int64_t offset) const;
  /// Hands the indexes of closed and committed segments to chores.
  void seal();
  /// Removes segments from the front while `drop` says so, and moves the start.
  size_t drop_segments(size_t count, int64_t new_start);
  std::vector<readable_segment> readable(int64_t offset, uint64_t bytes_max, bool for_job,
                                         size_t segments_max);

  // Opening.
  status recover(const log_open_options&);
  /// Whether the segments behind it stay.
  result<bool> recover_segment(const log_open_options&, int64_t base,
                               std::optional<int64_t> next_base);
  /// Takes over what was found; a closed segment when `next_base` is there.
  void adopt(log_segment&, segment_facts, segment_index, std::optional<int64_t> next_base);
  struct cut_segment {
    segment_facts facts;
    segment_index index;
  };
  result<cut_segment> cut_at(const log_segment&, int64_t offset) const;
  status remove_segment_files(int64_t base);
  status finish_recovery(const log_open_options&);
  status end_at_damage(int64_t acknowledged);
  status open_clean(std::string_view summary);
};

/// 20 digits, as Kafka names its files.
std::string segment_name(int64_t base);
/// The offset in "00000000000000000042.log"; nothing for other names or suffixes.
std::optional<int64_t> parse_segment_name(std::string_view name, std::string_view suffix);

}  // namespace weir
