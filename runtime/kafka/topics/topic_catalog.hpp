// The catalog of topics: a deterministic state machine over commands. A catalog is a value: a copy
// costs two pointers' worth of sharing and never changes again, so the owner (the topics actor)
// applies commands to its own and publishes copies that gateways read from any thread. Topic ids
// and times come with the commands; one who applies the same commands gets the same catalog.
// Invariants: names and ids are unique, no two names collide, partitions are 0 to n-1, the key
// ranges of a topic's newest generation cover the key space once, configurations are canonical and
// known.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/protocol/error_code.hpp"
#include "runtime/kafka/protocol/types.hpp"
#include "runtime/kafka/topics/config_value.hpp"

namespace weir::kafka {

/// What a client is told: the code, and a text that says what, where and what to do.
struct api_error {
  error_code code = error_code::none;
  std::string message;
  bool ok() const noexcept { return code == error_code::none; }
};

/// Hashes of keys, both ends included.
struct key_range {
  uint32_t first = 0;
  uint32_t last = UINT32_MAX;
  friend bool operator==(const key_range&, const key_range&) = default;
};

struct partition_info {
  uint32_t generation = 0;       // readers that care about order finish one before the next
  int32_t leader_epoch = 0;      //
  key_range keys;                // the keys whose records belong here
  std::vector<int32_t> parents;  // partitions of the generation before; none in generation 0
  // Who has it; nothing where a catalog stands alone.
  int32_t leader = -1;            // a node's id; -1: nobody
  int32_t version = 0;            // of the metadata's record: grows with each change of who has it
  std::vector<int32_t> replicas;  // the first one is the preferred leader
  std::vector<int32_t> in_sync;   //
  std::vector<int32_t> adding, removing;  // of a reassignment under way
  friend bool operator==(const partition_info&, const partition_info&) = default;
};

struct topic_info {
  std::string name;
  uuid id;
  int64_t created_ms = 0;
  bool internal = false;
  config_map configs;                      // what the topic overrides, canonical
  std::vector<partition_info> partitions;  // by partition number
  friend bool operator==(const topic_info&, const topic_info&) = default;
};
using topic_ptr = std::shared_ptr<const topic_info>;

struct create_topic_command {
  std::string name;
  uuid id;
  int32_t partitions = 1;
  int64_t created_ms = 0;
  config_map configs;        // canonical
  int16_t replication = -1;  // -1: as many as the cluster's default says
  /// Replicas of each partition, preferred leader first; empty: they are placed.
  std::vector<std::vector<int32_t>> assignment;
};
struct delete_topic_command {
  uuid id;
};
/// `configs` replaces what the topic overrode before.
struct alter_topic_command {
  uuid id;
  config_map configs;
};
/// `partitions` is the new number. Kafka promises no order per key over this, so no generation is
/// begun: the newest one is widened, and its key ranges are cut anew.
struct add_partitions_command {
  uuid id;
  int32_t partitions = 0;
  /// Replicas of the new ones; empty: they are placed.
  std::vector<std::vector<int32_t>> assignment;
};
/// Moves a partition to these replicas; none: back to where it was. A catalog alone moves nothing.
struct reassign_partition_command {
  uuid id;
  int32_t partition = 0;
  std::vector<int32_t> replicas;
};
/// Makes the preferred replica the leader. Nothing to do for a catalog alone.
struct elect_leader_command {
  uuid id;
  int32_t partition = 0;
};
using topic_command =
    std::variant<create_topic_command, delete_topic_command, alter_topic_command,
                 add_partitions_command, reassign_partition_command, elect_leader_command>;

/// What a command did: no `before` is a creation, no `after` a deletion.
struct topic_change {
  topic_ptr before;
  topic_ptr after;
};
struct apply_result {
  api_error problem;  // set: the catalog is as before
  topic_change change;
  bool ok() const noexcept { return problem.ok(); }
};

struct catalog_limits {
  /// One request may make as many; Kafka refuses more records than this in one operation.
  int32_t partitions_per_topic_max = 10'000;
  /// Each open partition costs memory and file handles: ten times the target of 10,000.
  int64_t partitions_max = 100'000;
};

class topic_catalog {
 public:
  explicit topic_catalog(catalog_limits limits = {});

  topic_ptr find(std::string_view name) const;
  topic_ptr find(const uuid& id) const;
  /// The existing topic whose name differs only in '.' and '_'; null if there is none.
  topic_ptr find_colliding(std::string_view name) const;
  size_t topic_count() const noexcept { return topics_; }
  int64_t partition_count() const noexcept { return partitions_; }
  /// All topics by rising name, at the cost of sorting them.
  std::vector<topic_ptr> sorted() const;
  const catalog_limits& limits() const noexcept { return limits_; }

  /// Whether a topic of this name can be made: validity, then existence, then collision.
  api_error check_new_name(const std::string& name) const;
  /// What apply() would answer, without the change.
  api_error check(const topic_command&) const;
  apply_result apply(const topic_command&);
  /// As the cluster's metadata have it, which checked it: the topic stands like this from now on;
  /// null: it is gone. Limits do not hold here.
  topic_change follow(const uuid& id, topic_ptr after);

 private:
  // A change copies one shard of some 40 topics out of 10,000 and the list of shards.
  static constexpr size_t shard_count = 256;
  using shard = std::vector<topic_ptr>;
  // What copies of the catalog share is never written to, but replaced.
  using shards = std::array<std::shared_ptr<shard>, shard_count>;

  api_error check_one(const create_topic_command&) const;
  api_error check_one(const delete_topic_command&) const;
  api_error check_one(const alter_topic_command&) const;
  api_error check_one(const add_partitions_command&) const;
  api_error check_one(const reassign_partition_command&) const;
  api_error check_one(const elect_leader_command&) const;
  // Of a command that was checked.
  topic_change change_of(const create_topic_command&) const;
  topic_change change_of(const delete_topic_command&) const;
  topic_change change_of(const alter_topic_command&) const;
  topic_change change_of(const add_partitions_command&) const;
  topic_change change_of(const reassign_partition_command&) const;
  topic_change change_of(const elect_leader_command&) const;
  void put(const topic_ptr& topic);
  void count(const topic_info& topic, int sign);
  void drop(const topic_info& topic);

  catalog_limits limits_;
  std::shared_ptr<shards> by_name_;  // sharded by collision key, so that one shard tells
  std::shared_ptr<shards> by_id_;
  size_t topics_ = 0;
  int64_t partitions_ = 0;
};

/// `n` ranges that cover the key space evenly.
std::vector<key_range> even_key_ranges(int32_t n);

}  // namespace weir::kafka
