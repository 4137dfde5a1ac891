// The blobs that classic consumers put into JoinGroup and SyncGroup ("consumer" protocol type):
// what a member subscribes to, and what it is assigned. The group reads them to know the topics of
// a classic group, and to let classic and KIP-848 members share one group. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/kafka/groups/assignment.hpp"
#include "runtime/kafka/groups/topic_view.hpp"
#include "runtime/kafka/protocol/messages/stored.hpp"

namespace weir::kafka::membership {

/// Newer versions than are known are read as the newest that is: they only add fields at the end.
std::optional<consumer_protocol_subscription> parse_subscription(std::string_view blob);
std::optional<consumer_protocol_assignment> parse_assignment(std::string_view blob);
/// The version that the blob carries; nothing if it is too short or negative.
std::optional<int16_t> blob_version(std::string_view blob);

/// Topics that the view does not know are left out.
std::string serialize_assignment(const assignment&, const topic_view&, int16_t version);
template <class TopicPartitions>
assignment to_assignment(const std::vector<TopicPartitions>& list, const topic_view& topics) {
  assignment out;
  for (const auto& t : list) {
    const auto facts = topics.find(std::string_view(t.topic));
    if (!facts) continue;
    auto& mine = out[facts->id];
    for (const int32_t p : t.partitions)
      if (p >= 0 && p < facts->partitions) mine.push_back(p);
  }
  normalize(out);
  return out;
}

}  // namespace weir::kafka::membership
