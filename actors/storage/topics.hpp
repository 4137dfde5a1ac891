// The topics of a node: owns the catalog and its store, applies changes one after the other, makes
// and removes partitions, publishes the directory, looks after their upkeep. Detached: it waits for
// the disk.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/storage/committer.hpp"
#include "actors/storage/directory.hpp"
#include "actors/storage/partition.hpp"
#include "runtime/kafka/topics/broker_config.hpp"
#include "runtime/kafka/topics/topic_store.hpp"

namespace weir {

/// Changes that belong together and who waits for them: all are made or none. `done` is called
/// once, on the topics' thread, when they are durable or refused.
struct topic_change_message {
  std::vector<kafka::topic_command> commands;
  std::function<void(const kafka::api_error&)> done;
};
/// Called after each change, when the directory has it; on the topics' thread.
using topic_listener = std::function<void(const kafka::topic_change&)>;
struct topic_listen_message {
  topic_listener listener;
};

using clean_partitions = std::shared_ptr<std::vector<clean_partition>>;

using topics_actor = caf::typed_actor<
    // Gateways, coordinators, the node's HTTP listener: change the catalog.
    caf::reacts_to<topic_change_message>,
    // Coordinators: be told of changes.
    caf::reacts_to<topic_listen_message>,
    // Itself: upkeep of some partitions.
    caf::reacts_to<tick_atom>,
    // The node stops: partitions end and say how they stand. Null: some did not.
    caf::replies_to<close_atom>::with<clean_partitions>>;

struct topics_seed {
  std::string folder;  // partitions are at NAME.ID/NUMBER below it
  std::shared_ptr<kafka::topic_store> store;
  kafka::topic_catalog catalog;  // as loaded
  std::shared_ptr<const kafka::broker_config> config;
  std::vector<clean_partition> clean;     // of the last stop
  std::shared_ptr<group_commit> commits;  // for the points it found, before the committer runs
  std::shared_ptr<partition_registry> registry;
  std::shared_ptr<directory_board> board;
  std::shared_ptr<gauge_board> gauges;
  partition_seed partition;         // what all partitions share
  std::function<void()> published;  // called when the first directory is there
};
topics_actor spawn_topics(caf::actor_system&, topics_seed);

/// How a topic's configuration reaches its partitions.
partition_settings settings_of(const kafka::topic_info&, int32_t partition,
                               const kafka::broker_config&);

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::topic_change_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::topic_listen_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::clean_partitions)
