// Retention, DeleteRecords, truncation, removal.
#include <algorithm>

#include "runtime/log/compaction.hpp"
#include "runtime/log/log_state.hpp"

namespace weir {

size_t partition_log::state::drop_segments(size_t count, int64_t new_start) {
  weir_assert(count < segments.size() || count == 0, "a log keeps the segment that it writes");
  std::vector<segment_file_ptr> gone;
  for (size_t i = 0; i < count; ++i) {
    gone.push_back(segments.front().file);
    segments.pop_front();
  }
  start_offset = new_start;
  // The start first: segments that are still there after a crash are then removed at opening, and
  // an empty log knows where it goes on.
  chores.push_back([&f = files(), path = start_path(), new_start, gone = std::move(gone),
                    written = written_start]() mutable -> status {
    WEIR_TRY(atomic_write_file(f, path, std::to_string(new_start) + "\n"));
    written->store(new_start);
    status failed;
    for (auto& file : gone) {
      status s = f.remove(index_path(file->path()));
      if (s) s = file->remove();
      if (!s) failed = s;
      file.reset();
    }
    return failed;
  });
  return count;
}

size_t partition_log::apply_retention(int64_t now_ms, int64_t limit) {
  auto& s = *s_;
  const auto& c = s.config;
  if (!c.cleanup_delete || s.segments.empty()) return 0;
  uint64_t size = size_bytes();
  size_t count = 0;
  for (const auto& seg : s.segments) {
    if (seg.bytes != seg.staged_bytes) break;  // something is under way
    if (seg.end_offset > limit) break;
    const bool old = c.retention_ms >= 0 && seg.max_timestamp >= 0 && seg.bytes > 0 &&
                     now_ms - seg.max_timestamp > c.retention_ms;
    const bool last = count + 1 == s.segments.size();
    const bool surplus = c.retention_bytes >= 0 && !last &&
                         size - seg.bytes >= static_cast<uint64_t>(c.retention_bytes);
    if (!old && !surplus) break;
    size -= seg.bytes;
    ++count;
  }
  if (count == 0 || s.compacting) return 0;
  // All of it is old: the log goes on in a new segment.
  if (count == s.segments.size()) s.add_segment(s.end_offset, now_ms);
  return s.drop_segments(count, std::max(s.start_offset, s.segments[count].base));
}

status partition_log::delete_records(int64_t offset) {
  auto& s = *s_;
  if (offset > s.end_offset || offset < 0)
    return error{errc::invalid_argument, "records up to offset " + std::to_string(offset) +
                                             " cannot be deleted: the log ends at " +
                                             std::to_string(s.end_offset)};
  if (offset <= s.start_offset) return {};
  size_t count = 0;
  // While a compaction runs its segments stay; they go with the next call or with retention.
  while (!s.compacting && count + 1 < s.segments.size() && s.segments[count + 1].base <= offset &&
         s.segments[count].bytes == s.segments[count].staged_bytes)
    ++count;
  s.drop_segments(count, offset);
  return {};
}

/// What of a segment ends at or below `offset`.
result<partition_log::state::cut_segment> partition_log::state::cut_at(const log_segment& seg,
                                                                       int64_t offset) const {
  cut_segment out{{seg.base, seg.base, 0}, segment_index(config.index_interval_bytes)};
  if (seg.bytes == 0) return out;
  auto& f = out.facts;
  WEIR_ASSIGN(auto file, seg.file->open());
  batch_walker walker(*file, 0, seg.bytes);
  for (;;) {
    WEIR_ASSIGN(auto b, walker.next());
    if (!b || b->header.last_offset() >= offset) break;
    out.index.add(static_cast<uint32_t>(b->header.base_offset() - seg.base),
                  static_cast<uint32_t>(b->position), f.max_timestamp);
    if (b->header.is_hole()) f.holes.push_back({b->position, b->header.size_bytes()});
    if (!b->header.is_hole() && b->header.max_timestamp() > f.max_timestamp) {
      f.max_timestamp = b->header.max_timestamp();
      f.max_timestamp_offset = b->header.base_offset();
    }
    f.bytes = b->end();
    f.end_offset = b->header.next_offset();
  }
  return out;
}

result<commit_point> partition_log::point_at(int64_t offset) const {
  const auto& s = *s_;
  if (offset >= s.end_offset || s.segments.empty()) return committed_point();
  size_t i = s.segments.size() - 1;
  while (i > 0 && s.segments[i].base >= offset) --i;
  WEIR_ASSIGN(const auto left, s.cut_at(s.segments[i], offset));
  return commit_point{left.facts.end_offset, s.segments[i].base, left.facts.bytes};
}

status partition_log::truncate_to(int64_t offset) {
  auto& s = *s_;
  weir_assert(s.pending.empty() && !s.compacting, "a log is truncated when nothing is under way");
  if (offset >= s.end_offset) return {};
  // What they do with files is of the log as it was.
  for (auto& chore : take_chores()) WEIR_TRY(chore());
  if (offset < s.start_offset)
    return error{errc::invalid_argument, "the log cannot be truncated to offset " +
                                             std::to_string(offset) + ": it starts at " +
                                             std::to_string(s.start_offset)};
  // From the end, so that a crash in between leaves a log without gaps.
  while (s.segments.size() > 1 && s.segments.back().base >= offset) {
    WEIR_TRY(s.files().remove(index_path(s.segments.back().file->path())));
    WEIR_TRY(s.segments.back().file->remove());
    s.segments.pop_back();
    s.end_offset = s.segments.back().end_offset;
  }
  auto& seg = s.segments.back();
  WEIR_TRY(s.files().remove(index_path(seg.file->path())));
  WEIR_ASSIGN(auto left, s.cut_at(seg, offset));
  const auto f = left.facts;
  if (seg.bytes > 0) {
    WEIR_ASSIGN(auto file, seg.file->open());
    WEIR_TRY(file->truncate(f.bytes));
    WEIR_TRY(file->sync());
  }
  // A segment that comes back after a crash would follow what is written from here on.
  WEIR_TRY(s.files().sync_directory(s.folder));
  s.adopt(seg, f, std::move(left.index), std::nullopt);
  seg.sealed = false;
  s.end_offset = s.staged_end = f.end_offset;
  s.start_offset = std::min(s.start_offset, s.end_offset);
  s.cleaned_end = std::min(s.cleaned_end, s.end_offset);
  s.recent.clear();
  ++s.generation;
  return {};
}

status partition_log::restart_at(int64_t offset) {
  auto& s = *s_;
  weir_assert(s.pending.empty() && !s.compacting, "a log restarts when nothing is under way");
  weir_assert(offset >= 0, "offsets are not negative");
  for (auto& chore : take_chores()) WEIR_TRY(chore());
  // From the end, so that a crash in between leaves a log without gaps, which starts anew again.
  while (!s.segments.empty()) {
    WEIR_TRY(s.files().remove(index_path(s.segments.back().file->path())));
    WEIR_TRY(s.segments.back().file->remove());
    s.segments.pop_back();
    s.end_offset = s.staged_end =
        s.segments.empty() ? s.start_offset : s.segments.back().end_offset;
  }
  s.recent.clear();
  ++s.generation;
  WEIR_TRY(s.files().create_directories(s.folder));
  WEIR_TRY(s.files().sync_directory(s.folder));
  WEIR_TRY(atomic_write_file(s.files(), s.start_path(), std::to_string(offset) + "\n"));
  s.start_offset = s.end_offset = s.staged_end = s.cleaned_end = offset;
  s.written_start->store(offset);
  return {};
}

status partition_log::remove_all() {
  auto& s = *s_;
  s.chores.clear();
  s.pending.clear();
  for (const auto& seg : s.segments) WEIR_TRY(seg.file->remove());
  s.segments.clear();
  s.start_offset = s.end_offset = s.staged_end = 0;
  auto listed = s.files().list(s.folder);
  if (!listed) return listed.err().code == errc::not_found ? status() : listed.err();
  for (const auto& f : *listed) WEIR_TRY(s.files().remove(f.path));
  return s.files().sync_directory(s.folder);
}

}  // namespace weir
