#include "runtime/log/group_commit.hpp"

#include <algorithm>
#include <bit>
#include <future>
#include <map>
#include <unordered_map>

#include "runtime/log/commit_journal.hpp"
#include "runtime/log/commit_points.hpp"
#include "runtime/log/record_batch.hpp"

namespace weir {
namespace {

/// Space is reserved in doubling steps, so that 10,000 almost empty partitions take 160 MiB and a
/// busy one is not held up; from here on in steps of the largest.
constexpr uint64_t allocate_first = uint64_t{16} << 10;
constexpr uint64_t allocate_step_max = uint64_t{16} << 20;
/// Files of a round that are kept open until it is synced; of more than these only some stay in the
/// cache, and the file system is synced as a whole anyway.
constexpr size_t held_open_max = 256;
/// From so many files on one syncfs is cheaper than a sync of each (commit_journal.hpp).
constexpr size_t sync_each_max = 1;

uint64_t allocation_for(uint64_t bytes, uint64_t most) {
  uint64_t n = bytes <= allocate_step_max
                   ? std::bit_ceil(std::max(bytes, allocate_first))
                   : (bytes + allocate_step_max - 1) / allocate_step_max * allocate_step_max;
  return std::max(bytes, std::min(n, most));
}

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
  uint64_t allocate_max = 0;
  uint64_t identity = 0;
  bool sync = false;
  bool written = false;
  status outcome;
};

}  // namespace

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

group_commit::group_commit(std::unique_ptr<state> s) : s_(std::move(s)) {}
group_commit::~group_commit() {
  if (s_->turning.valid()) s_->turning.wait();
}
const group_commit_stats& group_commit::stats() const noexcept {
  return s_->stats;
}
std::optional<commit_point> group_commit::point(const log_id& id) const {
  return s_->points->find(id);
}

result<std::unique_ptr<group_commit>> group_commit::open(file_cache& cache,
                                                         group_commit_options options) {
  auto s = std::make_unique<state>(cache, std::move(options));
  auto& files = cache.files();
  const std::string folder = s->options.folder;
  WEIR_TRY(files.create_directories(folder));
  WEIR_ASSIGN(s->points, commit_points::open(files, folder + "/commit-points"));
  WEIR_ASSIGN(s->journal, commit_journal::open(files, folder));
  WEIR_TRY(s->journal->replay(cache));
  // What logs find when they open is what a crash of the machine would leave from here on.
  WEIR_TRY(files.sync_file_system(folder));
  WEIR_TRY(s->journal->reset());
  WEIR_TRY(files.sync_directory(folder));
  if (s->options.background) s->lane_of_work = s->options.background->new_lane();
  return std::unique_ptr<group_commit>(new group_commit(std::move(s)));
}

void group_commit::commit(std::vector<log_write> writes, std::vector<commit_outcome>& outcomes) {
  auto& s = *s_;
  ++s.round;
  ++s.stats.rounds;
  s.touched.clear();
  s.files.clear();
  s.file_of.clear();
  s.created_folders.clear();
  for (auto& w : writes) s.add(w);
  s.write_files();
  s.sync_failed = false;
  s.sync_files();
  s.conclude(outcomes);
}

lane_state& group_commit::state::lane_of(const log_write& w) {
  auto& st = lanes[w.lane->id];
  if (st.lane != w.lane) {
    // Opened anew: what was is over, except that the journal may still hold some of it.
    const auto lap = st.journal_lap;
    st = lane_state();
    st.lane = w.lane;
    st.journal_lap = lap;
  }
  if (st.round != round) {
    st.round = round;
    st.committed_end.reset();
    st.failed.reset();
    touched.push_back(&st);
  }
  return st;
}

void group_commit::state::add(log_write& w) {
  auto& st = lane_of(w);
  if (st.failed || (st.failed_generation && w.generation <= *st.failed_generation)) return;
  if (w.generation != st.generation) {
    if (status s = begin_generation(st); !s) {
      st.failed = s.err();
      st.failed_generation = w.generation;
      return;
    }
    st.generation = w.generation;
  }
  auto [it, is_new] = file_of.emplace(w.file.get(), files.size());
  if (is_new) {
    file_round f;
    f.lane = &st;
    f.file = w.file;
    f.begin = f.end = w.position;
    f.segment_base = w.segment_base;
    files.push_back(std::move(f));
  }
  auto& f = files[it->second];
  weir_assert(f.end == w.position, "writes of a partition came out of order");
  f.pieces.push_back(w.bytes);
  f.last_begin = w.position;
  f.end += w.bytes.size();
  f.end_offset = w.end_offset;
  f.allocate_max = w.allocate_max;
  f.sync = f.sync || w.sync;
  ++stats.writes;
}

