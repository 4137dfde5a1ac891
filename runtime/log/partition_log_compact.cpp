// Beginning and ending a compaction.
#include <algorithm>

#include "runtime/log/compaction_state.hpp"
#include "runtime/log/log_state.hpp"
#include "runtime/log/segment_swap.hpp"

namespace weir {

std::unique_ptr<compaction_job> partition_log::begin_compaction(const compaction_options& o,
                                                                int64_t now_ms) {
  auto& s = *s_;
  if (!s.config.cleanup_compact || s.compacting) return nullptr;
  // The seed differs from job to job; it decides nothing but places in a table.
  auto job = std::make_unique<compaction_job::state>(
      s.cache, s.folder, s.config, o, now_ms,
      static_cast<uint64_t>(s.end_offset) * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(now_ms));
  uint64_t bytes = 0, dirty = 0;
  for (const auto& seg : s.segments) {
    const bool fresh = seg.max_timestamp > now_ms - s.config.min_compaction_lag_ms;
    if (!seg.sealed || seg.end_offset > o.limit || (s.config.min_compaction_lag_ms > 0 && fresh))
      break;
    job->inputs.push_back({seg.file, seg.base, seg.end_offset, seg.bytes});
    bytes += seg.bytes;
    if (seg.end_offset > s.cleaned_end) dirty += seg.bytes;
  }
  if (job->inputs.empty()) return nullptr;
  const double ratio = bytes == 0 ? 0 : static_cast<double>(dirty) / static_cast<double>(bytes);
  if (!o.force && (dirty == 0 || ratio < s.config.min_cleanable_dirty_ratio)) return nullptr;
  job->dirty_from = s.cleaned_end;
  job->number = ++s.compactions;
  s.compacting = true;
  return std::unique_ptr<compaction_job>(new compaction_job(std::move(job)));
}

void partition_log::abandon_compaction() {
  s_->compacting = false;
}

status partition_log::finish_compaction(compaction_job& job) {
  auto& s = *s_;
  auto& j = *job.s_;
  weir_assert(s.compacting && j.where == compaction_job::state::phase::done,
              "a compaction is finished once, when its job is done");
  s.compacting = false;
  size_t shift = 0;  // segments of the log that are gone already
  for (auto& o : j.outputs) {
    if (!o.file) continue;
    const size_t first = o.first - shift, count = o.last - o.first + 1;
    weir_assert(first + count < s.segments.size() && s.segments[first].base == o.facts.base_offset,
                "segments changed under a compaction");
    std::vector<segment_file_ptr> old;
    for (size_t i = 0; i < count; ++i) old.push_back(s.segments[first + i].file);
    auto& seg = s.segments[first];
    const int64_t created_ms = seg.created_ms;
    seg = log_segment();
    seg.base = o.facts.base_offset;
    seg.file = o.file;
    seg.created_ms = created_ms;
    s.adopt(seg, o.facts, std::move(*o.index), o.facts.end_offset);
    auto index = seg.file->cached_index();
    s.segments.erase(s.segments.begin() + static_cast<ptrdiff_t>(first) + 1,
                     s.segments.begin() + static_cast<ptrdiff_t>(first + count));
    shift += count - 1;
    s.chores.push_back([&f = s.files(), folder = s.folder, facts = o.facts, file = o.file,
                        index = std::move(index), old = std::move(old)]() mutable -> status {
      WEIR_TRY(swap_segments(f, folder, facts.base_offset, facts.end_offset, *file, old));
      old.clear();
      return write_index(f, index_path(file->path()), facts, *index);
    });
  }
  s.cleaned_end = std::max(s.cleaned_end, j.map_end);
  return {};
}

}  // namespace weir
