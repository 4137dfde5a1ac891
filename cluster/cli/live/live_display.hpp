// What a bare SELECT shows on a terminal: a changing result as a table that is painted over in
// place, an append-only one as rows that scroll by, and below them a line about the run.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "cluster/cli/execute.hpp"
#include "cluster/cli/live/layout.hpp"
#include "cluster/cli/live/painter.hpp"

namespace weir::cli {

class live_display final : public run_display {
 public:
  /// `rows` are those of the sink with id `sink`. `quiet`: no line about the run.
  live_display(std::shared_ptr<live_rows> rows, const physical_plan&, std::string sink, bool quiet);
  ~live_display() override;

  void print(const std::string& line) override;
  int64_t interval_ms() const override;
  bool wants_report() override;
  void show(const job_report*) override;
  void stopping() override { stopping_ = true; }
  void end(bool whole) override;
  void summarize(const job_report&) override;
  void abandon() override;

 private:
  std::string footer() const;
  void measure_rate();
  void show_table();
  void show_appended();
  void print_table(bool whole);
  /// False while the terminal is another's (in the background): nothing is painted. After such
  /// times, and after a stop, what was painted is no longer where it was.
  bool has_terminal();

  std::shared_ptr<live_rows> rows_;
  const physical_plan& plan_;
  std::string sink_;
  bool quiet_, stopping_ = false;
  table_layout layout_;
  table_text text_;
  painter painter_;
  echo_off echo_;
  std::chrono::steady_clock::time_point reported_{}, footer_painted_{}, flooded_{};
  bool behind_ = false;  // more rows wait than one call of show() prints
  std::optional<job_report> report_;
  std::string rate_;
  int64_t measured_at_ = 0;  // microseconds; 0: not yet
  uint64_t measured_rows_ = 0;
  // What was painted last: nothing is written when nothing is new.
  std::vector<std::string> painted_;
  screen_size painted_on_{0, 0};
  bool head_printed_ = false, had_terminal_ = true;
  uint64_t printed_ = 0;  // rows of an append-only result
};

/// A live_display's parts, where the plan has a SELECT that this terminal can show live.
struct live_run {
  std::shared_ptr<live_rows> rows;
  std::unique_ptr<run_display> display;
};
/// Whether this terminal shows a SELECT live, if the plan has one that can be; `format`: what -o
/// says. Such a plan may leave the order of rows to the table that is shown
/// (job_settings::ordered_output).
bool may_be_live(const std::string& format);
/// `format`: what -o says. Nothing: rows go to stdout as they go to a pipe.
std::optional<live_run> live_run_of(const physical_plan&, const std::string& format, bool quiet);

}  // namespace weir::cli
