// Reports as JSON: what the HTTP API and `-o json` say.
#pragma once

#include <string>

#include "actors/interfaces.hpp"

namespace weir::http {

std::string to_json(const job_report&);
std::string to_json(const cluster_report&);

}  // namespace weir::http
