// A node's metrics in Prometheus's text form (version 0.0.4). Looks at gauges and at groups; opens
// no partition. Any thread.
#pragma once

#include <string>

#include "cluster/http/api.hpp"

namespace weir::http {

/// `rows`: the exchange of rows with other nodes; may be null.
std::string metrics_text(kafka_endpoint&, const data_exchange* rows, const api_options&);

}  // namespace weir::http
