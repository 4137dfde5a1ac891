// The committer of a node: takes what all partitions staged, makes it durable with one sync, tells
// each partition. Owns a group_commit; a detached actor of its own thread.
#pragma once

#include <memory>

#include "actors/storage/interfaces.hpp"
#include "runtime/log/group_commit.hpp"

namespace weir {

/// Finds the actor to tell by a lane's `owner` number; numbers are not used again.
class partition_registry {
 public:
  uint64_t add();
  void bind(uint64_t owner, partition_actor);
  void remove(uint64_t owner);
  partition_actor find(uint64_t owner) const;

 private:
  mutable std::mutex mutex_;
  uint64_t next_ = 1;
  std::unordered_map<uint64_t, partition_actor> actors_;
};

struct committer_seed {
  std::shared_ptr<commit_queue> queue;
  std::shared_ptr<partition_registry> partitions;
  std::shared_ptr<group_commit> commits;
  std::function<void(std::string)> log;
};
committer_actor spawn_committer(caf::actor_system&, committer_seed);

}  // namespace weir
