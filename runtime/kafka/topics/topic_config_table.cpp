// The table of topic configurations: names, types, defaults and rules of Apache Kafka 4.3
// (LogConfig's definitions), the broker names of ServerTopicConfigSynonyms, documentation in our
// own words.
#include <algorithm>

#include "runtime/kafka/topics/topic_config.hpp"

namespace weir::kafka {
namespace {

using extra = value_rule::extra;

constexpr int64_t hour_ms = 3'600'000;
constexpr int64_t minute_ms = 60'000;
constexpr const char* never = "9223372036854775807";

constexpr std::string_view cleanup_policies[] = {"compact", "delete"};
constexpr std::string_view compression_types[] = {"uncompressed", "zstd", "lz4",
                                                  "snappy",       "gzip", "producer"};
constexpr std::string_view timestamp_types[] = {"CreateTime", "LogAppendTime"};
constexpr std::string_view durabilities[] = {"fsync", "os"};

constexpr value_rule boolean{config_type::boolean};
constexpr value_rule any_int64{config_type::int64};
constexpr value_rule throttled{config_type::list,
                               std::numeric_limits<int64_t>::min(),
                               std::numeric_limits<int64_t>::max(),
                               {},
                               extra::throttled_replicas};
constexpr value_rule gzip_levels{config_type::int32,
                                 std::numeric_limits<int64_t>::min(),
                                 std::numeric_limits<int64_t>::max(),
                                 {},
                                 extra::gzip_level};
constexpr value_rule int32_from(int64_t low) {
  return {config_type::int32, low};
}
constexpr value_rule int64_from(int64_t low) {
  return {config_type::int64, low};
}
constexpr value_rule one_of(config_type type, std::span<const std::string_view> allowed) {
  return {type, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), allowed};
}

constexpr bool internal = true;
constexpr bool acts = true;
constexpr bool inert = false;
using synonyms = std::array<broker_synonym, 3>;

// Ordered by name (a test holds it to that): find_topic_config searches by bisection.
constexpr topic_config_definition table[] = {
    {"cleanup.policy", one_of(config_type::list, cleanup_policies), "delete",
     synonyms{{{"log.cleanup.policy", "delete"}}}, false, acts,
     "What happens to old segments: \"delete\" drops them by age and size, \"compact\" keeps the "
     "latest record of each key, \"compact,delete\" does both. Empty keeps everything for ever."},
    {"compression.gzip.level", gzip_levels, "-1", synonyms{{{"compression.gzip.level", "-1"}}},
     false, inert,
     "The level when compression.type is gzip: 1 to 9, or -1 for the default. Stored and reported "
     "only."},
    {"compression.lz4.level",
     {config_type::int32, 1, 17},
     "9",
     synonyms{{{"compression.lz4.level", "9"}}},
     false,
     inert,
     "The level when compression.type is lz4: 1 to 17. Stored and reported only."},
    {"compression.type", one_of(config_type::string, compression_types), "producer",
     synonyms{{{"compression.type", "producer"}}}, false, acts,
     "The codec of stored batches. \"producer\" keeps each batch as the producer compressed it."},
    {"compression.zstd.level",
     {config_type::int32, -131072, 22},
     "3",
     synonyms{{{"compression.zstd.level", "3"}}},
     false,
     inert,
     "The level when compression.type is zstd: -131072 to 22. Stored and reported only."},
    {"delete.retention.ms", int64_from(0), "86400000",
     synonyms{{{"log.cleaner.delete.retention.ms", "86400000"}}}, false, acts,
     "How long a compacted topic keeps delete markers: a reader that starts at offset 0 must "
     "finish "
     "within this time to see every deletion."},
    {"durability", one_of(config_type::string, durabilities), "fsync",
     synonyms{{{"log.durability", "fsync"}}}, false, acts,
     "When a produce is acknowledged. \"fsync\": after its group commit is on the disk; nothing "
     "that "
     "was acknowledged is lost with the machine's power. \"os\": once the operating system has it; "
     "the last seconds are lost if the machine (not only the process) stops."},
    {"file.delete.delay.ms", int64_from(0), "60000",
     synonyms{{{"log.segment.delete.delay.ms", "60000"}}}, false, acts,
     "How long a segment's file stays on the disk after it was removed from the log."},
    {"flush.messages", int64_from(1), never, synonyms{{{"log.flush.interval.messages", never}}},
     false, inert,
     "Records between two syncs. Stored and reported only: see durability, which syncs before "
     "every "
     "acknowledgement."},
    {"flush.ms", int64_from(0), never,
     synonyms{{{"log.flush.interval.ms"}, {"log.flush.scheduler.interval.ms", never}}}, false,
     inert,
     "Milliseconds between two syncs. Stored and reported only: see durability, which syncs before "
     "every acknowledgement."},
    {"follower.replication.throttled.replicas", throttled, "", synonyms{}, false, inert,
     "Replicas whose fetching is throttled: PARTITION:BROKER,... or '*'. Stored and reported "
     "only."},
    {"index.interval.bytes", int32_from(0), "4096",
     synonyms{{{"log.index.interval.bytes", "4096"}}}, false, acts,
     "Bytes of the log for each entry of its offset index."},
    {"internal.segment.bytes", int32_from(1), nullptr, synonyms{}, internal, acts,
     "The size of a segment without segment.bytes' lower limit. For tests."},
    {"leader.replication.throttled.replicas", throttled, "", synonyms{}, false, inert,
     "Replicas whose serving is throttled: PARTITION:BROKER,... or '*'. Stored and reported only."},
    {"local.retention.bytes", int64_from(-2), "-2", synonyms{{{"log.local.retention.bytes", "-2"}}},
     false, inert, "Local bytes of a tiered topic. There is no tiered storage: reported only."},
    {"local.retention.ms", int64_from(-2), "-2", synonyms{{{"log.local.retention.ms", "-2"}}},
     false, inert, "Local age of a tiered topic. There is no tiered storage: reported only."},
    {"max.compaction.lag.ms", int64_from(1), never,
     synonyms{{{"log.cleaner.max.compaction.lag.ms", never}}}, false, acts,
     "The longest time that a record of a compacted topic may stay uncompacted."},
    {"max.message.bytes", int32_from(0), "1048588", synonyms{{{"message.max.bytes", "1048588"}}},
     false, acts, "The largest record batch, in bytes, after compression."},
    {"message.timestamp.after.max.ms", int64_from(0), "3600000",
     synonyms{{{"log.message.timestamp.after.max.ms", "3600000"}}}, false, acts,
     "How far a record's timestamp may lie after the broker's clock (CreateTime only)."},
    {"message.timestamp.before.max.ms", int64_from(0), never,
     synonyms{{{"log.message.timestamp.before.max.ms", never}}}, false, acts,
     "How far a record's timestamp may lie before the broker's clock (CreateTime only)."},
    {"message.timestamp.type", one_of(config_type::string, timestamp_types), "CreateTime",
     synonyms{{{"log.message.timestamp.type", "CreateTime"}}}, false, acts,
     "Whose clock a record's timestamp is: the producer's (CreateTime) or the broker's "
     "(LogAppendTime)."},
    {"min.cleanable.dirty.ratio",
     {config_type::float64, 0, 1},
     "0.5",
     synonyms{{{"log.cleaner.min.cleanable.ratio", "0.5"}}},
     false,
     acts,
     "The part of a compacted log that must be uncompacted before it is compacted again."},
    {"min.compaction.lag.ms", int64_from(0), "0",
     synonyms{{{"log.cleaner.min.compaction.lag.ms", "0"}}}, false, acts,
     "The shortest time that a record of a compacted topic stays uncompacted."},
    {"min.insync.replicas", int32_from(1), "1", synonyms{{{"min.insync.replicas", "1"}}}, false,
     acts, "The replicas that must have a record before acks=all is answered."},
    {"preallocate", boolean, "false", synonyms{{{"log.preallocate", "false"}}}, false, inert,
     "Whether segments get their space when they are made. Stored and reported only: they always "
     "do."},
    {"remote.log.copy.disable", boolean, "false", synonyms{}, false, inert,
     "Makes tiered data read-only. There is no tiered storage: reported only."},
    {"remote.log.delete.on.disable", boolean, "false", synonyms{}, false, inert,
     "Deletes tiered data when tiering is turned off. There is no tiered storage: reported only."},
    {"remote.storage.enable", boolean, "false", synonyms{}, false, acts,
     "Tiered storage, which this broker does not have: only false is taken."},
    {"retention.bytes", any_int64, "-1", synonyms{{{"log.retention.bytes", "-1"}}}, false, acts,
     "The size of a partition above which its oldest segments are dropped; -1: no limit."},
    {"retention.ms", int64_from(-1), "604800000",
     synonyms{{{"log.retention.ms"},
               {"log.retention.minutes", nullptr, minute_ms},
               {"log.retention.hours", "168", hour_ms}}},
     false, acts, "The age above which segments are dropped; -1: no limit."},
    {"segment.bytes", int32_from(1024 * 1024), "1073741824",
     synonyms{{{"log.segment.bytes", "1073741824"}}}, false, acts,
     "The size at which a segment is closed and a new one begun. Retention drops whole segments."},
    {"segment.index.bytes", int32_from(4), "10485760",
     synonyms{{{"log.index.size.max.bytes", "10485760"}}}, false, inert,
     "The size of a segment's offset index. Stored and reported only: indexes grow as needed."},
    {"segment.jitter.ms", int64_from(0), "0",
     synonyms{{{"log.roll.jitter.ms"}, {"log.roll.jitter.hours", "0", hour_ms}}}, false, acts,
     "Up to so much is taken off segment.ms, so that not all segments close at once."},
    {"segment.ms", int64_from(1), "604800000",
     synonyms{{{"log.roll.ms"}, {"log.roll.hours", "168", hour_ms}}}, false, acts,
     "The age at which a segment is closed even if it is not full."},
    {"unclean.leader.election.enable", boolean, "false",
     synonyms{{{"unclean.leader.election.enable", "false"}}}, false, inert,
     "Whether a replica that is not in sync may lead. Stored and reported only: one node, one "
     "replica."},
};

}  // namespace

std::span<const topic_config_definition> topic_config_definitions() {
  return table;
}

const topic_config_definition* find_topic_config(std::string_view name) {
  const auto* end = std::end(table);
  const auto* at = std::lower_bound(std::begin(table), end, name,
                                    [](const auto& d, std::string_view n) { return d.name < n; });
  return at != end && at->name == name ? at : nullptr;
}

}  // namespace weir::kafka
