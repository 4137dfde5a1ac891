#include "runtime/snapshot/chunk_index.hpp"

#include <algorithm>
#include <cstddef>

#include "runtime/base/crc32c.hpp"

namespace weir {
namespace {

// Many small deltas cost a restore more than their bytes: with this many a chain is folded in any
// case.
constexpr size_t small_chunks_max = 16;
constexpr size_t small_chunk_bytes = 64 << 10;

}  // namespace

uint32_t chunk_entry::compute_seal() const noexcept {
  return crc32c(std::as_bytes(std::span(this, 1)).first(offsetof(chunk_entry, seal)));
}

void chunk_entry::count(const chunk_counts& c) noexcept {
  records = c.upserts + c.deletes;
  fresh = records == 0
              ? 0
              : static_cast<uint16_t>(uint64_t{std::min(c.fresh, records)} * 65535 / records);
}

std::pair<size_t, size_t> view_of(const chunk_chain& chain, uint64_t e) {
  size_t end = 0;
  while (end < chain.size() && chain[end].written <= e) ++end;
  if (end == 0) return {0, 0};
  if (chain[end - 1].kind == static_cast<uint8_t>(chunk_kind::blob) || chain[end - 1].tombstone)
    return {chain[end - 1].tombstone ? end : end - 1, end};
  size_t begin = 0;
  for (size_t i = end; i-- > 0;) {
    if (!chain[i].replaces()) continue;
    // Everything that the same epoch wrote belongs to it.
    begin = i;
    while (begin > 0 && chain[begin - 1].written == chain[i].written) --begin;
    break;
  }
  while (begin < end && chain[begin].tombstone) ++begin;
  return {begin, end};
}

size_t garbage_of(const chunk_chain& chain, uint64_t oldest_kept) {
  auto [begin, end] = view_of(chain, oldest_kept);
  // Nothing visible at the oldest kept epoch: all up to it is garbage, tombstones included.
  return begin;
}

fold_estimate estimate_fold(const chunk_chain& chain, uint64_t oldest_kept, double ratio,
                            uint64_t bytes_min) {
  auto [begin, end] = view_of(chain, oldest_kept);
  if (end - begin < 2 || chain[begin].kind == static_cast<uint8_t>(chunk_kind::blob)) return {};
  // What replaces nothing counts as base: folding it would save nothing.
  uint64_t base = 0, deltas = 0;
  size_t small_deltas = 0;
  for (size_t i = begin; i < end; ++i) {
    const chunk_entry& c = chain[i];
    bool full = c.kind == static_cast<uint8_t>(chunk_kind::full);
    const uint64_t adds = full ? c.bytes : uint64_t{c.bytes} * c.fresh / 65535;
    base += adds;
    deltas += c.bytes - adds;
    small_deltas += !full && c.bytes < small_chunk_bytes;
  }
  bool large =
      static_cast<double>(deltas) > ratio * static_cast<double>(base) && deltas >= bytes_min;
  return {large || small_deltas >= small_chunks_max, base + deltas};
}

view_summary summarize(const job_entry& job, uint64_t e) {
  view_summary s;
  each_chain(job, [&](const state_entry&, const chunk_chain& chain, bool) {
    auto [begin, end] = view_of(chain, e);
    s.chunks += end - begin;
    // Order does not matter; the multiplication keeps equal changes from cancelling out.
    for (size_t i = begin; i < end; ++i)
      s.digest += (uint64_t{chain[i].seal} << 32 | chain[i].crc) * (2 * chain[i].id + 1);
  });
  return s;
}

state_chunk address_of(const state_entry& s, const chunk_entry& c) {
  state_chunk out;
  out.operator_id = s.operator_id;
  out.state = s.name;
  out.key_group = c.key_group;
  out.subtask = c.subtask;
  out.kind = static_cast<chunk_kind>(c.kind);
  out.written = epoch(c.written);
  out.crc = c.crc;
  return out;
}

}  // namespace weir
