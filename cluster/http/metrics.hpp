// A node's metrics in Prometheus's text form (version 0.0.4). Asks partitions and groups and waits
// for them at most some seconds: who does not answer by then is left out. Any thread.
#pragma once

#include <string>

#include "cluster/http/api.hpp"

namespace weir::http {

/// `kafka`: null for a node without topics.
std::string metrics_text(kafka_endpoint* kafka, const api_options&);

}  // namespace weir::http
