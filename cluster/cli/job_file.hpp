// Job files of every kind: the one place that knows which front end reads which file.
#pragma once

#include <string>
#include <vector>

#include "jobs/job/job.hpp"

namespace weir::cli {

/// SQL (.sql) or YAML (.yaml, .yml). The error's message holds all diagnostics.
result<jobs::job> load_job(const std::string& path, const jobs::job_settings&);
/// All errors and warnings.
std::vector<jobs::diagnostic> lint(const std::string& path, const jobs::job_settings&);

}  // namespace weir::cli
