// Answers the requests of Kafka clients on one node. Requests come on the listener's thread; what
// needs a partition, a group or a transaction goes to its actor, and answers leave from wherever
// they are complete. Owned by the node; outlives its listener.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "actors/gateway/client_request.hpp"
#include "actors/gateway/coordinators.hpp"
#include "actors/gateway/listener.hpp"
#include "actors/gateway/quota_desk.hpp"
#include "actors/storage/storage.hpp"
#include "runtime/kafka/topics/admin/api_versions.hpp"
#include "runtime/kafka/topics/admin/metadata.hpp"

namespace weir {

struct fetch_desk;

class broker final : public request_handler {
 public:
  broker(stream_storage&, coordinators&, quota_desk&, kafka::node_facts, const clock&);

  bool may_overlap(std::span<const std::byte> frame) const override;
  void handle(request_ticket t) override { handle(std::move(t), false); }
  /// `from_node`: it came by the listener for nodes.
  void handle(request_ticket, bool from_node);

 private:
  using handler = void (broker::*)(const request_ptr&);
  // Keys of client requests are below this.
  static constexpr size_t keys_max = 128;

  void add_routes();
  void add(kafka::api_key, handler);
  bool serves(const kafka::api_info&, int16_t version, bool to_node) const;
  void refuse_version(const request_ptr&);
  kafka::request_facts facts_of(const request_ptr&) const;
  kafka::coordinator_place place_of_leader(const std::string& topic, int32_t partition) const;

  // produce.cpp, fetch.cpp, offsets.cpp
  void produce(const request_ptr&);
  void fetch(const request_ptr&);
  static std::shared_ptr<fetch_desk> make_fetch_desk(const kafka::broker_config&);
  void list_offsets(const request_ptr&);
  void offset_for_leader_epoch(const request_ptr&);
  void delete_records(const request_ptr&);
  void describe_producers(const request_ptr&);
  // group_requests.cpp
  void join_group(const request_ptr&);
  void sync_group(const request_ptr&);
  void heartbeat(const request_ptr&);
  void leave_group(const request_ptr&);
  void consumer_group_heartbeat(const request_ptr&);
  void consumer_group_describe(const request_ptr&);
  void offset_commit(const request_ptr&);
  void offset_fetch(const request_ptr&);
  void offset_delete(const request_ptr&);
  void txn_offset_commit(const request_ptr&);
  void describe_groups(const request_ptr&);
  void list_groups(const request_ptr&);
  void delete_groups(const request_ptr&);
  // transaction_requests.cpp
  void init_producer_id(const request_ptr&);
  void fresh_producer_id(const request_ptr&, const kafka::init_producer_id_request&);
  void add_partitions_to_txn(const request_ptr&);
  void check_partitions_of_txns(const request_ptr&,
                                const std::shared_ptr<kafka::add_partitions_to_txn_request>&);
  void write_txn_markers(const request_ptr&);
  void add_offsets_to_txn(const request_ptr&);
  void end_txn(const request_ptr&);
  void describe_transactions(const request_ptr&);
  void list_transactions(const request_ptr&);
  // admin_requests.cpp
  void api_versions(const request_ptr&);
  void metadata(const request_ptr&);
  void find_coordinator(const request_ptr&);
  void create_topics(const request_ptr&);
  void delete_topics(const request_ptr&);
  void create_partitions(const request_ptr&);
  void describe_configs(const request_ptr&);
  void alter_configs(const request_ptr&);
  void incremental_alter_configs(const request_ptr&);
  void describe_cluster(const request_ptr&);
  void describe_topic_partitions(const request_ptr&);
  void describe_log_dirs(const request_ptr&);
  void alter_replica_log_dirs(const request_ptr&);
  void list_config_resources(const request_ptr&);
  void describe_quorum(const request_ptr&);
  void elect_leaders(const request_ptr&);
  void alter_partition_reassignments(const request_ptr&);
  void list_partition_reassignments(const request_ptr&);
  void describe_client_quotas(const request_ptr&);
  void alter_client_quotas(const request_ptr&);

  stream_storage& storage_;
  coordinators& coordinators_;
  quota_desk& quotas_;
  kafka::node_facts node_;
  const clock& time_;
  std::shared_ptr<fetch_desk> fetches_;
  std::array<handler, keys_max> routes_{};
  std::vector<kafka::api_range> served_;  // of what is advertised, the part that has a route
};

}  // namespace weir
