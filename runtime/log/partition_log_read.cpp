// Reading: slices of whole batches, offsets of timestamps, walks over headers.
#include <algorithm>

#include "runtime/log/compaction.hpp"
#include "runtime/log/log_state.hpp"
#include "runtime/log/record_reader.hpp"

namespace weir {
namespace {

/// One answer may touch this many segments; what is behind them comes with the next request.
constexpr size_t read_segments_max = 16;
/// A batch that a lookup by time decompresses.
constexpr uint64_t lookup_batch_bytes_max = uint64_t{1} << 30;

error outside(int64_t offset, int64_t start, int64_t end) {
  return {errc::not_found, "offset " + std::to_string(offset) + " is outside the log, which has " +
                               std::to_string(start) + " to " + std::to_string(end)};
}

/// [position, end) without its holes, but for one at a segment's end, which is all header: a batch
/// without records, as compaction leaves them, is what takes a reader behind offsets that are lost.
void add_slices(log_read& out, const readable_segment& r, uint64_t position, uint64_t end) {
  auto add = [&](uint64_t from, uint64_t to) {
    if (to <= from) return;
    out.slices.push_back({r.file, from, to - from});
    out.bytes += to - from;
  };
  for (const auto& h : r.holes) {
    if (h.position >= end) break;
    if (h.position + h.bytes <= position || h.bytes == record_batch_header_bytes) continue;
    add(position, h.position);
    position = h.position + h.bytes;
  }
  add(position, end);
}

/// Reads within one segment after the other.
class read_resolver {
 public:
  read_resolver(file_system& files, const read_request& q, bool may_block)
      : files_(files), q_(q), may_block_(may_block) {
    out_.next_offset = q.offset;
  }

  /// False: the disk is needed. Sets done_ when the answer is complete.
  result<bool> add(readable_segment& r) {
    if (r.bytes == 0) {  // all of it was lost
      out_.next_offset = std::max(out_.next_offset, std::min(r.end_offset, q_.limit));
      return true;
    }
    if (!r.index) {
      if (!may_block_) return partly();
      WEIR_ASSIGN(r.index_owner, load_index(files_, r.file, r.base, r.bytes));
      r.index = r.index_owner.get();
    }
    place from{r.base, 0};
    if (out_.next_offset > r.base) {
      WEIR_ASSIGN(bool found, find(r, out_.next_offset, from));
      if (!found) return partly();
    }
    place stop{r.end_offset, r.bytes};
    if (q_.limit < r.end_offset) {
      done_ = true;
      if (q_.limit <= from.offset) return true;
      WEIR_ASSIGN(bool found, find(r, q_.limit, stop));
      if (!found) return partly();
    }
    const uint64_t budget = q_.bytes_max > out_.bytes ? q_.bytes_max - out_.bytes : 0;
    if (stop.position - std::min(from.position, stop.position) <= budget) {
      add_slices(out_, r, from.position, stop.position);
      out_.next_offset = std::max(out_.next_offset, stop.offset);
      return true;
    }
    done_ = true;
    return add_part(r, from, stop, budget);
  }

  bool done() const { return done_; }
  log_read take() { return std::move(out_); }

 private:
  struct place {
    int64_t offset = 0;
    uint64_t position = 0;
  };

  /// Without the disk: what is there already is an answer too.
  bool partly() {
    done_ = true;
    return out_.bytes > 0;
  }

  /// The first batch whose records reach to `offset` or beyond; the segment's end if there is none.
  result<bool> find(const readable_segment& r, int64_t offset, place& out) {
    if (offset <= r.base) {
      out = {r.base, 0};
      return true;
    }
    if (offset >= r.end_offset) {
      out = {r.end_offset, r.bytes};
      return true;
    }
    const auto e = r.index->at_offset(static_cast<uint32_t>(offset - r.base));
    out = {r.base + e.offset, e.position};
    if (out.offset == offset) return true;
    if (r.recent)
      if (auto p = r.recent->position_of(r.base, offset)) {
        out = {offset, *p};
        return true;
      }
    if (!may_block_) return false;
    WEIR_ASSIGN(auto file, r.file->open());
    batch_walker walker(*file, e.position, r.bytes);
    for (;;) {
      WEIR_ASSIGN(auto b, walker.next());
      if (!b) break;
      if (b->header.last_offset() < offset) continue;
      out = {b->header.base_offset(), b->position};
      return true;
    }
    out = {r.end_offset, r.bytes};
    return true;
  }

