// Where the topics are that tables of connector `topic` mean: this process's own, or a cluster's
// that is reached by any node's HTTP listener.
#pragma once

#include <string>

namespace weir::cli {

/// Sets the process's hook (runtime/connectors/kafka). `own`: HOST:PORT of this process's Kafka
/// listener, if it has one; else the table's option `cluster` or WEIR_CLUSTER is asked.
void use_topic_cluster(std::string own = {});

}  // namespace weir::cli
