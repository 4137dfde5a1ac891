#include "actors/gateway/broker.hpp"

namespace weir {

using kafka::api_key;

broker::broker(stream_storage& s, coordinators& c, quota_desk& q, kafka::node_facts node,
               const clock& time)
    : storage_(s),
      coordinators_(c),
      quotas_(q),
      node_(std::move(node)),
      time_(time),
      fetches_(make_fetch_desk(s.config())) {
  add_routes();
  for (const auto& a : kafka::advertised_apis())
    if (a.key >= 0 && static_cast<size_t>(a.key) < keys_max && routes_[static_cast<size_t>(a.key)])
      served_.push_back(a);
}

void broker::add(api_key key, handler h) {
  routes_[static_cast<size_t>(key)] = h;
}

void broker::add_routes() {
  add(api_key::produce, &broker::produce);
  add(api_key::fetch, &broker::fetch);
  add(api_key::list_offsets, &broker::list_offsets);
  add(api_key::offset_for_leader_epoch, &broker::offset_for_leader_epoch);
  add(api_key::delete_records, &broker::delete_records);
  add(api_key::describe_producers, &broker::describe_producers);
  add(api_key::join_group, &broker::join_group);
  add(api_key::sync_group, &broker::sync_group);
  add(api_key::heartbeat, &broker::heartbeat);
  add(api_key::leave_group, &broker::leave_group);
  add(api_key::consumer_group_heartbeat, &broker::consumer_group_heartbeat);
  add(api_key::consumer_group_describe, &broker::consumer_group_describe);
  add(api_key::offset_commit, &broker::offset_commit);
  add(api_key::offset_fetch, &broker::offset_fetch);
  add(api_key::offset_delete, &broker::offset_delete);
  add(api_key::txn_offset_commit, &broker::txn_offset_commit);
  add(api_key::describe_groups, &broker::describe_groups);
  add(api_key::list_groups, &broker::list_groups);
  add(api_key::delete_groups, &broker::delete_groups);
  add(api_key::init_producer_id, &broker::init_producer_id);
  add(api_key::add_partitions_to_txn, &broker::add_partitions_to_txn);
  add(api_key::add_offsets_to_txn, &broker::add_offsets_to_txn);
  add(api_key::end_txn, &broker::end_txn);
  add(api_key::write_txn_markers, &broker::write_txn_markers);  // of nodes only
  add(api_key::describe_transactions, &broker::describe_transactions);
  add(api_key::list_transactions, &broker::list_transactions);
  add(api_key::api_versions, &broker::api_versions);
  add(api_key::metadata, &broker::metadata);
  add(api_key::find_coordinator, &broker::find_coordinator);
  add(api_key::create_topics, &broker::create_topics);
  add(api_key::delete_topics, &broker::delete_topics);
  add(api_key::create_partitions, &broker::create_partitions);
  add(api_key::describe_configs, &broker::describe_configs);
  add(api_key::alter_configs, &broker::alter_configs);
  add(api_key::incremental_alter_configs, &broker::incremental_alter_configs);
  add(api_key::describe_cluster, &broker::describe_cluster);
  add(api_key::describe_topic_partitions, &broker::describe_topic_partitions);
  add(api_key::describe_log_dirs, &broker::describe_log_dirs);
  add(api_key::alter_replica_log_dirs, &broker::alter_replica_log_dirs);
  add(api_key::list_config_resources, &broker::list_config_resources);
  add(api_key::describe_quorum, &broker::describe_quorum);
  add(api_key::elect_leaders, &broker::elect_leaders);
  add(api_key::alter_partition_reassignments, &broker::alter_partition_reassignments);
  add(api_key::list_partition_reassignments, &broker::list_partition_reassignments);
  add(api_key::describe_client_quotas, &broker::describe_client_quotas);
  add(api_key::alter_client_quotas, &broker::alter_client_quotas);
}

bool broker::may_overlap(std::span<const std::byte> frame) const {
  // Produce's key is 0.
  return frame.size() >= 2 && frame[0] == std::byte{0} && frame[1] == std::byte{0};
}

void broker::handle(request_ticket t, bool from_node) {
  kafka::reader r(t.frame->bytes());
  kafka::request_header h;
  auto readable = kafka::decode(r, h);
  const auto* api = readable ? kafka::find_api(h.key) : nullptr;
  auto from = t.from;
  auto number = t.number;
  // A request that cannot be read or has an unknown key cannot be answered in its own form.
  if (!api || h.key < 0 || static_cast<size_t>(h.key) >= keys_max ||
      !routes_[static_cast<size_t>(h.key)])
    return from->complete(number, answer::hang_up());
  auto request =
      std::make_shared<client_request>(std::move(t), std::move(h), *api, r.rest(), from_node);
  if (!serves(*api, request->version(), from_node)) return refuse_version(request);
  (this->*routes_[static_cast<size_t>(request->header().key)])(request);
}

bool broker::serves(const kafka::api_info& api, int16_t version, bool to_node) const {
  // Nodes of one cluster speak to each other in versions, and of things, that clients do not.
  if (to_node) return api.has(version);
  const auto* range = kafka::find_advertised(static_cast<int16_t>(api.key), served_);
  return range && range->serves(version);
}

void broker::describe_client_quotas(const request_ptr& request) {
  quotas_.describe(request);
}

void broker::alter_client_quotas(const request_ptr& request) {
  quotas_.alter(request);
}

void broker::refuse_version(const request_ptr& request) {
  if (request->key() != api_key::api_versions) return request->hang_up();
  // In the oldest layout, whatever was asked for: the client reads the range and asks again.
  kafka::writer w;
  kafka::encode_response(w, request->header().correlation_id, kafka::refuse_api_versions(served_),
                         0);
  answer a;
  a.memory = w.take();
  request->send(std::move(a));
}

}  // namespace weir
