// Event time of a source task: bounded out-of-orderness per split, merged by minimum; splits that
// have been silent for the idle timeout leave the minimum. Time is passed in. Owned by one task.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/base/ids.hpp"

namespace weir {

class split_watermarks {
 public:
  struct options {
    int64_t delay_us = 0;         // rows may be this much older than the newest before them
    int64_t idle_timeout_us = 0;  // 0 = never idle
  };
  explicit split_watermarks(options o) : options_(o) {}

  void add(const std::string& split, timestamp_us now);
  void remove(std::string_view split);
  /// Rows up to event time `newest` came from the split.
  void observe(std::string_view split, timestamp_us newest, timestamp_us now);
  /// No row of the split that is still to come is older than `t`.
  void promise(std::string_view split, timestamp_us t);
  /// While splits exist that nobody reads yet, the watermark stands still.
  void hold(bool on) noexcept { held_ = on; }
  bool held() const noexcept { return held_; }

  struct reading {
    bool idle = false;  // every split is silent
    timestamp_us watermark = watermark_none;
  };
  /// The merged watermark as of processing time `now`; never goes back.
  reading read(timestamp_us now);
  /// Processing time after `now` at which a split would turn idle next; watermark_end = never.
  timestamp_us next_idle(timestamp_us now) const;
  bool empty() const noexcept { return splits_.empty(); }
  /// The split that holds the watermark back.
  std::string slowest() const;

 private:
  struct split {
    timestamp_us newest = watermark_none;
    timestamp_us last_seen = 0;
    timestamp_us promised = watermark_none;
  };
  /// Every row of the split that is still to come is newer, as far as anybody knows.
  timestamp_us passed(const split&) const;
  options options_;
  std::map<std::string, split, std::less<>> splits_;
  bool held_ = false;
  timestamp_us merged_ = watermark_none;
};

}  // namespace weir
