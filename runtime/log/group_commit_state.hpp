// The inside of group_commit, shared by its source files only.
#pragma once

#include <future>
#include <map>
#include <unordered_map>

#include "runtime/log/commit_journal.hpp"
#include "runtime/log/commit_points.hpp"
#include "runtime/log/group_commit.hpp"

namespace weir {

/// What a failure left behind a file's committed end.
struct damaged_file {
  segment_file_ptr file;
  uint64_t cut = 0;
};

struct lane_state {
  log_lane_ptr lane;
  uint64_t generation = 0;
  std::optional<uint64_t> failed_generation;
  std::optional<uint64_t> journal_lap;
  std::vector<damaged_file> damaged;
  // The last write that was committed: read back after a failure.
  segment_file_ptr tail;
  uint64_t tail_begin = 0, tail_end = 0;
  segment_file_ptr allocated_file;
  uint64_t allocated = 0;
  // Of the round.
  uint64_t round = 0;
  std::optional<int64_t> committed_end;
  std::optional<error> failed;
};

/// All writes of a round to one file.
struct file_round {
  lane_state* lane = nullptr;
  segment_file_ptr file;
  std::shared_ptr<positional_file> open;  // while it is held
  std::vector<std::span<const std::byte>> pieces;
  uint64_t begin = 0, end = 0;
  uint64_t last_begin = 0;  // of its last write
  int64_t segment_base = 0;
  int64_t end_offset = 0;
  int64_t high_watermark = 0;
  uint64_t allocate_max = 0;
  uint64_t identity = 0;
  bool sync = false;
  bool written = false;
  status outcome;
};

struct group_commit::state {
  state(file_cache& c, group_commit_options o) : cache(c), options(std::move(o)) {}

  file_cache& cache;
  group_commit_options options;
  group_commit_stats stats;
  std::unique_ptr<commit_points> points;
  std::unique_ptr<commit_journal> journal;
  std::future<status> turning;  // makes the journal's other file free
  uint64_t lane_of_work = 0;    // at the executor
  // A sync failed since the journal was emptied: the system may have dropped what the journal still
  // has, and no later sync will say so.
  bool suspect = false;
  std::map<log_id, lane_state> lanes;
  // Of the round.
  uint64_t round = 0;
  std::vector<lane_state*> touched;
  std::vector<file_round> files;
  std::unordered_map<const segment_file*, size_t> file_of;
  std::vector<std::string> created_folders;
  bool sync_failed = false;  // after its writes: the system may have dropped them

  lane_state& lane_of(const log_write&);
  void add(log_write&);
  void begin_points();
  status begin_generation(lane_state&);
  status repair(lane_state&, const damaged_file&);
  void write_files();
  status write_file(file_round&);
  status open_file(file_round&);
  void reserve(file_round&);
  void sync_files();
  bool sync_by_journal(size_t count);
  bool make_room(uint64_t bytes);
  void sync_directly(size_t count);
  status write_again(file_round&);
  status sync_created_folders();
  status sync_one(file_round&);
  void conclude(std::vector<commit_outcome>&);
  status checkpoint();
  status sync_all();
};

}  // namespace weir
