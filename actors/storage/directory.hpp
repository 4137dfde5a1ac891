// What a node's gateways and coordinators look up without asking anyone: the topics as they stand
// and the actors of their partitions. A value that never changes; a new one is published with every
// change.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "actors/storage/early_refusals.hpp"
#include "actors/storage/interfaces.hpp"
#include "runtime/kafka/topics/node_entry.hpp"
#include "runtime/kafka/topics/topic_catalog.hpp"

namespace weir {

using partition_list = std::shared_ptr<const std::vector<partition_actor>>;

using kafka::node_entry;
using kafka::node_list;

class topic_directory {
 public:
  topic_directory();

  const kafka::topic_catalog& catalog() const noexcept { return catalog_; }
  /// The actors of a topic's partitions, by number; null for an unknown topic. A partition that has
  /// no replica on this node has no actor: a null handle.
  partition_list partitions(const kafka::uuid& topic) const;
  /// Null when there is no such topic or partition.
  partition_actor partition(const kafka::uuid& topic, int32_t number) const;
  partition_actor partition(std::string_view topic, int32_t number) const;

  /// This node's id.
  int32_t self() const noexcept { return self_; }
  /// Never null; of those that are registered, alive or not.
  const node_list& nodes() const noexcept { return nodes_; }
  const node_entry* node(int32_t id) const;
  /// Who leads a partition; -1: nobody, or no such partition.
  int32_t leader(std::string_view topic, int32_t number) const;

  // For the owner's copy, before it is published.
  void set_self(int32_t id) noexcept { self_ = id; }
  void set_nodes(node_list n) { nodes_ = std::move(n); }
  kafka::topic_catalog& catalog() noexcept { return catalog_; }
  void set_partitions(const kafka::uuid& topic, partition_list);  // null: forgets the topic

 private:
  // As the catalog's: a change copies one shard of many.
  static constexpr size_t shard_count = 256;
  using shard = std::unordered_map<kafka::uuid, partition_list>;

  kafka::topic_catalog catalog_;
  int32_t self_ = -1;
  node_list nodes_ = std::make_shared<const std::vector<node_entry>>();
  std::array<std::shared_ptr<const shard>, shard_count> shards_;
};
using directory_ptr = std::shared_ptr<const topic_directory>;

/// Where the newest directory is; any thread.
class directory_board {
 public:
  directory_ptr get() const {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void set(directory_ptr d) {
    std::lock_guard lock(mutex_);
    now_ = std::move(d);
  }
  early_refusals& refusals() noexcept { return refusals_; }

 private:
  mutable std::mutex mutex_;
  directory_ptr now_ = std::make_shared<const topic_directory>();
  early_refusals refusals_;
};

}  // namespace weir
