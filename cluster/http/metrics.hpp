// A node's metrics in Prometheus's text form (version 0.0.4). Looks at gauges and at groups; opens
// no partition. Any thread.
#pragma once

#include <string>

#include "cluster/http/api.hpp"

namespace weir::http {

/// `kafka`: null for a node without topics.
std::string metrics_text(kafka_endpoint* kafka, const api_options&);

}  // namespace weir::http
