#include "runtime/log/group_commit.hpp"

#include <algorithm>
#include <bit>

#include "runtime/log/group_commit_state.hpp"
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
uint64_t allocation_for(uint64_t bytes, uint64_t most) {
  uint64_t n = bytes <= allocate_step_max
                   ? std::bit_ceil(std::max(bytes, allocate_first))
                   : (bytes + allocate_step_max - 1) / allocate_step_max * allocate_step_max;
  return std::max(bytes, std::min(n, most));
}

}  // namespace

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
  s.begin_points();
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
  f.high_watermark = w.high_watermark;
  f.allocate_max = w.allocate_max;
  f.sync = f.sync || w.sync;
  ++stats.writes;
}

/// A log's first bytes are written when it is durable that none before them was acknowledged: a
/// crash in this round must not leave bytes of which nobody can tell whether they were. Later
/// points are only newer; an old one does no harm.
void group_commit::state::begin_points() {
  std::vector<lane_state*> fresh;
  for (const auto& f : files) {
    if (points->find(f.lane->lane->id)) continue;
    // All that is in front of the first file is whole: a log that has bytes already was checked
    // when it was opened.
    points->set(f.lane->lane->id, {f.segment_base, f.segment_base, 0, 0});
    if (f.sync) fresh.push_back(f.lane);
  }
  if (fresh.empty()) return;
  status written = points->write();
  if (written) written = points->sync();
  if (written) return;
  ++stats.point_failures;
  for (auto* st : fresh) {
    points->erase(st->lane->id);
    st->failed = written.err();
  }
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

void group_commit::state::conclude(std::vector<commit_outcome>& outcomes) {
  for (auto& f : files) {
    auto& st = *f.lane;
    // A file is committed when it and all files in front of it are.
    if (f.written && f.outcome && !(st.failed && st.failed_generation == st.generation)) {
      st.committed_end = f.end_offset;
      st.tail = f.file;
      st.tail_begin = f.last_begin;
      st.tail_end = f.end;
      points->set(st.lane->id, {f.end_offset, f.segment_base, f.end, f.high_watermark});
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

status group_commit::forget(const log_id& id, const std::optional<commit_point>& left) {
  auto& s = *s_;
  auto it = s.lanes.find(id);
  if (it != s.lanes.end()) {
    // With what failed rounds have left, too: a file that nobody knows of would be taken for a
    // segment of the log that goes on.
    WEIR_TRY(s.begin_generation(it->second));
    s.lanes.erase(it);
  }
  if (left)
    s.points->set(id, *left);
  else
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
