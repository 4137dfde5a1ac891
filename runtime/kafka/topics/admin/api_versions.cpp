#include "runtime/kafka/topics/admin/api_versions.hpp"

#include <algorithm>
#include <string_view>

#include "runtime/kafka/protocol/messages/api_key.hpp"

namespace weir::kafka {
namespace {

constexpr api_range serve(api_key key, int16_t min, int16_t max) {
  return {static_cast<int16_t>(key), min, max, min};
}

// Measured with the clients of 2025 and 2026 (librdkafka, Java, kafka-python, franz-go, sarama,
// ...).
constexpr api_range table[] = {
    // Advertised from 0, as Kafka 4 does: librdkafka before 2.1 else turns its codecs off.
    {static_cast<int16_t>(api_key::produce), 0, 13, 3},
    serve(api_key::fetch, 4, 17),
    serve(api_key::list_offsets, 1, 10),
    serve(api_key::metadata, 0, 13),
    serve(api_key::offset_commit, 2, 10),
    serve(api_key::offset_fetch, 1, 10),
    serve(api_key::find_coordinator, 0, 6),
    serve(api_key::join_group, 0, 9),
    serve(api_key::heartbeat, 0, 4),
    serve(api_key::leave_group, 0, 5),
    serve(api_key::sync_group, 0, 5),
    serve(api_key::describe_groups, 0, 6),
    serve(api_key::list_groups, 0, 5),
    serve(api_key::sasl_handshake, 0, 1),
    serve(api_key::api_versions, 0, 5),
    serve(api_key::create_topics, 2, 7),
    serve(api_key::delete_topics, 1, 6),
    serve(api_key::delete_records, 0, 2),
    serve(api_key::init_producer_id, 0, 5),
    serve(api_key::offset_for_leader_epoch, 2, 4),
    serve(api_key::add_partitions_to_txn, 0, 3),  // 4 and 5 are broker to broker
    serve(api_key::add_offsets_to_txn, 0, 3),
    serve(api_key::end_txn, 0, 3),
    serve(api_key::txn_offset_commit, 0, 5),
    serve(api_key::describe_acls, 1, 3),
    serve(api_key::create_acls, 1, 3),
    serve(api_key::delete_acls, 1, 3),
    serve(api_key::describe_configs, 1, 4),
    serve(api_key::alter_configs, 0, 2),
    serve(api_key::alter_replica_log_dirs, 1, 2),
    serve(api_key::describe_log_dirs, 1, 4),
    serve(api_key::sasl_authenticate, 0, 2),
    serve(api_key::create_partitions, 0, 3),
    serve(api_key::delete_groups, 0, 2),
    serve(api_key::elect_leaders, 0, 2),
    serve(api_key::incremental_alter_configs, 0, 1),
    serve(api_key::alter_partition_reassignments, 0, 1),
    serve(api_key::list_partition_reassignments, 0, 0),
    serve(api_key::offset_delete, 0, 0),
    serve(api_key::describe_client_quotas, 0, 1),
    serve(api_key::alter_client_quotas, 0, 1),
    serve(api_key::describe_quorum, 0, 2),
    serve(api_key::describe_cluster, 0, 2),
    serve(api_key::describe_producers, 0, 0),
    serve(api_key::describe_transactions, 0, 0),
    serve(api_key::list_transactions, 0, 1),
    serve(api_key::consumer_group_heartbeat, 0, 1),
    serve(api_key::consumer_group_describe, 0, 1),
    serve(api_key::list_config_resources, 0, 1),
    serve(api_key::describe_topic_partitions, 0, 0),
};

// KIP-848 groups. Without transaction.version, clients add partitions to transactions themselves.
constexpr const char* group_feature = "group.version";
constexpr int16_t group_feature_level = 1;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// KIP-511: letters and digits, with '-' and '.' in between.
bool is_software_text(std::string_view s) {
  if (s.empty() || !is_letter_or_digit(s.front()) || !is_letter_or_digit(s.back())) return false;
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

api_versions_response::api_version entry_of(const api_range& r) {
  api_versions_response::api_version v;
  v.api_key = r.key;
  v.min_version = r.min;
  v.max_version = r.max;
  return v;
}

}  // namespace

std::span<const api_range> advertised_apis() {
  return table;
}

const api_range* find_advertised(int16_t key, std::span<const api_range> apis) {
  for (const auto& r : apis)
    if (r.key == key) return &r;
  return nullptr;
}

api_versions_response answer_api_versions(const api_versions_request& request, int16_t version,
                                          const node_facts& node, std::span<const api_range> apis) {
  api_versions_response response;
  // KIP-1242: the client means another cluster or node, whose address this one has taken over.
  if (version >= 5 && ((request.cluster_id && *request.cluster_id != node.cluster_id) ||
                       (request.node_id >= 0 && request.node_id != node.node_id))) {
    response.error_code = error_code::rebootstrap_required;
    return response;
  }
  if (version >= 3 && (!is_software_text(request.client_software_name) ||
                       !is_software_text(request.client_software_version))) {
    response.error_code = error_code::invalid_request;
    return response;
  }
  for (const auto& r : apis) response.api_keys.push_back(entry_of(r));
  if (version < 3) return response;
  if (version >= 4) {  // version 3 cannot take a lowest level of 0
    api_versions_response::supported_feature supported;
    supported.name = group_feature;
    supported.max_version = group_feature_level;
    response.supported_features.push_back(std::move(supported));
  }
  api_versions_response::finalized_feature finalized;
  finalized.name = group_feature;
  finalized.min_version_level = finalized.max_version_level = group_feature_level;
  response.finalized_features.push_back(std::move(finalized));
  response.finalized_features_epoch = 0;
  return response;
}

api_versions_response refuse_api_versions(std::span<const api_range> apis) {
  api_versions_response response;
  response.error_code = error_code::unsupported_version;
  if (const api_range* own = find_advertised(static_cast<int16_t>(api_key::api_versions), apis))
    response.api_keys.push_back(entry_of(*own));
  return response;
}

}  // namespace weir::kafka
