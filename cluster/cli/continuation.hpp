// What a job would continue from: the newest epoch of its data directory, and what a changed job
// keeps of its state. Reads only; a run and another process may use the directory meanwhile.
#pragma once

#include <string>

#include "runtime/plan/plan.hpp"

namespace weir::cli {

struct continuation {
  uint64_t epoch = 0;     // 0: the job starts afresh
  bool finished = false;  // the same job had ended with this epoch
  std::string changes;    // of a changed job: what is kept or lost, one line per operator
};
/// `data_dir` as for `weir run`.
result<continuation> find_continuation(const std::string& data_dir, const physical_plan&);

}  // namespace weir::cli
