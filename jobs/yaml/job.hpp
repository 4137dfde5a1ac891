// YAML job files: text -> physical plan, with every mistake of the file reported at once, each at
// its line and column. Used by `weir run`, `lint`, `plan` and `job submit`. Pure functions but for
// reading the file and loading the libraries of custom operators; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/plan/builder.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::jobs {

struct diagnostic {
  std::string file;
  uint32_t line = 0, column = 0;  // from 1; 0 = the file as a whole
  std::string message;
  bool warning = false;
  std::string source;  // the line of the file, for the caret
};
/// "FILE:LINE:COLUMN: error: MESSAGE", the line and a caret.
std::string to_text(const diagnostic&);
std::string to_text(const std::vector<diagnostic>&);

struct job_settings {
  std::map<std::string, std::string> set;  // --set KEY=VALUE, for ${KEY} in the file
  std::optional<uint32_t> parallelism;     // -p; else the file's, else default_parallelism
  uint32_t default_parallelism = 1;
  std::optional<delivery_mode> mode;  // --mode; else the file's, else exactly-once
  bool final_output = false;          // --final
  planner::custom_resolver custom;    // none: libraries are found and loaded
};

struct job {
  physical_plan plan;
  std::vector<diagnostic> warnings;
};

/// The error's message holds all diagnostics.
result<job> load_job(const std::string& path, const job_settings& = {});
/// As load_job, of text that is not in a file; relative paths count from base_dir.
result<job> load_job_text(const std::string& text, const std::string& file_name,
                          const std::string& base_dir, const job_settings& = {});
/// All errors and warnings; empty when there is nothing to say.
std::vector<diagnostic> lint(const std::string& path, const job_settings& = {});
std::vector<diagnostic> lint_text(const std::string& text, const std::string& file_name,
                                  const std::string& base_dir, const job_settings& = {});

/// JSON schema of job files (`weir lint --schema`), made from the tables that the checks use.
std::string job_schema();

/// A job file longer than this is refused.
inline constexpr size_t job_file_bytes_max = 1 << 20;

}  // namespace weir::jobs
