// A job as a front end reads it: what the command line gives, what comes back, and the job's file.
// Pure functions but for reading the file; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job/diagnostics.hpp"
#include "jobs/plan/builder.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::jobs {

struct job_settings {
  std::map<std::string, std::string> set;  // --set KEY=VALUE, for ${KEY} in the file
  std::optional<uint32_t> parallelism;     // -p; else the file's, else default_parallelism
  uint32_t default_parallelism = 1;
  std::optional<delivery_mode> mode;  // --mode; else the file's, else exactly-once
  bool final_output = false;          // --final
  /// Standard output shows a table as it changes, in the order of a SELECT's ORDER BY.
  bool ordered_output = false;
  planner::custom_resolver custom;  // none: libraries are found and loaded
};

struct job {
  physical_plan plan;                           // without operators: the file only explains
  std::vector<std::string> explained;           // texts of EXPLAIN statements, in order
  std::optional<int64_t> snapshot_interval_us;  // what the file wishes
  std::vector<diagnostic> warnings;
};

/// A front end: text to job. Nothing: `out` says why. Relative paths count from base_dir.
using front_end = std::optional<job> (*)(const std::string& text, const std::string& file,
                                         const std::string& base_dir, const job_settings&,
                                         std::vector<diagnostic>& out);

/// The error's message holds all diagnostics.
result<job> load_job_text(front_end, const std::string& text, const std::string& file,
                          const std::string& base_dir, const job_settings&);
/// As load_job_text, of a file.
result<job> load_job_file(front_end, const std::string& path, const job_settings&);
/// All errors and warnings; empty when there is nothing to say.
std::vector<diagnostic> lint_job_text(front_end, const std::string& text, const std::string& file,
                                      const std::string& base_dir, const job_settings&);
std::vector<diagnostic> lint_job_file(front_end, const std::string& path, const job_settings&);

/// "jobs/carriers.yaml" -> "carriers": a job's name unless its file gives one.
std::string job_name_of(const std::string& file);

/// A job file longer than this is refused.
inline constexpr size_t job_file_bytes_max = 1 << 20;

}  // namespace weir::jobs
