// What a run shows: one line of progress on a terminal, and the summary at its end. Pure text from
// job reports.
#pragma once

#include <string>

#include "actors/messages.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

/// Sums over a job's sources and sinks.
struct flow_totals {
  uint64_t rows_in = 0, bytes_in = 0, rows_out = 0, bytes_out = 0;
  uint64_t skipped = 0, dead_letters = 0, late = 0;
};
flow_totals totals_of(const job_report&, const physical_plan&);

/// "42% · 1.2 M rows (31.0 MB) in, 16 rows out · 350 K rows/s · epoch 7, 0.4 s ago · 3 s left".
/// `since`: the previous report, for the rate. At most `width` characters.
std::string progress_line(const job_report&, const physical_plan&, const job_report* since,
                          size_t width);

/// The one-line summary, and with `operators` a table of each operator's shares of time.
std::string summary_line(const job_report&, const physical_plan&);
std::string operator_table(const job_report&, const physical_plan&);

}  // namespace weir::cli
