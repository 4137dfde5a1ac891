// A node's metrics in Prometheus's text form (version 0.0.4). Looks at gauges and at groups; opens
// no partition. Any thread.
#pragma once

#include <string>

#include "cluster/http/api.hpp"

namespace weir::http {

/// `rows`: the exchange of rows with other nodes; may be null. Of the cluster and its jobs what
/// this node's copy of the metadata says: no other node is asked.
std::string metrics_text(kafka_endpoint&, const data_exchange* rows, membership&,
                         const api_options&);

}  // namespace weir::http
