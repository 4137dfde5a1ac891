#include "runtime/kafka/topics/topic_config.hpp"

#include <charconv>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir::kafka {
namespace {

int64_t integer_of(std::string_view canonical) {
  int64_t v = 0;
  auto [end, problem] = std::from_chars(canonical.data(), canonical.data() + canonical.size(), v);
  weir_assert(problem == std::errc() && end == canonical.data() + canonical.size(),
              "a stored configuration is canonical");
  return v;
}

// log.retention.hours = 24 as milliseconds. Negative means "no limit", whatever the unit.
std::string scaled(std::string_view canonical, int64_t factor) {
  if (factor == 1) return std::string(canonical);
  int64_t v = integer_of(canonical);
  return std::to_string(v < 0 ? -1 : v * factor);  // int32 times an hour fits
}

/// The values of one topic; each read names a definition that must exist.
class view {
 public:
  view(const config_map& overrides, const broker_config& node)
      : overrides_(overrides), node_(node) {}
  resolved_value get(std::string_view name) const {
    const auto* d = find_topic_config(name);
    weir_assert(d != nullptr, "a topic configuration that the table has");
    return resolve_topic_value(*d, overrides_, node_);
  }
  std::string text(std::string_view name) const { return get(name).value; }
  int64_t number(std::string_view name) const { return integer_of(text(name)); }
  int32_t number32(std::string_view name) const { return static_cast<int32_t>(number(name)); }
  bool flag(std::string_view name) const { return text(name) == "true"; }

 private:
  const config_map& overrides_;
  const broker_config& node_;
};

topic_compression compression_of(std::string_view s) {
  if (s == "uncompressed") return topic_compression::uncompressed;
  if (s == "gzip") return topic_compression::gzip;
  if (s == "snappy") return topic_compression::snappy;
  if (s == "lz4") return topic_compression::lz4;
  if (s == "zstd") return topic_compression::zstd;
  return topic_compression::producer;
}

}  // namespace

result<std::string> canonical_topic_value(std::string_view name, std::string_view value) {
  const auto* d = find_topic_config(name);
  if (d == nullptr) return {errc::unknown_name, "Unknown topic config name: " + std::string(name)};
  return canonical_value(name, d->rule, value);
}

status check_topic_overrides(const config_map& overrides, const broker_config& node) {
  view v(overrides, node);
  int64_t low = v.number("min.compaction.lag.ms");
  int64_t high = v.number("max.compaction.lag.ms");
  if (low > high)
    return {errc::invalid_argument, "conflict topic config setting min.compaction.lag.ms (" +
                                        std::to_string(low) + ") > max.compaction.lag.ms (" +
                                        std::to_string(high) + ")"};
  if (v.flag("remote.storage.enable"))
    return {errc::invalid_argument,
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured "
            "with remote log storage."};
  return {};
}

resolved_value resolve_topic_value(const topic_config_definition& d, const config_map& overrides,
                                   const broker_config& node) {
  if (auto at = overrides.find(d.name); at != overrides.end())
    return {at->second, config_source::topic, true};
  for (const auto& s : d.synonyms)
    if (!s.name.empty())
      if (const std::string* set = node.set_value(s.name))
        return {scaled(*set, s.factor), config_source::static_broker, true};
  if (d.default_value == nullptr) return {};
  return {d.default_value, config_source::default_value, true};
}

topic_settings resolve_topic_settings(const config_map& overrides, const broker_config& node) {
  view v(overrides, node);
  topic_settings s;
  s.compact = s.remove = false;
  for (const auto& policy : split_list(v.text("cleanup.policy")))
    (policy == "compact" ? s.compact : s.remove) = true;
  s.retention_bytes = v.number("retention.bytes");
  s.retention_ms = v.number("retention.ms");
  resolved_value internal_bytes = v.get("internal.segment.bytes");
  s.segment_bytes =
      internal_bytes.present ? integer_of(internal_bytes.value) : v.number("segment.bytes");
  s.segment_ms = v.number("segment.ms");
  s.segment_jitter_ms = v.number("segment.jitter.ms");
  s.index_interval_bytes = v.number("index.interval.bytes");
  s.file_delete_delay_ms = v.number("file.delete.delay.ms");
  s.min_compaction_lag_ms = v.number("min.compaction.lag.ms");
  s.max_compaction_lag_ms = v.number("max.compaction.lag.ms");
  s.delete_retention_ms = v.number("delete.retention.ms");
  std::string ratio = v.text("min.cleanable.dirty.ratio");
  auto read =
      std::from_chars(ratio.data(), ratio.data() + ratio.size(), s.min_cleanable_dirty_ratio);
  weir_assert(read.ec == std::errc(), "a stored ratio is canonical");
  s.max_message_bytes = v.number32("max.message.bytes");
  s.timestamps = v.text("message.timestamp.type") == "LogAppendTime"
                     ? topic_timestamps::log_append_time
                     : topic_timestamps::create_time;
  s.timestamp_before_max_ms = v.number("message.timestamp.before.max.ms");
  s.timestamp_after_max_ms = v.number("message.timestamp.after.max.ms");
  s.min_insync_replicas = v.number32("min.insync.replicas");
  s.compression = compression_of(v.text("compression.type"));
  s.gzip_level = v.number32("compression.gzip.level");
  s.lz4_level = v.number32("compression.lz4.level");
  s.zstd_level = v.number32("compression.zstd.level");
  s.preallocate = v.flag("preallocate");
  s.durability = v.text("durability") == "os" ? topic_durability::os : topic_durability::fsync;
  return s;
}

}  // namespace weir::kafka
