// A partition's place in the cluster, as the metadata says it: who leads it, in which term, who has
// a copy and who is in sync. A value; a newer one replaces it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::kafka {

/// Nobody's node id.
inline constexpr int32_t no_node = -1;

struct partition_role {
  int32_t self = no_node;         // the node that this is told
  int32_t leader = no_node;       // no_node: nobody leads, nothing can be written
  int32_t leader_epoch = 0;       // grows with each leader
  int32_t version = 0;            // of the metadata's record: grows with each change
  std::vector<int32_t> replicas;  // the first one is the preferred leader
  std::vector<int32_t> in_sync;   // a part of them, in their order
  int32_t min_in_sync = 1;        // acks=all needs so many; of the topic or the cluster
  std::string leader_address;     // HOST:PORT of the leader's listener for nodes; empty: unknown

  bool leads() const noexcept { return self != no_node && leader == self; }
  bool has_replica(int32_t node) const noexcept {
    return std::find(replicas.begin(), replicas.end(), node) != replicas.end();
  }
  /// Has to copy from the leader.
  bool follows() const noexcept { return !leads() && leader != no_node && has_replica(self); }
  /// What it has lost it has to have from others: it does not lead, and is not the last one in
  /// sync, which may come to lead.
  bool refetches() const noexcept {
    return !leads() && has_replica(self) && replicas.size() > 1 &&
           !(leader == no_node && in_sync == std::vector<int32_t>{self});
  }
  friend bool operator==(const partition_role&, const partition_role&) = default;
};

}  // namespace weir::kafka