  /// As many whole batches from `from` as fit the budget, fewer when the index says so.
  result<bool> add_part(const readable_segment& r, place from, place stop, uint64_t budget) {
    const uint64_t reach = std::min(from.position + budget, stop.position);
    const auto e = r.index->at_position(static_cast<uint32_t>(reach));
    place end{r.base + e.offset, e.position};
    if (r.recent)
      if (auto near = r.recent->at_position(r.base, reach); near && near->position > end.position)
        end = {near->offset, near->position};
    const bool far_enough = end.position > from.position &&
                            (!may_block_ || (end.position - from.position) * 2 >= budget);
    if (!far_enough) {
      if (!may_block_) return partly();
      if (end.position < from.position) end = from;
      WEIR_TRY(walk(r, from, stop, reach, end));
    }
    add_slices(out_, r, from.position, end.position);
    if (end.position > from.position) out_.next_offset = std::max(out_.next_offset, end.offset);
    return true;
  }

  /// Moves `end` from batch to batch up to `reach`; at least over one batch if that is wanted.
  status walk(const readable_segment& r, place from, place stop, uint64_t reach, place& end) {
    WEIR_ASSIGN(auto file, r.file->open());
    batch_walker walker(*file, end.position, stop.position);
    bool any = out_.bytes > 0 || end.position > from.position;
    for (;;) {
      WEIR_ASSIGN(auto b, walker.next());
      if (!b) return {};
      const bool hole = b->header.is_hole();
      if (!hole && b->end() > reach && (any || !q_.whole_first)) return {};
      if (hole) reach += b->header.size_bytes();
      any = any || !hole;
      end = {b->header.next_offset(), b->end()};
    }
  }

