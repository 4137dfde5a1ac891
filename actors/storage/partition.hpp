// One partition as an actor: opens its log when it is first asked for something (at once when other
// nodes have it too), stages appends for the committer and answers them when they are durable,
// reads, wakes those who wait for records, looks after retention and compaction, leads followers or
// copies from its leader. Never blocks: what does runs on the I/O executor.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "actors/storage/committer.hpp"
#include "actors/storage/gauges.hpp"
#include "actors/storage/interfaces.hpp"
#include "runtime/io/clock.hpp"
#include "runtime/io/executor.hpp"

namespace weir {

struct partition_seed {
  log_id id;
  std::string folder;
  partition_settings settings;
  uint64_t owner = 0;
  /// Where the committer finds it under this number, from before its first write on.
  std::shared_ptr<partition_registry> registry;
  kafka::partition_role role;             // at the start; newer ones come as messages
  replication_port* cluster = nullptr;    // null: a partition that nobody copies
  replica_source* replicas = nullptr;     // null: it follows nobody
  clean_partition clean;                  // of the last clean stop; no summary: there was none
  bool verify = false;                    // all checksums, whatever the last stop said
  std::optional<commit_point> committed;  // as the committer found it
  std::shared_ptr<commit_queue> queue;
  committer_actor committer;
  file_cache* files = nullptr;
  io_executor* io = nullptr;
  const clock* time = nullptr;
  std::shared_ptr<std::atomic<uint32_t>> compactions;  // under way on the node
  std::function<void(std::string)> log;                // any thread
  partition_gauges_ptr gauges;                         // null: nobody looks
};

partition_actor spawn_partition(caf::actor_system&, partition_seed);

}  // namespace weir
