// SQL job files: a script in PostgreSQL's grammar -> physical plan, with every statement's mistakes
// reported, each at its line and column. Used by `weir run`, `lint`, `plan` and `job submit`. Pure
// function; any thread.
#pragma once

#include "jobs/job/job.hpp"

namespace weir::jobs {

/// The front end of SQL job files (see front_end).
std::optional<job> read_sql(const std::string& text, const std::string& file,
                            const std::string& base_dir, const job_settings&,
                            std::vector<diagnostic>& out);

}  // namespace weir::jobs
