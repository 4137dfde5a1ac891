// Consumer groups as administrators see them: members, committed offsets, lag, and offsets set by
// hand while nobody consumes. Blocking calls over brokers, one thread.
#pragma once

#include "cluster/streams/admin.hpp"

namespace weir::streams {

struct listed_group {
  std::string id, state, type, protocol_type;
};
result<std::vector<listed_group>> groups(brokers&);

struct group_member {
  std::string id, instance_id, client_id, host;
  std::vector<std::pair<std::string, int32_t>> partitions;
};
/// One partition that a group has committed in, or that a member owns.
struct group_position {
  std::string topic;
  int32_t partition = 0;
  int64_t committed = -1;  // -1: nothing yet
  int64_t end = -1;        // high watermark; -1: the topic is gone
  int64_t start = -1;
  std::string metadata;
  std::string member;  // who owns it
  /// Records behind the end, from the committed offset (or the log's start) on.
  int64_t lag() const noexcept;
  /// How old the first record is that was not consumed; -1: not known. 0 without lag.
  int64_t lag_ms = -1;
};
struct group_facts {
  std::string id, state, type, assignor;
  std::vector<group_member> members;
  std::vector<group_position> positions;  // by topic and partition
};
/// `now_ms` is what lag in time is measured against; without it there is none. errc::not_found.
result<group_facts> describe_group(brokers&, const std::string& id,
                                   std::optional<int64_t> now_ms = {});

status delete_group(brokers&, const std::string& id);
/// Sets committed offsets of an empty group, which may not exist yet. errc::locked, with who is in
/// the way, when it has members.
status seek_group(brokers&, const std::string& id, const std::string& topic,
                  const std::map<int32_t, int64_t>& offsets);

}  // namespace weir::streams
