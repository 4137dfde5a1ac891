// Reports as JSON: what the HTTP API and `-o json` say.
#pragma once

#include <string>

#include "actors/interfaces.hpp"

namespace weir::http {

std::string to_json(const job_report&);
/// The Kafka listener that is told is the one of this node.
std::string to_json(const cluster_report&, uint32_t own_pid, const std::string& own_kafka);

}  // namespace weir::http