/// The first write since the log was opened, rolled back or truncated: positions may be written
/// again with other bytes.
status group_commit::state::begin_generation(lane_state& st) {
  // A crash must not bring back the old ones.
  if (st.journal_lap && journal->may_hold(*st.journal_lap)) WEIR_TRY(checkpoint());
  st.journal_lap.reset();
  while (!st.damaged.empty()) {
    WEIR_TRY(repair(st, st.damaged.back()));
    st.damaged.pop_back();
    ++stats.repairs;
  }
  return {};
}

status group_commit::state::repair(lane_state& st, const damaged_file& d) {
  d.file->forget();
  st.allocated_file.reset();
  auto open = d.file->open();
  if (!open) return open.err().code == errc::not_found ? status() : open.err();
  if (d.cut == 0) {
    WEIR_TRY(d.file->remove());
    return cache.files().sync_directory(st.lane->folder);
  }
  WEIR_TRY((*open)->truncate(d.cut));
  if (status s = (*open)->sync(); !s) {
    suspect = true;
    d.file->forget();
    return s;
  }
  if (st.tail != d.file) return {};
  std::vector<std::byte> bytes(st.tail_end - st.tail_begin);
  WEIR_ASSIGN(size_t n, (*open)->read(st.tail_begin, bytes));
  std::span<const std::byte> rest(bytes.data(), n);
  while (!rest.empty()) {
    auto b = verify_batch(rest, {batch_origin::log, UINT64_MAX});
    if (!b) return b.err().at("'" + d.file->path() + "' after a failed write");
    rest = rest.subspan(b->size_bytes());
  }
  return {};
}

void group_commit::state::write_files() {
  for (auto& f : files) {
    // What follows a failure of the same partition would leave a gap.
    if (f.lane->failed) continue;
    f.outcome = write_file(f);
    if (!f.outcome) f.lane->failed = f.outcome.err();
  }
}

status group_commit::state::write_file(file_round& f) {
  WEIR_TRY(open_file(f));
  f.written = true;
  reserve(f);
  status s = f.open->write(f.begin, f.pieces);
  ++stats.write_calls;
  stats.bytes += f.end - f.begin;
  f.identity = f.open->identity();
  if (files.size() > held_open_max) f.open.reset();
  return s;
}

status group_commit::state::open_file(file_round& f) {
  auto opened = f.file->open();
  if (!opened && opened.err().code == errc::not_found) {
    WEIR_TRY(cache.files().create_directories(f.lane->lane->folder));
    opened = f.file->open(true);
    created_folders.push_back(f.lane->lane->folder);
  }
  if (!opened) return std::move(opened).err();
  f.open = *std::move(opened);
  return {};
}

void group_commit::state::reserve(file_round& f) {
  auto& st = *f.lane;
  if (st.allocated_file != f.file) {
    st.allocated_file = f.file;
    st.allocated = 0;
  }
  if (f.end <= st.allocated) return;
  const uint64_t bytes = allocation_for(f.end, f.allocate_max);
  // Only for speed: without space the write itself says so, and a small one may still fit.
  if (f.open->allocate(bytes)) st.allocated = bytes;
}

void group_commit::state::sync_files() {
  uint64_t bytes = 0;
  size_t count = 0;
  for (const auto& f : files) {
    if (!f.sync || !f.written || !f.outcome) continue;
    bytes += f.end - f.begin;
    ++count;
  }
  if (count == 0) return;
  if (created_folders.empty() && commit_journal::is_better(bytes, count) && sync_by_journal(count))
    return;
  sync_directly(count);
}

bool group_commit::state::sync_by_journal(size_t count) {
  if (journal->broken() && !checkpoint()) return false;
  std::vector<journal_entry> entries;
  entries.reserve(count);
  for (auto& f : files) {
    if (!f.sync || !f.written || !f.outcome) continue;
    uint64_t position = f.begin;
    const std::string path = f.file->path();
    for (const auto& p : f.pieces) {
      entries.push_back({path, f.identity, position, p});
      position += p.size();
    }
  }
  if (!make_room(commit_journal::record_bytes(entries))) return false;
  // Before it is tried: a record may be there even when it failed.
  for (auto& f : files)
    if (f.sync) f.lane->journal_lap = journal->lap();
  if (!journal->append(entries)) return false;
  // Only the journal has what was dropped.
  suspect = suspect || sync_failed;
  ++stats.journal_syncs;
  return true;
}

