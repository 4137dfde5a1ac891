// Connectors `kafka` and `topic`: topics as tables, by librdkafka. Both are the same code; `topic`
// means the topics of Weir's own cluster, whose address comes from a hook of the process. Readers
// and sinks belong to one task each, enumerators to a job master; nothing here blocks a task: what
// waits for the network runs on librdkafka's threads, on context.io or on a thread of the sink.
#pragma once

#include <functional>

#include "runtime/connectors/source.hpp"

namespace weir {

/// HOST:PORT[,...] of the Kafka listeners of the cluster that a table of connector topic means. The
/// options are the table's; `cluster` among them, when given, is what --cluster takes (absent: the
/// environment's WEIR_CLUSTER, or the node that the process is). May block for a moment; called
/// from any thread, when a source or sink starts, not for tables with the option `bootstrap`.
using topic_bootstrap = std::function<result<std::string>(const option_map&)>;
/// The process's hook; takes the place of an earlier one. Thread-safe.
void set_topic_bootstrap(topic_bootstrap);

/// Partitions are splits ("topic/partition"); a position is the next offset.
result<std::unique_ptr<split_enumerator>> make_kafka_enumerator(const source_spec&);
result<std::unique_ptr<source_reader>> make_kafka_reader(const source_spec&);
result<std::unique_ptr<stream_operator>> make_kafka_sink(const sink_spec&);

inline bool is_kafka(std::string_view connector) {
  return connector == "kafka" || connector == "topic";
}
/// What check_options() cannot see in single options: combinations, and librdkafka's own options
/// (those that begin with kafka_option_prefix).
status check_kafka_options(std::string_view connector, const option_map&, bool as_sink);
/// Whether the columns that the options name exist and have a fitting type. `physical`: those of
/// the table that are not generated.
status check_kafka_table(const std::string& table, const schema& physical, const option_map&,
                         bool as_sink);
inline constexpr std::string_view kafka_option_prefix = "kafka.";

}  // namespace weir
