#include "runtime/log/compaction.hpp"

#include <algorithm>

#include "runtime/log/compaction_state.hpp"
#include "runtime/log/segment_swap.hpp"

namespace weir {

compaction_job::compaction_job(std::unique_ptr<state> s) : s_(std::move(s)) {}
compaction_job::~compaction_job() {
  if (s_->where == state::phase::done) return;
  // Given up: what was written is of no use. Opening removes what stays behind.
  s_->out.reset();
  for (auto& o : s_->outputs)
    if (o.file) (void)o.file->remove();
}
const compaction_stats& compaction_job::stats() const noexcept {
  return s_->stats;
}

result<bool> compaction_job::step(uint64_t bytes) {
  uint64_t used = 0;
  while (s_->where != state::phase::done && used <= bytes) {
    WEIR_ASSIGN(uint64_t n, s_->advance());
    used += n;
  }
  return s_->where == state::phase::done;
}

/// The next batch of the inputs from where the walk stands.
result<std::optional<walked_batch>> compaction_job::state::next_batch() {
  for (;;) {
    if (!walker) {
      if (input == inputs.size()) return std::optional<walked_batch>();
      WEIR_ASSIGN(open, inputs[input].file->open());
      walker.emplace(*open, 0, inputs[input].bytes);
      if (where == phase::clean && !out) WEIR_TRY(begin_output());
    }
    WEIR_ASSIGN(auto b, walker->next());
    if (b) return b;
    walker.reset();
    if (where == phase::clean) WEIR_TRY(leave_input());
    ++input;
  }
}

/// Whether the output takes in the next input too, when this one adds at most so many bytes yet.
bool compaction_job::state::goes_on(uint64_t more) const {
  const auto& o = outputs.back();
  return input + 1 < inputs.size() &&
         o.facts.bytes + more + inputs[input + 1].bytes <= config.segment_bytes &&
         inputs[input + 1].end_offset - o.facts.base_offset <= INT32_MAX;
}

status compaction_job::state::leave_input() {
  if (!extend.value_or(goes_on(0))) return end_output();
  extend.reset();
  outputs.back().last = input + 1;
  outputs.back().changed = true;
  return {};
}

/// One batch in the phase that it is in. Returns the bytes that it cost.
result<uint64_t> compaction_job::state::advance() {
  WEIR_ASSIGN(auto b, next_batch());
  if (where == phase::clean) {
    if (b) return clean_batch(*b);
    where = phase::done;
    return uint64_t{0};
  }
  if (b && b->header.base_offset() < map_end) {
    note_producer(b->header);
    if (b->header.last_offset() < dirty_from || b->header.is_hole() || b->header.is_control())
      return uint64_t{record_batch_header_bytes};
    return map_batch(*b);
  }
  // Segments that hold nothing in front of the map's end are left alone.
  std::erase_if(inputs, [&](const compaction_input& i) { return i.base >= map_end; });
  map_end = std::min(map_end, inputs.back().end_offset);
  where = phase::clean;
  input = 0;
  walker.reset();
  return uint64_t{0};
}

void compaction_job::state::note_producer(record_batch_view b) {
  if (b.has_producer() && !b.is_control()) last_of_producer[b.producer_id()] = b.base_offset();
}

result<uint64_t> compaction_job::state::map_batch(const walked_batch& b) {
  if (b.header.is_transactional() && options.is_aborted && options.is_aborted(b.header))
    return uint64_t{record_batch_header_bytes};
  const uint64_t size = b.header.size_bytes();
  WEIR_TRY(walker->read_whole(b, bytes));
  WEIR_ASSIGN(auto batch, verify_batch(bytes, {batch_origin::log, batch_bytes_max}));
  stats.bytes_read += size;
  WEIR_TRY(map_records(batch));
  mapped_a_batch = true;
  return size;
}

status compaction_job::state::map_records(record_batch_view batch) {
  WEIR_TRY(reader.open(batch));
  record r;
  for (;;) {
    WEIR_ASSIGN(bool more, reader.next(r));
    if (!more) return {};
    if (!r.key || r.offset < dirty_from) continue;
    if (keys.put(*r.key, r.offset)) continue;
    // Full: this pass ends in front of the batch, or behind it when it is the only one. Keys of it
    // that are in the map already name records that stay, so nothing is lost by them.
    map_end = mapped_a_batch ? batch.base_offset() : batch.next_offset();
    return {};
  }
}

}  // namespace weir
