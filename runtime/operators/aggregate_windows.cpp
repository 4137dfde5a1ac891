#include "runtime/operators/aggregate_windows.hpp"

#include <cstring>

#include "runtime/operators/late_rows.hpp"

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
    : word_(1 + codec.word_of(end_key)), null_(codec.null_of(end_key)) {}

void window_index::add(uint32_t id, const uint64_t* row) {
  if (null_.is_set(row)) return;
  open_[static_cast<timestamp_us>(row[word_])].push_back(id);
}

void window_index::close_until(timestamp_us t, std::vector<uint32_t>& out) {
  auto end = open_.upper_bound(t);
  for (auto it = open_.begin(); it != end; ++it)
    out.insert(out.end(), it->second.begin(), it->second.end());
  open_.erase(open_.begin(), end);
}

batch_ptr window_progress::drop_late(const batch_ptr& b, uint32_t column, memory_pool& memory,
                                     operator_metrics* metrics) const {
  if (watermark_ == watermark_none) return b;
  auto split = split_late(b, column, memory, [this](int64_t end) { return end <= watermark_; });
  if (split.late && metrics) metrics->late_rows += split.late->rows;
  return split.kept;
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
