// Topics as administrators see them: made, described, changed, trimmed, deleted; offsets, sizes,
// producers and transactions. Blocking calls over brokers, one thread. Errors are brokers' refusals
// (brokers.hpp) or the transport's; what only the leaders of partitions know is asked for again for
// ten seconds while leaders move.
#pragma once

#include <map>

#include "cluster/streams/brokers.hpp"

namespace weir::streams {

/// Answers to admin requests may wait for the disk this long.
inline constexpr int32_t admin_timeout_ms = 30'000;

struct new_topic {
  std::string name;
  int32_t partitions = -1;   // -1: the broker's default
  int16_t replication = -1;  // likewise
  std::map<std::string, std::string> configs;
};
/// How the topic came out.
status create_topic(brokers&, const new_topic&);
status delete_topic(brokers&, const std::string& name);
/// More partitions; fewer is refused by the broker.
status widen_topic(brokers&, const std::string& name, int32_t partitions);

struct config_entry {
  std::string name, value;
  bool is_default = true;  // not set for this topic
  bool read_only = false, sensitive = false;
};
result<std::vector<config_entry>> topic_configs(brokers&, const std::string& name);
/// All changes or none. `unset` go back to the default.
status alter_configs(brokers&, const std::string& name,
                     const std::map<std::string, std::string>& set,
                     const std::vector<std::string>& unset);

/// Special timestamps of offsets_at.
inline constexpr int64_t at_latest = -1, at_earliest = -2;
struct offset_at {
  int32_t partition = 0;
  int64_t offset = -1;  // -1: no record has this time or a later one
  int64_t timestamp_ms = -1;
};
/// One for each of the partitions, in order. With `committed`, latest is the last stable offset.
result<std::vector<offset_at>> offsets_at(brokers&, const topic_facts&,
                                          const std::vector<int32_t>& partitions,
                                          int64_t timestamp_ms, bool committed = false);
std::vector<int32_t> all_partitions(const topic_facts&);
/// Those that have a leader: nobody answers for the others.
std::vector<int32_t> led_partitions(const topic_facts&);

/// Records below these offsets are gone, by partition; -1: all that there are. Returns the new
/// starts. The first refusal is the error; others may have happened.
result<std::map<int32_t, int64_t>> trim_topic(brokers&, const topic_facts&,
                                              const std::map<int32_t, int64_t>& before);

/// Bytes by partition.
result<std::map<int32_t, int64_t>> sizes_of(brokers&, const topic_facts&,
                                            const std::vector<int32_t>& partitions);

struct producer_facts {
  int32_t partition = 0;
  int64_t producer_id = -1;
  int32_t epoch = -1;
  int32_t last_sequence = -1;
  int64_t last_timestamp_ms = -1;
  int64_t transaction_start = -1;  // offset; -1: none is open
};
result<std::vector<producer_facts>> producers_of(brokers&, const topic_facts&,
                                                 const std::vector<int32_t>& partitions);

struct transaction_facts {
  std::string id;
  std::string state;
  int64_t producer_id = -1;
  int16_t epoch = -1;
  int32_t timeout_ms = 0;
  int64_t started_ms = -1;  // -1: none is open
  std::vector<std::pair<std::string, int32_t>> partitions;
};
/// Those that are in a transaction or were; `longer_ms`: only transactions open for longer.
result<std::vector<transaction_facts>> transactions(brokers&, int64_t longer_ms = -1);
/// Ends an open transaction and shuts its producer out, by taking over its id. errc::not_found,
/// errc::locked when none is open.
status abort_transaction(brokers&, const std::string& id);

}  // namespace weir::streams
