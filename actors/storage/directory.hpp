// What a node's gateways and coordinators look up without asking anyone: the topics as they stand
// and the actors of their partitions. A value that never changes; a new one is published with every
// change.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "actors/storage/interfaces.hpp"
#include "runtime/kafka/topics/topic_catalog.hpp"

namespace weir {

using partition_list = std::shared_ptr<const std::vector<partition_actor>>;

class topic_directory {
 public:
  topic_directory();

  const kafka::topic_catalog& catalog() const noexcept { return catalog_; }
  /// The actors of a topic's partitions, by number; null for an unknown topic.
  partition_list partitions(const kafka::uuid& topic) const;
  /// Null when there is no such topic or partition.
  partition_actor partition(const kafka::uuid& topic, int32_t number) const;
  partition_actor partition(std::string_view topic, int32_t number) const;

  // For the owner's copy, before it is published.
  kafka::topic_catalog& catalog() noexcept { return catalog_; }
  void set_partitions(const kafka::uuid& topic, partition_list);  // null: forgets the topic

 private:
  // As the catalog's: a change copies one shard of many.
  static constexpr size_t shard_count = 256;
  using shard = std::unordered_map<kafka::uuid, partition_list>;

  kafka::topic_catalog catalog_;
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

 private:
  mutable std::mutex mutex_;
  directory_ptr now_ = std::make_shared<const topic_directory>();
};

}  // namespace weir
