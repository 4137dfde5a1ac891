// weir run: a job in this process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/plan/plan.hpp"

namespace weir::cli {

/// Between snapshots, where neither the command line nor the job says otherwise.
inline constexpr int64_t default_snapshot_interval_us = 1'000'000;

/// FACES' exit codes.
enum exit_code : int { exit_ok = 0, exit_failed = 1, exit_usage = 2, exit_interrupted = 130 };

struct run_options {
  std::string file;
  std::optional<uint32_t> parallelism;
  std::string data_dir;
  bool fresh = false;
  std::optional<delivery_mode> mode;
  std::optional<int64_t> snapshot_interval_us;  // else the job's, else a second
  size_t memory_bytes = size_t{2} << 30;
  std::map<std::string, std::string> set;
  bool final_only = false;
  bool quiet = false;
  std::string output;  // table, csv, json; empty: table on a terminal, else csv
  std::string log_level = "warn";
};

/// Runs the job to its end, or until a signal stops it. Returns the process's exit code.
int run_job(const run_options&);

class run_display;
/// -o, or what suits a terminal, for the sinks on stdout whose table does not say it.
void choose_stdout_format(physical_plan&, const std::string& wanted);
/// A line of progress on a terminal, and a summary at the end.
std::unique_ptr<run_display> plain_display(const physical_plan&, bool quiet);

}  // namespace weir::cli
