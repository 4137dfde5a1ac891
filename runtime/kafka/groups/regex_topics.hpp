// Topics that subscriptions by pattern (KIP-848, RE2 syntax) match, worked out once per pattern and
// view of the topics. Owned by the group, no thread of its own. A pattern matches whole names;
// internal topics are never matched.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kafka/groups/topic_view.hpp"

namespace weir::kafka::membership {

/// Longer patterns are refused.
inline constexpr size_t regex_bytes_max = 4096;
/// What RE2 may use for one compiled pattern; guards against patterns that explode.
inline constexpr int64_t regex_memory_max = 1 << 20;

/// Why the pattern is not valid, or nothing.
std::optional<std::string> regex_problem(const std::string& pattern);

class regex_topics {
 public:
  /// Ids of the matching topics, sorted. An invalid pattern matches nothing.
  const std::vector<uuid>& matches(const std::string& pattern, const topic_view&);
  /// The topics changed.
  void forget() { found_.clear(); }

 private:
  std::map<std::string, std::vector<uuid>> found_;
};

}  // namespace weir::kafka::membership
