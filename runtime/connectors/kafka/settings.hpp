// The WITH options of tables of connectors kafka and topic as values, checked. Plain values; pure
// functions but for kafka_bootstrap(), which may ask the process's hook.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/connectors/source.hpp"

namespace weir {

/// Columns that are not in the value, by the options that name them.
struct kafka_columns {
  std::optional<std::string> key, partition, offset, timestamp, headers, topic;
};
kafka_columns kafka_columns_of(const option_map&);

/// librdkafka's options, without the prefix.
std::vector<std::pair<std::string, std::string>> library_options(const option_map&);
/// Those of them that say how brokers are reached, for a client of another role.
std::vector<std::pair<std::string, std::string>> connection_options(const option_map&);
/// HOST:PORT,...: the option bootstrap or what the hook says.
result<std::string> kafka_bootstrap(const option_map&);

struct kafka_source_settings {
  std::vector<std::string> topics;  // or
  std::string pattern;              // a regular expression that matches whole names
  enum class start : uint8_t { earliest, latest, timestamp, offsets, group } from = start::earliest;
  int64_t start_us = 0;                      // start::timestamp
  std::map<int32_t, int64_t> start_offsets;  // start::offsets; other partitions: earliest
  std::string group;                         // empty = progress is told to nobody
  bool bounded = false;                      // to the ends as they are at the start
  bool looked_up = false;  // bounded, and a record without a value takes its key's row away
  bool read_committed = true;
};
result<kafka_source_settings> kafka_source_settings_of(const option_map&);

struct kafka_sink_settings {
  std::string topic;
  bool exactly_once = true;      // unless the job promises less
  std::string transactional_id;  // empty = of the job's and the operator's names
  bool key_in_value = false;     // the key's column is written into the value, too
};
result<kafka_sink_settings> kafka_sink_settings_of(const option_map&);

/// A topic's name after Kafka's rules; `option` is where it stands.
status check_topic_name(std::string_view option, const std::string& name);
/// librdkafka's options by their names and values, and none that are Weir's own to set.
status check_library_options(const option_map&, bool as_sink);

}  // namespace weir
