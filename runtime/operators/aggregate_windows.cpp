#include "runtime/operators/aggregate_windows.hpp"

#include <cstring>

#include "runtime/column/builder.hpp"

namespace weir {
namespace {

constexpr std::string_view progress_state = "watermark";

/// A blob: up to where the groups of a range have given their results.
struct progress_record {
  uint32_t begin = 0, end = 0;
  timestamp_us watermark = watermark_none;
};

}  // namespace

window_index::window_index(const key_codec& codec, uint32_t end_key)
    : word_(1 + codec.word_of(end_key)), null_bit_(uint64_t{1} << (32 + end_key)) {}

void window_index::add(uint32_t id, const uint64_t* row) {
  if (*row & null_bit_) return;
  open_[static_cast<timestamp_us>(row[word_])].push_back(id);
}

void window_index::close_until(timestamp_us t, std::vector<uint32_t>& out) {
  auto end = open_.upper_bound(t);
  for (auto it = open_.begin(); it != end; ++it)
    out.insert(out.end(), it->second.begin(), it->second.end());
  open_.erase(open_.begin(), end);
}

batch_ptr window_progress::drop_late(const batch_ptr& b, uint32_t index, memory_pool& memory,
                                     operator_metrics* metrics) const {
  if (watermark_ == watermark_none) return b;
  const column& c = *b->columns[index];
  auto late = [&](uint32_t r) {
    const auto* v = c.dictionary ? c.dictionary->data<int64_t>() : c.data<int64_t>();
    return c.is_valid(r) && v[c.dictionary ? c.data<uint32_t>()[r] : r] <= watermark_;
  };
  uint32_t n = 0;
  for (uint32_t i = 0; i < b->rows; ++i) n += late(b->row(i));
  if (n == 0) return b;
  if (metrics) metrics->late_rows += n;
  auto selection = buffer::allocate(memory, size_t{b->rows - n} * 4);
  auto* out = selection.mutable_as<uint32_t>();
  for (uint32_t i = 0; i < b->rows; ++i)
    if (!late(b->row(i))) *out++ = b->row(i);
  return with_selection(*b, std::move(selection), b->rows - n);
}

void window_progress::snapshot(snapshot_writer& w, key_group_range range) const {
  progress_record r{range.begin, range.end, watermark_};
  w.put(progress_state, no_key_group, chunk_kind::blob,
        buffer::copy(w.memory(), std::as_bytes(std::span(&r, 1))));
}

status window_progress::restore(const snapshot_reader& in, key_group_range range) {
  // Behind an aligned barrier all subtasks have seen the same watermark; blobs of subtasks that are
  // no more (the parallelism changed) are older and therefore smaller.
  for (const auto& [subtask, bytes] : in.blobs(progress_state)) {
    progress_record r;
    if (bytes.size() != sizeof(r))
      return error(errc::corrupt, "state \"watermark\" of subtask " + std::to_string(subtask) +
                                      " has " + std::to_string(bytes.size()) + " bytes");
    std::memcpy(&r, bytes.data(), sizeof(r));
    if (r.begin < range.end && range.begin < r.end) advance(r.watermark);
  }
  return {};
}

}  // namespace weir
