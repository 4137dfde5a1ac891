#include "runtime/operators/group_progress.hpp"

#include <algorithm>
#include <cstring>

namespace weir {
namespace {

constexpr std::string_view progress_state = "watermarks";

/// The blob is a list of these: groups [begin, end) and how far they are.
struct record {
  uint32_t begin = 0, end = 0;
  timestamp_us watermark = watermark_none;
};

}  // namespace

void group_progress::advance(timestamp_us t) {
  newest_ = std::max(newest_, t);
  for (auto& g : by_group_) g = std::max(g, t);
  oldest_ = by_group_.empty() ? newest_ : *std::min_element(by_group_.begin(), by_group_.end());
  if (oldest_ == newest_) by_group_.clear();
}

void group_progress::snapshot(snapshot_writer& w) const {
  std::vector<record> records;
  for (uint32_t g = range_.begin; g < range_.end; ++g) {
    if (records.empty() || records.back().watermark != of(g)) records.push_back({g, g, of(g)});
    records.back().end = g + 1;
  }
  w.put(progress_state, no_key_group, chunk_kind::blob,
        buffer::copy(w.memory(), std::as_bytes(std::span<const record>(records))));
}

status group_progress::restore(const snapshot_reader& in) {
  by_group_.assign(range_.end - range_.begin, watermark_none);
  // A group's watermark never goes back: what subtasks wrote that are no more is the smaller one.
  for (const auto& [subtask, bytes] : in.blobs(progress_state)) {
    if (bytes.size() % sizeof(record) != 0)
      return error(errc::corrupt, "state \"watermarks\" of subtask " + std::to_string(subtask) +
                                      " has " + std::to_string(bytes.size()) + " bytes");
    for (size_t at = 0; at < bytes.size(); at += sizeof(record)) {
      record r;
      std::memcpy(&r, bytes.data() + at, sizeof(r));
      for (uint32_t g = std::max(r.begin, range_.begin); g < std::min(r.end, range_.end); ++g) {
        auto& mine = by_group_[g - range_.begin];
        mine = std::max(mine, r.watermark);
      }
    }
  }
  for (auto w : by_group_) newest_ = std::max(newest_, w);
  advance(watermark_none);
  return {};
}

}  // namespace weir
