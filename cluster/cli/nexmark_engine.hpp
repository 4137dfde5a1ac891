// What a run of a Nexmark query needs besides its plan: sources that remember when they began,
// sinks that tell how late rows are, and sources that replay generated batches. They stand in for
// the plan's own under a name that only this process knows.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "cluster/cli/bench_engine.hpp"

namespace weir::cli {

/// When rows reached sinks, against when their event was due at the source; shared by a run's
/// tasks.
class nexmark_latencies {
 public:
  /// A source has begun: event time `start_us` is now, in processing time.
  void began(timestamp_us now, timestamp_us start_us);
  /// Rows that were due at these event times have come to a sink.
  void arrived(timestamp_us now, const std::vector<timestamp_us>& due);
  /// Milliseconds of rows that were due from `from_us` to `until_us` after the start: the first
  /// ones show how a job starts, the end of the stream closes windows before their time.
  std::vector<double> milliseconds(int64_t from_us, int64_t until_us) const;

 private:
  mutable std::mutex m_;
  timestamp_us start_us_ = 0;
  std::optional<timestamp_us> origin_;  // processing time at event time start_us_
  std::vector<std::pair<timestamp_us, timestamp_us>>
      seen_;  // event time when it was due, when it came
};

/// Lets `plan` measure into `to` while this lives. `measures()` is false when the result has no
/// column that tells when its row was due.
class latency_probe {
 public:
  /// How long a run has to be for the query to give rows at all.
  static double seconds_min(std::string_view query);
  latency_probe(physical_plan& plan, std::string_view query, std::shared_ptr<nexmark_latencies> to);
  ~latency_probe();
  bool measures() const noexcept { return measures_; }

 private:
  bool measures_ = false;
};

/// Generates the first events of `plan`'s sources into memory, and lets it read those over and over
/// while this lives. What has state sees each lap as the next part of one stream: ids and times
/// move on, which is done ahead for all laps where memory allows, else when a batch is read.
class memory_laps {
 public:
  static result<std::unique_ptr<memory_laps>> make(physical_plan& plan, uint32_t parallelism);
  ~memory_laps();

 private:
  memory_laps() = default;
  memory_pool pool_;
};

}  // namespace weir::cli
