// What clients are told of a partition that this node does not lead: the error, who does (KIP-951),
// and how to reach that node. Pure functions over a directory.
#pragma once

#include <algorithm>
#include <set>

#include "actors/storage/directory.hpp"
#include "runtime/kafka/protocol/error_code.hpp"

namespace weir {

/// Of a partition without an actor here: others have it, or nobody has.
inline kafka::error_code no_replica_error(const kafka::topic_ptr& topic, int32_t partition) {
  return topic && partition >= 0 && static_cast<size_t>(partition) < topic->partitions.size()
             ? kafka::error_code::not_leader_or_follower
             : kafka::error_code::unknown_topic_or_partition;
}

inline bool tells_leader(kafka::error_code e) {
  return e == kafka::error_code::not_leader_or_follower ||
         e == kafka::error_code::fenced_leader_epoch;
}

/// Collects the leaders that an answer names.
class leader_hints {
 public:
  explicit leader_hints(directory_ptr now) : now_(std::move(now)) {}
  /// Fills `current_leader` of the partition's part of the answer.
  template <class Leader>
  void tell(const kafka::topic_ptr& topic, int32_t partition, Leader& current_leader) {
    if (!topic || partition < 0 || static_cast<size_t>(partition) >= topic->partitions.size())
      return;
    const auto& p = topic->partitions[static_cast<size_t>(partition)];
    if (p.leader < 0) return;
    current_leader.leader_id = p.leader;
    current_leader.leader_epoch = p.leader_epoch;
    nodes_.insert(p.leader);
  }
  const topic_directory& directory() const noexcept { return *now_; }
  template <class Endpoint>
  void endpoints(std::vector<Endpoint>& out) const {
    for (int32_t id : nodes_)
      if (const auto* n = now_->node(id)) {
        auto& e = out.emplace_back();
        e.node_id = id;
        e.host = n->host;
        e.port = n->port;
        if (!n->rack.empty()) e.rack = n->rack;
      }
  }

 private:
  directory_ptr now_;
  std::set<int32_t> nodes_;
};

}  // namespace weir
