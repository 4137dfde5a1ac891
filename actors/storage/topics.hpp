// The topics of a node: follows the cluster's metadata, makes and removes the partitions that have
// a replica here, tells them who leads, publishes the directory, looks after their upkeep.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/storage/committer.hpp"
#include "actors/storage/directory.hpp"
#include "actors/storage/partition.hpp"
#include "runtime/kafka/quotas/client_quotas.hpp"
#include "runtime/kafka/topics/broker_config.hpp"

namespace weir {

/// Changes that belong together and who waits for them. `done` is called once, on any thread, when
/// all are durable and the directory has them, or one is refused: then those behind it are not
/// made.
struct topic_change_message {
  std::vector<kafka::topic_command> commands;
  std::function<void(const kafka::api_error&)> done;
  std::chrono::milliseconds limit{30'000};
};
/// What the cluster's metadata are to a node's stream storage: where changes of topics go, and what
/// partitions ask. Implemented where the metadata are known (cluster/node); thread-safe.
class metadata_port : public replication_port {
 public:
  /// Carries out the commands in order; `done` is called once, on any thread, when all are applied
  /// and this node's storage was told of it (topic_news_message), or at the first that is refused.
  /// REQUEST_TIMED_OUT: nobody answered within `limit`; it may have happened.
  virtual void change(std::vector<kafka::topic_command>, std::chrono::milliseconds limit,
                      std::function<void(const kafka::api_error&)> done) = 0;
  /// A block of `count` producer ids, given to nobody else; the first of them.
  virtual void allocate_producer_ids(uint32_t count, std::function<void(result<int64_t>)> done) = 0;
  /// Changes quotas of clients (kafka::encode_alteration) for all nodes, all of it or nothing;
  /// `done` is called once, on any thread, when watchers here were told, or it is refused.
  virtual void alter_quotas(std::string change,
                            std::function<void(const kafka::api_error&)> done) = 0;
  /// Called with the quotas as they are, soon, and after each change, on one thread; one at a time,
  /// null: nobody any more.
  virtual void watch_quotas(std::function<void(const kafka::quota_map&)>) = 0;
};

/// What changed in the metadata, since the last news.
struct topic_news_message {
  /// Set: everything is named, and what is not named is gone.
  bool everything = false;
  std::vector<kafka::topic_ptr> topics;  // as they are now
  std::vector<kafka::uuid> deleted;
  node_list nodes;  // null: as before
  int32_t self = -1;
  int64_t self_epoch = -1;          // of this node's registration; -1: not known
  std::function<void()> published;  // called when the directory has it
};

/// Called after each change, when the directory has it; on the topics' thread.
using topic_listener = std::function<void(const kafka::topic_change&)>;
struct topic_listen_message {
  topic_listener listener;
};

using clean_partitions = std::shared_ptr<std::vector<clean_partition>>;

using topics_actor = caf::typed_actor<
    // Gateways, coordinators, the node's HTTP listener: change topics.
    caf::reacts_to<topic_change_message>,
    // The metadata: what changed.
    caf::reacts_to<topic_news_message>,
    // Coordinators: be told of changes.
    caf::reacts_to<topic_listen_message>,
    // Itself: upkeep of some partitions.
    caf::reacts_to<tick_atom>,
    // The node stops: partitions end and say how they stand. Null: some did not.
    caf::replies_to<close_atom>::with<clean_partitions>>;

struct topics_seed {
  std::string folder;  // partitions are at NAME.ID/NUMBER below it
  metadata_port* metadata = nullptr;
  std::shared_ptr<const kafka::broker_config> config;
  std::vector<clean_partition> clean;     // of the last stop
  std::shared_ptr<group_commit> commits;  // for the points it found, before the committer runs
  std::shared_ptr<partition_registry> registry;
  std::shared_ptr<directory_board> board;
  std::shared_ptr<gauge_board> gauges;
  partition_seed partition;  // what all partitions share
};
topics_actor spawn_topics(caf::actor_system&, topics_seed);

/// How a topic's configuration reaches its partitions.
partition_settings settings_of(const kafka::topic_info&, int32_t partition,
                               const kafka::broker_config&);

}  // namespace weir

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::topic_change_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::topic_news_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::topic_listen_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weir::clean_partitions)
