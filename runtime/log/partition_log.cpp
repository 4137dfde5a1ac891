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

result<staged_batches> partition_log::stage(std::span<std::byte> batches,
                                            std::shared_ptr<const void> owner, int32_t leader_epoch,
                                            int64_t now_ms) {
  auto& s = *s_;
  if (batches.size() > segment_bytes_max)
    return error{errc::budget_exceeded, "record batches of " + std::to_string(batches.size()) +
                                            " bytes do not fit a segment"};
  WEIR_ASSIGN(auto plan, plan_staging(batches, s.staged_end));
  const uint64_t limit = std::clamp(s.config.segment_bytes, segment_bytes_min, segment_bytes_max);
  bool roll = s.segments.empty();
  if (!roll && s.segments.back().staged_bytes > 0) {
    auto& last = s.segments.back();
    if (last.created_ms == 0) last.created_ms = now_ms;  // found at opening: counts from now on
    roll = last.staged_bytes + batches.size() > limit ||
           now_ms - last.created_ms >= s.config.segment_ms ||
           plan.end_offset - last.base > INT32_MAX;
  }
  auto& seg = roll ? s.add_segment(s.staged_end, now_ms) : s.segments.back();
  if (seg.staged_bytes == 0) seg.created_ms = now_ms;

  staged_batches out;
  out.base_offset = s.staged_end;
  out.last_offset = plan.end_offset - 1;
  out.write = {s.lane,
               s.generation,
               seg.file,
               seg.base,
               seg.staged_bytes,
               batches,
               std::move(owner),
               plan.end_offset,
               std::max<uint64_t>(limit, seg.staged_bytes + batches.size()),
               s.config.sync};
  pending_stage pending{plan.end_offset, seg.base, seg.staged_bytes + batches.size(), INT64_MIN,
                        -1};
  while (!batches.empty()) {
    const record_batch_view b(batches.first(record_batch_header_bytes));
    auto bytes = batches.first(b.size_bytes());
    set_base_offset(bytes, s.staged_end);
    set_leader_epoch(bytes, leader_epoch);
    s.recent.add({s.staged_end, seg.base, seg.staged_bytes});
    seg.index->add(static_cast<uint32_t>(s.staged_end - seg.base),
                   static_cast<uint32_t>(seg.staged_bytes), seg.staged_max_timestamp);
    if (b.max_timestamp() > pending.max_timestamp) {
      pending.max_timestamp = b.max_timestamp();
      pending.max_timestamp_offset = s.staged_end;
    }
    seg.staged_max_timestamp = std::max(seg.staged_max_timestamp, b.max_timestamp());
    seg.staged_bytes += bytes.size();
    s.staged_end += int64_t{b.last_offset_delta()} + 1;
    batches = batches.subspan(bytes.size());
  }
  weir_assert(s.staged_end == plan.end_offset, "offsets were counted twice and differ");
  s.pending.push_back(pending);
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
    chores.push_back([facts = seg.facts(), index, file = seg.file, &cache = cache]() -> status {
      WEIR_ASSIGN(auto open, file->open());
      WEIR_TRY(open->truncate(facts.bytes));  // gives back what was reserved
      return write_index(cache.files(), index_path(file->path()), facts, *index);
    });
  }
}

std::vector<log_chore> partition_log::take_chores() {
  return std::exchange(s_->chores, {});
}

}  // namespace weir
