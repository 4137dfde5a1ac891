// The job of the simulated clusters, and what its sinks have to hold when it has ended: every
// number once, and of each key how many there were and their sum.
#pragma once

#include <string>
#include <vector>

#include "runtime/io/file.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::sim {

/// Numbers from a source of three tasks, as they are and summed by key, into files below `out`.
physical_plan counting_job(const std::string& out);

/// How the files differ from what they have to hold; empty: they do not.
std::vector<std::string> differences(file_system&, const std::string& out);

}  // namespace weir::sim
