// YAML job files: text -> physical plan, with every mistake of the file reported at once, each at
// its line and column. Used by `weir run`, `lint`, `plan` and `job submit`. Pure functions but for
// loading the libraries of custom operators; any thread.
#pragma once

#include "jobs/job/job.hpp"

namespace weir::jobs {

/// The front end of YAML job files (see front_end).
std::optional<job> read_yaml(const std::string& text, const std::string& file,
                             const std::string& base_dir, const job_settings&,
                             std::vector<diagnostic>& out);

/// JSON schema of job files (`weir lint --schema`), made from the tables that the checks use.
std::string job_schema();

}  // namespace weir::jobs