  file_system& files_;
  const read_request& q_;
  const bool may_block_;
  bool done_ = false;
  log_read out_;
};

result<segment_index_ptr> walk_index(const segment_file_ptr& file, int64_t base, uint64_t bytes) {
  WEIR_ASSIGN(auto open, file->open());
  batch_walker walker(*open, 0, bytes);
  auto index = std::make_shared<segment_index>();
  int64_t max_timestamp = -1;
  for (;;) {
    WEIR_ASSIGN(auto b, walker.next());
    if (!b) return segment_index_ptr(index);
    const int64_t offset = b->header.base_offset() - base;
    if (offset < 0 || offset > UINT32_MAX)
      return error{errc::corrupt, "'" + file->path() + "' holds offset " +
                                      std::to_string(b->header.base_offset())};
    index->add(static_cast<uint32_t>(offset), static_cast<uint32_t>(b->position), max_timestamp);
    max_timestamp = std::max(max_timestamp, b->header.max_timestamp());
  }
}

/// The first record in the batch with this timestamp or a later one.
result<std::optional<timestamp_offset>> record_of(std::span<const std::byte> bytes,
                                                  int64_t timestamp_ms, int64_t from) {
  WEIR_ASSIGN(auto batch, verify_batch(bytes, {batch_origin::log, lookup_batch_bytes_max}));
  record_reader reader;
  WEIR_TRY(reader.open(batch));
  record r;
  for (;;) {
    WEIR_ASSIGN(bool more, reader.next(r));
    if (!more) return std::optional<timestamp_offset>();
    if (r.timestamp_ms >= timestamp_ms && r.offset >= from)
      return std::optional(timestamp_offset{r.timestamp_ms, r.offset});
  }
}

result<std::optional<timestamp_offset>> find_timestamp(file_system& files, readable_segment& r,
                                                       int64_t timestamp_ms, int64_t from) {
  if (!r.index) {
    WEIR_ASSIGN(r.index_owner, load_index(files, r.file, r.base, r.bytes));
    r.index = r.index_owner.get();
  }
  WEIR_ASSIGN(auto file, r.file->open());
  batch_walker walker(*file, r.index->at_timestamp(timestamp_ms).position, r.bytes);
  std::vector<std::byte> bytes;
  for (;;) {
    WEIR_ASSIGN(auto b, walker.next());
    if (!b) return std::optional<timestamp_offset>();
    const auto& h = b->header;
    if (h.is_hole() || h.max_timestamp() < timestamp_ms || h.last_offset() < from) continue;
    WEIR_TRY(walker.read_whole(*b, bytes));
    WEIR_ASSIGN(auto found, record_of(bytes, timestamp_ms, from));
    if (found) return found;
  }
}

}  // namespace

result<segment_index_ptr> load_index(file_system& files, const segment_file_ptr& file, int64_t base,
                                     uint64_t bytes) {
  if (auto cached = file->cached_index()) return cached;
  segment_index_ptr index;
  // A missing or damaged file is no failure: the batches say the same.
  if (auto saved = read_index(files, index_path(file->path()));
      saved && saved->facts.base_offset == base && saved->facts.bytes == bytes)
    index = std::make_shared<const segment_index>(std::move(saved->index));
  if (!index) {
    WEIR_ASSIGN(index, walk_index(file, base, bytes));
  }
  file->cache_index(index);
  return index;
}

result<std::optional<log_read>> resolve_read(file_system& files,
                                             std::vector<readable_segment>& segments,
                                             const read_request& q, bool may_block) {
  read_resolver resolver(files, q, may_block);
  for (auto& r : segments) {
    WEIR_ASSIGN(bool enough, resolver.add(r));
    if (!enough) return std::optional<log_read>();
    if (resolver.done()) break;
  }
  return std::optional(resolver.take());
}

std::vector<readable_segment> partition_log::state::readable(int64_t offset, uint64_t bytes_max,
                                                             bool for_job, size_t segments_max) {
  std::vector<readable_segment> out;
  uint64_t bytes = 0;
  for (size_t i = segment_of(offset); i < segments.size(); ++i) {
    const auto& s = segments[i];
    const bool last = i + 1 == segments.size();
    readable_segment r{s.file,  s.base,          last ? end_offset : segments[i + 1].base,
                       s.bytes, s.max_timestamp, nullptr,
                       nullptr, nullptr,         s.holes};
    r.end_offset = std::min(r.end_offset, end_offset);
    if (r.end_offset <= offset) continue;
    if (s.index && for_job) {
      r.index_owner = std::make_shared<const segment_index>(*s.index);
    } else if (!s.index) {
      r.index_owner = s.file->cached_index();
    }
    r.index = s.index && !for_job ? s.index.get() : r.index_owner.get();
    if (s.index && !for_job) r.recent = &recent;  // compaction moves what is in closed ones
    out.push_back(std::move(r));
    bytes += s.bytes;
    // The first one may be read from its last byte only.
    if (out.size() > 1 && bytes - out.front().bytes >= bytes_max) break;
    if (out.size() == segments_max) break;
  }
  return out;
}

std::optional<log_read> partition_log::try_read(const read_request& q) {
  auto& s = *s_;
  if (q.offset < s.start_offset || q.offset > s.end_offset) return std::nullopt;
  if (q.offset >= std::min(q.limit, s.end_offset)) return log_read{{}, 0, q.offset};
  auto segments = s.readable(q.offset, q.bytes_max, false, read_segments_max);
  auto r = resolve_read(s.files(), segments, q, false);
  // Without the disk nothing can fail.
  weir_assert(r.ok(), "a read without the disk failed");
  if (!*r || ((*r)->bytes == 0 && (*r)->next_offset == q.offset)) return std::nullopt;
  return std::move(**r);
}

std::function<result<log_read>()> partition_log::read_job(const read_request& q) {
  auto& s = *s_;
  if (q.offset < s.start_offset || q.offset > s.end_offset)
    return [q, start = s.start_offset, end = s.end_offset]() -> result<log_read> {
      return outside(q.offset, start, end);
    };
  std::vector<readable_segment> segments;
  if (q.offset < std::min(q.limit, s.end_offset))
    segments = s.readable(q.offset, q.bytes_max, true, read_segments_max);
  return [&files = s.files(), q, segments = std::move(segments)]() mutable -> result<log_read> {
    WEIR_ASSIGN(auto r, resolve_read(files, segments, q, true));
    weir_assert(r.has_value(), "a read that may use the disk has an answer");
    return std::move(*r);
  };
}

result<log_read> partition_log::read(const read_request& q) {
  if (auto r = try_read(q)) return std::move(*r);
  return read_job(q)();
}

std::function<result<timestamp_offset>()> partition_log::timestamp_job(int64_t timestamp_ms,
                                                                       int64_t limit) {
  auto& s = *s_;
  std::vector<readable_segment> segments;
  for (auto& r : s.readable(s.start_offset, UINT64_MAX, true, SIZE_MAX))
    if (r.bytes > 0 && r.max_timestamp >= timestamp_ms) segments.push_back(std::move(r));
  return [&files = s.files(), segments = std::move(segments), timestamp_ms, limit,
          start = s.start_offset]() mutable -> result<timestamp_offset> {
    for (auto& r : segments) {
      WEIR_ASSIGN(auto found, find_timestamp(files, r, timestamp_ms, start));
      if (!found) continue;
      return found->offset < limit ? *found : timestamp_offset{};
    }
    return timestamp_offset{};
  };
}

std::function<result<timestamp_offset>()> partition_log::max_timestamp_job(int64_t limit) {
  auto& s = *s_;
  if (limit >= s.end_offset) return timestamp_job(max_timestamp());
  // Segments below the limit are known by their greatest; of those beyond, the batches are asked.
  int64_t known = -1;
  std::vector<readable_segment> beyond, all;
  for (auto& r : s.readable(s.start_offset, UINT64_MAX, true, SIZE_MAX)) {
    if (r.bytes == 0 || r.base >= limit) continue;
    if (r.end_offset <= limit)
      known = std::max(known, r.max_timestamp);
    else
      beyond.push_back(r);
    all.push_back(std::move(r));
  }
  return [&files = s.files(), all = std::move(all), beyond = std::move(beyond), known, limit,
          start = s.start_offset]() mutable -> result<timestamp_offset> {
    for (const auto& r : beyond) {
      WEIR_ASSIGN(auto file, r.file->open());
      batch_walker walker(*file, 0, r.bytes);
      for (;;) {
        WEIR_ASSIGN(auto b, walker.next());
        if (!b || b->header.base_offset() >= limit) break;
        if (!b->header.is_hole()) known = std::max(known, b->header.max_timestamp());
      }
    }
    for (auto& r : all) {
      if (r.max_timestamp < known) continue;
      WEIR_ASSIGN(auto found, find_timestamp(files, r, known, start));
      if (found && found->offset < limit) return *found;
    }
    return timestamp_offset{};
  };
}

status partition_log::visit_batches(int64_t from,
                                    const std::function<status(record_batch_view)>& visit) {
  auto& s = *s_;
  for (size_t i = s.segment_of(from); i < s.segments.size(); ++i) {
    const auto& seg = s.segments[i];
    if (seg.bytes == 0) continue;
    uint64_t position = 0;
    if (from > seg.base) {
      segment_index_ptr index = seg.index;
      if (!index) {
        WEIR_ASSIGN(index, load_index(s.files(), seg.file, seg.base, seg.bytes));
      }
      position =
          index->at_offset(static_cast<uint32_t>(std::min<int64_t>(from - seg.base, INT32_MAX)))
              .position;
    }
    WEIR_ASSIGN(auto file, seg.file->open());
    batch_walker walker(*file, position, seg.bytes);
    for (;;) {
      WEIR_ASSIGN(auto b, walker.next());
      if (!b) break;
      if (b->header.is_hole() || b->header.last_offset() < from) continue;
      WEIR_TRY(visit(b->header));
    }
  }
  return {};
}

}  // namespace weir
