// Calls of a node's HTTP API by the verbs job and cluster. One thread.
#pragma once

#include <simdjson.h>

#include <string>

#include "cluster/cli/cluster.hpp"

namespace weir::cli {

/// Calls a node; prints its error. Returns the exit code; `answer` is what it said. Warns of
/// answers from an old view, unless the caller does (`warns`).
int call(const cluster_verb_options&, const std::string& method, const std::string& target,
         const std::string& body, std::string& answer, bool warns = false);
std::string text_of(simdjson::dom::element);
/// The "jobs" of `json` as a table.
void print_jobs(const std::string& json, const std::string& format);

}  // namespace weir::cli
