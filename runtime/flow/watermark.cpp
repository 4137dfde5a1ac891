#include "runtime/flow/watermark.hpp"

#include <algorithm>

namespace weir {

void split_watermarks::add(const std::string& id, timestamp_us now) {
  splits_.emplace(id, split{watermark_none, now});
}

void split_watermarks::remove(std::string_view id) {
  if (auto it = splits_.find(id); it != splits_.end()) splits_.erase(it);
}

void split_watermarks::observe(std::string_view id, timestamp_us newest, timestamp_us now) {
  auto it = splits_.find(id);
  if (it == splits_.end()) return;
  it->second.newest = std::max(it->second.newest, newest);
  it->second.last_seen = now;
}

void split_watermarks::promise(std::string_view id, timestamp_us t) {
  if (auto it = splits_.find(id); it != splits_.end())
    it->second.promised = std::max(it->second.promised, t);
}

timestamp_us split_watermarks::passed(const split& s) const {
  // The newest row's time itself may still be followed by its equals.
  timestamp_us t = s.newest > watermark_none + options_.delay_us + 1
                       ? s.newest - options_.delay_us - 1
                       : watermark_none;
  return s.promised > watermark_none ? std::max(t, s.promised - 1) : t;
}

split_watermarks::reading split_watermarks::read(timestamp_us now) {
  timestamp_us low = watermark_end;
  bool active = false;
  for (const auto& [id, s] : splits_) {
    if (options_.idle_timeout_us > 0 && now - s.last_seen >= options_.idle_timeout_us) continue;
    active = true;
    low = std::min(low, passed(s));
  }
  if (!active) return {!splits_.empty(), merged_};
  if (!held_) merged_ = std::max(merged_, low);
  return {false, merged_};
}

timestamp_us split_watermarks::next_idle(timestamp_us now) const {
  if (options_.idle_timeout_us <= 0 || splits_.empty()) return watermark_end;
  timestamp_us t = watermark_end;
  for (const auto& [id, s] : splits_)
    if (auto at = s.last_seen + options_.idle_timeout_us; at > now) t = std::min(t, at);
  return t;
}

std::string split_watermarks::slowest() const {
  const std::pair<const std::string, split>* low = nullptr;
  for (const auto& s : splits_)
    if (!low || passed(s.second) < passed(low->second)) low = &s;
  return low ? low->first : std::string();
}

}  // namespace weir
