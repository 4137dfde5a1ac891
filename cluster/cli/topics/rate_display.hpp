// A line of progress on a terminal (stderr) while records are moved, and the summary at the end.
// One thread.
#pragma once

#include <chrono>
#include <string>

namespace weir::cli {

class rate_display {
 public:
  explicit rate_display(bool quiet);
  /// Shows the line when there is a terminal and the last one is old enough.
  void show(uint64_t records, uint64_t bytes);
  /// "VERB 1,000 records (1.2 MiB) WHERE in 1.2s, 833 records/s", unless quiet.
  void finish(const std::string& verb, const std::string& where, uint64_t records, uint64_t bytes);

 private:
  using steady = std::chrono::steady_clock;
  bool quiet_, terminal_;
  bool shown_ = false;
  steady::time_point began_ = steady::now(), last_ = began_;
  uint64_t last_records_ = 0;
};

}  // namespace weir::cli
