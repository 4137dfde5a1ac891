#include "runtime/kafka/partition/leader_epochs.hpp"

#include <algorithm>

#include "runtime/kafka/partition/byte_io.hpp"

namespace weir::kafka {

void leader_epochs::assign(int32_t epoch, int64_t offset) {
  if (epoch < 0 || epoch <= latest()) return;
  // An epoch that wrote nothing leaves no trace in the log, so none here either.
  while (!entries_.empty() && entries_.back().start_offset >= offset) entries_.pop_back();
  entries_.push_back({epoch, offset});
  if (entries_.size() > leader_epochs_max) entries_.erase(entries_.begin());
}

epoch_end leader_epochs::end_of(int32_t epoch, int64_t log_end) const {
  if (epoch < 0 || epoch > latest()) return {};
  if (epoch == latest()) return {epoch, log_end};
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), epoch,
                                     [](int32_t e, const entry& x) { return e < x.epoch; });
  if (next == entries_.begin()) return {epoch, next->start_offset};
  return {std::prev(next)->epoch, next->start_offset};
}

int32_t leader_epochs::epoch_at(int64_t offset) const {
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                     [](int64_t o, const entry& x) { return o < x.start_offset; });
  return next == entries_.begin() ? -1 : std::prev(next)->epoch;
}

void leader_epochs::truncate(int64_t end_offset) {
  while (!entries_.empty() && entries_.back().start_offset >= end_offset) entries_.pop_back();
}

void leader_epochs::log_start(int64_t start_offset) {
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), start_offset,
                                     [](int64_t o, const entry& x) { return o < x.start_offset; });
  if (next == entries_.begin()) return;
  entries_.erase(entries_.begin(), std::prev(next));
  entries_.front().start_offset = start_offset;
}

std::string leader_epochs::encode(int64_t end_offset) const {
  std::string out;
  uint32_t count = 0;
  for (const entry& e : entries_)
    if (e.start_offset < end_offset) ++count;
  put_number(out, count);
  for (const entry& e : entries_) {
    if (e.start_offset >= end_offset) continue;
    put_number(out, e.epoch);
    put_number(out, e.start_offset);
  }
  return out;
}

result<leader_epochs> leader_epochs::decode(std::span<const std::byte> bytes) {
  byte_reader in(bytes);
  leader_epochs out;
  const auto count = in.number<uint32_t>();
  if (!in.ok() || count > leader_epochs_max || in.left() != count * (4 + 8ul))
    return error(errc::corrupt, "the list of leader epochs has another length than announced");
  for (uint32_t i = 0; i < count; ++i) {
    entry e;
    e.epoch = in.number<int32_t>();
    e.start_offset = in.number<int64_t>();
    if (e.epoch <= out.latest() ||
        (!out.entries_.empty() && e.start_offset <= out.entries_.back().start_offset))
      return error(errc::corrupt, "leader epochs are not in order");
    out.entries_.push_back(e);
  }
  return out;
}

}  // namespace weir::kafka
