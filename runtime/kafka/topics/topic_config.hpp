// Every topic configuration that Kafka 4.x knows, and Weir's own `durability`: one table with name,
// type, default, rule, the node-level names that set its default, and whether Weir acts on it; and
// the parsed view that a partition's log needs. Kafka's texts for every refusal. Pure; safe on any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/kafka/topics/config_value.hpp"

namespace weir::kafka {

class broker_config;

/// A node-level name that sets a topic configuration's default, e.g. log.retention.hours for
/// retention.ms. The first one that is set wins.
struct broker_synonym {
  std::string_view name = {};
  const char* default_value = nullptr;  // null: unset unless the node's file sets it
  int64_t factor = 1;                   // what the number is multiplied by to get the topic's unit
};

struct topic_config_definition {
  std::string_view name;
  value_rule rule;
  const char* default_value = nullptr;  // canonical; null only for internal.segment.bytes
  std::array<broker_synonym, 3> synonyms = {};
  bool internal = false;  // left out of listings unless a topic sets it
  bool acts = false;      // false: stored and reported only
  std::string_view doc;
};

/// All of them, ordered by name.
std::span<const topic_config_definition> topic_config_definitions();
/// Null when there is no such configuration.
const topic_config_definition* find_topic_config(std::string_view name);

/// The canonical text of one value; "Unknown topic config name: NAME" when there is no such name.
result<std::string> canonical_topic_value(std::string_view name, std::string_view value);

/// What no single value can violate: min.compaction.lag.ms <= max.compaction.lag.ms, no tiered
/// storage. `overrides` holds canonical values; what it leaves out is the node's default.
status check_topic_overrides(const config_map& overrides, const broker_config& node);

/// What a topic gets for one configuration.
struct resolved_value {
  std::string value;
  config_source source = config_source::default_value;
  bool present = false;  // false only for an internal configuration that nobody set
};
/// For a topic with `overrides` on `node`.
resolved_value resolve_topic_value(const topic_config_definition&, const config_map& overrides,
                                   const broker_config& node);

enum class topic_durability : uint8_t { fsync, os };
enum class topic_compression : uint8_t { producer, uncompressed, gzip, snappy, lz4, zstd };
enum class topic_timestamps : uint8_t { create_time, log_append_time };

/// A topic's configuration as numbers. Durations in milliseconds; -1 bytes or ms of retention: no
/// limit; int64 maximum: never.
struct topic_settings {
  bool compact = false;
  bool remove = true;  // cleanup.policy contains delete; neither: kept for ever
  int64_t retention_bytes = -1;
  int64_t retention_ms = -1;
  int64_t segment_bytes = 0;  // internal.segment.bytes if set, else segment.bytes
  int64_t segment_ms = 0;
  int64_t segment_jitter_ms = 0;
  int64_t index_interval_bytes = 0;
  int64_t file_delete_delay_ms = 0;
  int64_t min_compaction_lag_ms = 0;
  int64_t max_compaction_lag_ms = 0;
  int64_t delete_retention_ms = 0;
  double min_cleanable_dirty_ratio = 0.5;
  int32_t max_message_bytes = 0;
  topic_timestamps timestamps = topic_timestamps::create_time;
  int64_t timestamp_before_max_ms = 0;
  int64_t timestamp_after_max_ms = 0;
  int32_t min_insync_replicas = 1;
  topic_compression compression = topic_compression::producer;
  int32_t gzip_level = -1;
  int32_t lz4_level = 9;
  int32_t zstd_level = 3;
  bool preallocate = false;
  topic_durability durability = topic_durability::fsync;
};

/// `overrides` must have passed canonical_topic_value.
topic_settings resolve_topic_settings(const config_map& overrides, const broker_config& node);

}  // namespace weir::kafka
