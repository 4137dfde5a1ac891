// Appending: stage, committed, rollback.
#include "runtime/log/partition_log.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/log/compaction.hpp"
#include "runtime/log/log_state.hpp"

namespace weir {

std::string segment_name(int64_t base) {
  std::string digits = std::to_string(base);
  return std::string(digits.size() < 20 ? 20 - digits.size() : 0, '0') + digits;
}

std::optional<int64_t> parse_segment_name(std::string_view name, std::string_view suffix) {
  if (name.size() != 20 + suffix.size() || name.substr(20) != suffix) return std::nullopt;
  int64_t base = 0;
  auto [end, ec] = std::from_chars(name.data(), name.data() + 20, base);
  if (ec != std::errc() || end != name.data() + 20 || base < 0) return std::nullopt;
  return base;
}

std::optional<uint64_t> recent_batches::position_of(int64_t segment_base, int64_t offset) const {
  for (const auto& e : entries_)
    if (e.offset == offset && e.segment_base == segment_base) return e.position;
  return std::nullopt;
}

std::optional<recent_batches::entry> recent_batches::at_position(int64_t segment_base,
                                                                 uint64_t position) const {
  std::optional<entry> best;
  for (const auto& e : entries_)
    if (e.segment_base == segment_base && e.position <= position &&
        (!best || e.position > best->position))
      best = e;
  return best;
}

std::string partition_log::state::segment_path(int64_t base) const {
  return folder + "/" + segment_name(base) + ".log";
}

log_segment& partition_log::state::add_segment(int64_t base, int64_t created_ms) {
  log_segment s;
  s.base = base;
  s.end_offset = base;
  s.file = std::make_shared<segment_file>(cache, segment_path(base));
  s.created_ms = created_ms;
  s.index = std::make_shared<segment_index>(config.index_interval_bytes);
  segments.push_back(std::move(s));
  return segments.back();
}

size_t partition_log::state::segment_of(int64_t offset) const {
  auto it = std::upper_bound(segments.begin(), segments.end(), offset,
                             [](int64_t o, const log_segment& s) { return o < s.base; });
  if (it == segments.begin()) return 0;
  return static_cast<size_t>(it - segments.begin()) - 1;
}

partition_log::partition_log(std::unique_ptr<state> s) : s_(std::move(s)) {}
partition_log::~partition_log() = default;
const recovery_report& partition_log::recovery() const noexcept {
  return s_->report;
}
const log_id& partition_log::id() const noexcept {
  return s_->lane->id;
}
const log_config& partition_log::config() const noexcept {
  return s_->config;
}
void partition_log::set_config(const log_config& c) {
  s_->config = c;
}
int64_t partition_log::log_start_offset() const noexcept {
  return s_->start_offset;
}
int64_t partition_log::durable_start_offset() const noexcept {
  return std::min(s_->written_start->load(), s_->start_offset);
}
int64_t partition_log::log_end_offset() const noexcept {
  return s_->end_offset;
}
int64_t partition_log::staged_end_offset() const noexcept {
  return s_->staged_end;
}
size_t partition_log::segment_count() const noexcept {
  return s_->segments.size();
}
uint64_t partition_log::size_bytes() const noexcept {
  uint64_t n = 0;
  for (const auto& s : s_->segments) n += s.bytes;
  return n;
}
int64_t partition_log::max_timestamp() const noexcept {
  int64_t t = -1;
  for (const auto& s : s_->segments) t = std::max(t, s.max_timestamp);
  return t;
}
commit_point partition_log::committed_point() const noexcept {
  for (auto it = s_->segments.rbegin(); it != s_->segments.rend(); ++it)
    if (it->bytes > 0) return {s_->end_offset, it->base, it->bytes};
  return {s_->end_offset, s_->end_offset, 0};
}

namespace {

struct staging_plan {
  int64_t end_offset = 0;
  int64_t max_timestamp = INT64_MIN;
};

/// Checks what verify_batch has made sure of, once more where it is relied on.
result<staging_plan> plan_staging(std::span<const std::byte> batches, int64_t offset) {
  staging_plan p;
  if (batches.empty()) return error{errc::invalid_argument, "there is no record batch to append"};
  while (!batches.empty()) {
    WEIR_ASSIGN(auto b, peek_batch(batches));
    if (b.size_bytes() > batches.size() || b.last_offset_delta() < 0)
      return error{errc::corrupt, "a record batch to append is cut off"};
    if (offset > INT64_MAX - INT32_MAX - 1)
      return error{errc::overflow, "the log has no offsets left"};
    offset += int64_t{b.last_offset_delta()} + 1;
    p.max_timestamp = std::max(p.max_timestamp, b.max_timestamp());
    batches = batches.subspan(b.size_bytes());
  }
  p.end_offset = offset;
  return p;
}

}  // namespace

/// The segment that takes so many bytes more, up to `end`; a new one when the last is full or old.
log_segment& partition_log::state::segment_for(uint64_t bytes, int64_t end, int64_t now_ms) {
  bool roll = segments.empty();
  if (!roll && segments.back().staged_bytes > 0) {
    auto& last = segments.back();
    if (last.created_ms == 0) last.created_ms = now_ms;  // found at opening: counts from now on
    roll = last.staged_bytes + bytes > segment_limit() ||
           now_ms - last.created_ms >= config.segment_ms || end - last.base > INT32_MAX;
  }
  auto& seg = roll ? add_segment(staged_end, now_ms) : segments.back();
  if (seg.staged_bytes == 0) seg.created_ms = now_ms;
  return seg;
}

log_write partition_log::state::write_for(const log_segment& seg,
                                          std::span<const std::byte> batches,
                                          std::shared_ptr<const void> owner, int64_t end) const {
  return {lane,
          generation,
          seg.file,
          seg.base,
          seg.staged_bytes,
          batches,
          std::move(owner),
          end,
          std::max<uint64_t>(segment_limit(), seg.staged_bytes + batches.size()),
          config.sync};
}

/// One more batch, at its base offset, behind what the segment has.
void partition_log::state::note_staged(log_segment& seg, record_batch_view b, pending_stage& p) {
  const int64_t offset = b.base_offset();
  recent.add({offset, seg.base, seg.staged_bytes});
  seg.index->add(static_cast<uint32_t>(offset - seg.base), static_cast<uint32_t>(seg.staged_bytes),
                 seg.staged_max_timestamp);
  if (b.max_timestamp() > p.max_timestamp) {
    p.max_timestamp = b.max_timestamp();
    p.max_timestamp_offset = offset;
  }
  seg.staged_max_timestamp = std::max(seg.staged_max_timestamp, b.max_timestamp());
  seg.staged_bytes += b.size_bytes();
  staged_end = offset + int64_t{b.last_offset_delta()} + 1;
}

result<staged_batches> partition_log::stage(std::span<std::byte> batches,
                                            std::shared_ptr<const void> owner, int32_t leader_epoch,
                                            int64_t now_ms) {
  auto& s = *s_;
  if (batches.size() > segment_bytes_max)
    return error{errc::budget_exceeded, "record batches of " + std::to_string(batches.size()) +
                                            " bytes do not fit a segment"};
  WEIR_ASSIGN(auto plan, plan_staging(batches, s.staged_end));
  auto& seg = s.segment_for(batches.size(), plan.end_offset, now_ms);
  staged_batches out;
  out.base_offset = s.staged_end;
  out.last_offset = plan.end_offset - 1;
  out.write = s.write_for(seg, batches, std::move(owner), plan.end_offset);
  pending_stage pending{plan.end_offset, seg.base, seg.staged_bytes + batches.size(), INT64_MIN,
                        -1};
  while (!batches.empty()) {
    const record_batch_view b(batches.first(record_batch_header_bytes));
    auto bytes = batches.first(b.size_bytes());
    set_base_offset(bytes, s.staged_end);
    set_leader_epoch(bytes, leader_epoch);
    s.note_staged(seg, b, pending);
    batches = batches.subspan(bytes.size());
  }
  weir_assert(s.staged_end == plan.end_offset, "offsets were counted twice and differ");
  s.pending.push_back(pending);
  return out;
}

result<staged_batches> partition_log::stage_copied(std::span<const std::byte>& batches,
                                                   std::shared_ptr<const void> owner,
                                                   int64_t now_ms) {
  auto& s = *s_;
  // How far one file takes them.
  const uint64_t held = s.segments.empty() ? 0 : s.segments.back().staged_bytes;
  const bool empty = s.segments.empty();
  int64_t first = -1, end = s.staged_end;
  uint64_t bytes = 0;
  while (bytes < batches.size()) {
    WEIR_ASSIGN(auto b, peek_batch(batches.subspan(bytes)));
    if (b.size_bytes() > batches.size() - bytes || b.last_offset_delta() < 0)
      return error{errc::corrupt, "a record batch to copy is cut off"};
    const bool before_start = empty && first < 0 && b.next_offset() > end;
    if (b.base_offset() < end && !before_start)
      return error{errc::invalid_argument, "a batch to copy begins at offset " +
                                               std::to_string(b.base_offset()) +
                                               ", but the log ends at " + std::to_string(end)};
    if (b.base_offset() > INT64_MAX - INT32_MAX - 1)
      return error{errc::overflow, "the log has no offsets left"};
    // What begins a file may be as large as it is.
    if (bytes > 0) {
      const bool full = held > 0 && held + bytes <= s.segment_limit()
                            ? held + bytes + b.size_bytes() > s.segment_limit()
                            : bytes + b.size_bytes() > s.segment_limit();
      if (full ||
          b.next_offset() - (s.segments.empty() ? first : s.segments.back().base) > INT32_MAX)
        break;
    }
    if (first < 0) first = b.base_offset();
    end = b.next_offset();
    bytes += b.size_bytes();
  }
  if (bytes == 0) return error{errc::invalid_argument, "there is no record batch to copy"};
  // The log's start lies within the leader's first batch.
  if (first < s.staged_end) s.staged_end = first;
  auto& seg = s.segment_for(bytes, end, now_ms);
  const auto taken = batches.first(bytes);
  staged_batches out;
  out.base_offset = first;
  out.last_offset = end - 1;
  out.write = s.write_for(seg, taken, std::move(owner), end);
  pending_stage pending{end, seg.base, seg.staged_bytes + bytes, INT64_MIN, -1};
  for (auto rest = taken; !rest.empty();) {
    const record_batch_view b(rest.first(record_batch_header_bytes));
    s.note_staged(seg, b, pending);
    rest = rest.subspan(b.size_bytes());
  }
  s.pending.push_back(pending);
  batches = batches.subspan(bytes);
  return out;
}

void partition_log::committed(int64_t end_offset) {
  auto& s = *s_;
  weir_assert(end_offset <= s.staged_end, "more was committed than was staged");
  while (!s.pending.empty() && s.pending.front().end_offset <= end_offset) {
    const auto& p = s.pending.front();
    auto& seg = s.segments[s.segment_of(p.end_offset - 1)];
    weir_assert(seg.base == p.segment_base, "a staged batch's segment is gone");
    seg.bytes = p.position;
    seg.end_offset = p.end_offset;
    if (p.max_timestamp > seg.max_timestamp) {
      seg.max_timestamp = p.max_timestamp;
      seg.max_timestamp_offset = p.max_timestamp_offset;
    }
    s.end_offset = p.end_offset;
    s.pending.pop_front();
  }
  s.seal();
}

void partition_log::rollback() {
  auto& s = *s_;
  ++s.generation;
  s.pending.clear();
  s.recent.clear();
  s.staged_end = s.end_offset;
  // The committer removes the files of segments without anything committed.
  while (!s.segments.empty() && s.segments.back().bytes == 0 && s.segments.back().staged_bytes > 0)
    s.segments.pop_back();
  if (s.segments.empty()) return;
  if (s.segments.back().sealed) {
    s.add_segment(s.end_offset, 0);
    return;
  }
  auto& last = s.segments.back();
  last.staged_bytes = last.bytes;
  last.staged_max_timestamp = last.max_timestamp;
  last.index->cut(static_cast<uint32_t>(last.bytes));
}

void partition_log::state::seal() {
  for (size_t i = segments.size(); i-- > 0;) {
    auto& seg = segments[i];
    if (i + 1 == segments.size() || seg.bytes != seg.staged_bytes) continue;
    if (seg.sealed) return;  // and all before it
    // A segment that was rolled while its batches were under way is closed once they are committed
    // and something behind it is: then nothing can be rolled back into it.
    if (end_offset <= segments[i + 1].base) continue;
    seg.sealed = true;
    seg.end_offset = segments[i + 1].base;
    auto index = std::shared_ptr<const segment_index>(std::move(seg.index));
    seg.file->cache_index(index);
    chores.push_back([facts = seg.facts(), index, file = seg.file, &cache = cache,
                      durable = config.sync]() -> status {
      WEIR_ASSIGN(auto open, file->open());
      WEIR_TRY(open->truncate(facts.bytes));  // gives back what was reserved
      // A segment with an index is not looked at again after a crash.
      if (!durable) WEIR_TRY(open->sync());
      return write_index(cache.files(), index_path(file->path()), facts, *index);
    });
  }
}

std::vector<log_chore> partition_log::take_chores() {
  return std::exchange(s_->chores, {});
}

}  // namespace weir