/// Turns to the journal's other file when this one is full.
bool group_commit::state::make_room(uint64_t bytes) {
  if (!journal->is_full(bytes)) return true;
  if (turning.valid() && !turning.get()) suspect = sync_failed = true;
  if (suspect) return checkpoint().ok();
  ++stats.turns;
  if (!options.background) {
    if (!sync_all()) return checkpoint().ok();
    journal->turn();
    return true;
  }
  journal->turn();
  auto done = std::make_shared<std::promise<status>>();
  turning = done->get_future();
  options.background->submit(lane_of_work, [done, &f = cache.files(), folder = options.folder] {
    done->set_value(f.sync_file_system(folder));
  });
  return true;
}

void group_commit::state::sync_directly(size_t count) {
  if (!sync_failed && count > sync_each_max) {
    ++stats.file_syncs;
    if (sync_all()) return;
  }
  status folders = sync_created_folders();
  for (auto& f : files) {
    if (!f.sync || !f.written || !f.outcome) continue;
    f.outcome = folders;
    if (f.outcome && sync_failed) f.outcome = write_again(f);
    if (f.outcome) f.outcome = sync_one(f);
    if (!f.outcome) f.lane->failed = f.outcome.err();
  }
}

/// What a failed sync has dropped would not be written by the next one.
status group_commit::state::write_again(file_round& f) {
  f.file->forget();
  WEIR_ASSIGN(f.open, f.file->open());
  return f.open->write(f.begin, f.pieces);
}

status group_commit::state::sync_created_folders() {
  std::sort(created_folders.begin(), created_folders.end());
  created_folders.erase(std::unique(created_folders.begin(), created_folders.end()),
                        created_folders.end());
  for (const auto& folder : created_folders) {
    WEIR_TRY(cache.files().sync_directory(folder));
    WEIR_TRY(cache.files().sync_directory(parent_directory(folder)));
  }
  return {};
}

status group_commit::state::sync_one(file_round& f) {
  ++stats.file_syncs;
  if (!f.open) {
    WEIR_ASSIGN(f.open, f.file->open());
  }
  status s = f.open->sync();
  if (s) return s;
  f.file->forget();
  suspect = true;
  return s;
}

status group_commit::state::sync_all() {
  status s = cache.files().sync_file_system(options.folder);
  if (!s) suspect = sync_failed = true;
  return s;
}

/// Everything in the journal is durable in the segments, and the journal is empty.
status group_commit::state::checkpoint() {
  if (turning.valid() && !turning.get()) suspect = sync_failed = true;
  if (suspect || !sync_all()) {
    if (status s = journal->replay(cache); !s) {
      sync_failed = true;
      return s;
    }
    WEIR_TRY(sync_all());
  }
  WEIR_TRY(journal->reset());
  suspect = false;
  return {};
}

void group_commit::state::conclude(std::vector<commit_outcome>& outcomes) {
  for (auto& f : files) {
    auto& st = *f.lane;
    // A file is committed when it and all files in front of it are.
    if (f.written && f.outcome && !(st.failed && st.failed_generation == st.generation)) {
      st.committed_end = f.end_offset;
      st.tail = f.file;
      st.tail_begin = f.last_begin;
      st.tail_end = f.end;
      points->set(st.lane->id, {f.end_offset, f.segment_base, f.end});
      continue;
    }
    if (f.written) st.damaged.push_back({f.file, f.begin});
    st.failed_generation = st.generation;
  }
  for (auto* st : touched) {
    if (!st->committed_end && !st->failed) continue;
    if (st->failed) ++stats.failures;
    outcomes.push_back({st->lane, st->committed_end, st->failed});
  }
  if (!points->write()) ++stats.point_failures;
}

status group_commit::forget(const log_id& id) {
  auto& s = *s_;
  auto it = s.lanes.find(id);
  if (it != s.lanes.end()) {
    if (it->second.journal_lap && s.journal->may_hold(*it->second.journal_lap))
      WEIR_TRY(s.checkpoint());
    s.lanes.erase(it);
  }
  s.points->erase(id);
  WEIR_TRY(s.points->write());
  return s.points->sync();
}

status group_commit::close() {
  auto& s = *s_;
  // What failed rounds have left must not be there when the next process looks at the folders.
  for (auto& [id, lane] : s.lanes) WEIR_TRY(s.begin_generation(lane));
  WEIR_TRY(s.checkpoint());
  WEIR_TRY(s.points->write());
  return s.points->sync();
}

}  // namespace weir
