// The server-side assignors of KIP-848: which member of a group should own which partition. Pure
// functions. Both give every partition of every subscribed topic to exactly one of its subscribers.
//
//   uniform  even counts, and what members have they keep as far as that allows (sticky)
//   range    each topic's partitions in contiguous ranges over its subscribers, so that topics with
//            equally many partitions are assigned alike (for joins)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kafka/groups/assignment.hpp"

namespace weir::kafka::membership {

struct assignor_member {
  std::string_view id;
  std::optional<std::string_view> instance_id;
  std::vector<uuid> topics;  ///< Subscribed and existing; sorted, unique.
  const assignment* current = nullptr;
};

/// Number of partitions by topic.
using assignor_topics = std::map<uuid, int32_t>;

enum class assignor : uint8_t { uniform, range };
/// "uniform" or "range".
std::optional<assignor> parse_assignor(std::string_view name) noexcept;
std::string_view to_string(assignor) noexcept;

/// The new assignment of each member, in the order of `members`. The result depends on the values
/// alone, not on the order of the members.
std::vector<assignment> assign(assignor, const std::vector<assignor_member>& members,
                               const assignor_topics& topics);

}  // namespace weir::kafka::membership
