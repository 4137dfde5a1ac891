#include "runtime/kafka/topics/admin/metadata.hpp"

#include <unordered_set>

#include "runtime/kafka/topics/admin/topics.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::kafka {
namespace {

// Endpoint types and coordinator types on the wire.
constexpr int8_t endpoint_brokers = 1;
constexpr int8_t endpoint_controllers = 2;
constexpr int8_t coordinates_groups = 0;
constexpr int8_t coordinates_transactions = 1;

using wanted_topic = metadata_request::topic;
using topic_result = metadata_response::topic;

topic_result described(const topic_info& t, const node_facts& node, const request_facts& facts) {
  topic_result out;
  out.name = t.name;
  out.topic_id = t.id;
  out.is_internal = t.internal;
  out.partitions.resize(t.partitions.size());
  for (size_t i = 0; i < t.partitions.size(); ++i) {
    auto& p = out.partitions[i];
    p.partition_index = static_cast<int32_t>(i);
    auto place = placement_of(t.partitions[i], node, facts);
    p.leader_id = place.leader;
    if (place.leader < 0) p.error_code = error_code::leader_not_available;
    p.leader_epoch = t.partitions[i].leader_epoch;
    p.replica_nodes = std::move(place.replicas);
    p.isr_nodes = std::move(place.in_sync);
    p.offline_replicas = std::move(place.offline);
  }
  return out;
}

topic_result refused(const wanted_topic& t, error_code code) {
  topic_result out;
  out.error_code = code;
  out.name = t.name;
  out.topic_id = t.topic_id;
  out.is_internal = t.name && is_internal_topic(*t.name);
  return out;
}

/// A Metadata request on its way: the catalog with the topics that are about to be made.
struct lookup {
  topic_catalog catalog;
  const node_facts& node;
  const request_facts& facts;
  bool may_create;
  std::vector<topic_command>& commands;
};

// Kafka tells of a topic that is being made in the same way as of one that does not exist.
topic_result missing(lookup& state, const wanted_topic& t) {
  if (!topic_name_problem(*t.name).empty()) return refused(t, error_code::invalid_topic_exception);
  if (!state.may_create) return refused(t, error_code::unknown_topic_or_partition);
  create_topic_command command = auto_created_topic(*t.name, state.node, state.facts);
  if (apply_result applied = state.catalog.apply(command); !applied.ok())
    return refused(t, applied.problem.code);
  state.commands.push_back(std::move(command));
  return refused(t, error_code::unknown_topic_or_partition);
}

topic_result look_up(lookup& state, const wanted_topic& t) {
  // Versions 10 and 11 have the id's field, but answer to names only.
  if (state.facts.version < 12 && (!t.name || !t.topic_id.is_zero())) {
    wanted_topic named = t;
    if (!named.name) named.name.emplace();
    return refused(named, error_code::invalid_request);
  }
  if (!t.topic_id.is_zero()) {
    if (topic_ptr found = state.catalog.find(t.topic_id))
      return described(*found, state.node, state.facts);
    wanted_topic by_id;
    by_id.topic_id = t.topic_id;
    return refused(by_id, error_code::unknown_topic_id);
  }
  if (!t.name) return refused(t, error_code::invalid_request);
  if (topic_ptr found = state.catalog.find(*t.name))
    return described(*found, state.node, state.facts);
  return missing(state, t);
}

bool wants_all(const metadata_request& request, int16_t version) {
  // Version 0 could not say "none" and "all" apart.
  return !request.topics || (version == 0 && request.topics->empty());
}

}  // namespace

admin_answer<metadata_response> answer_metadata(const metadata_request& request,
                                                const topic_catalog& catalog,
                                                const node_facts& node,
                                                const request_facts& facts) {
  admin_answer<metadata_response> out;
  metadata_response& response = out.response;
  const auto nodes = nodes_of(node, facts);
  for (const auto& n : *nodes) {
    if (!n.alive) continue;
    metadata_response::broker b;
    b.node_id = n.id;
    b.host = n.host;
    b.port = n.port;
    if (!n.rack.empty()) b.rack = n.rack;
    response.brokers.push_back(std::move(b));
  }
  response.cluster_id = node.cluster_id;
  response.controller_id = facts.nodes ? facts.controller : node.node_id;
  if (wants_all(request, facts.version)) {
    for (const auto& t : catalog.sorted()) response.topics.push_back(described(*t, node, facts));
    return out;
  }
  const bool may_create =
      request.allow_auto_topic_creation && node.config.flag("auto.create.topics.enable");
  lookup state{catalog, node, facts, may_create, out.commands};
  std::unordered_set<std::string> names;
  std::unordered_set<uuid> ids;
  for (const auto& t : *request.topics) {
    const bool by_id = !t.topic_id.is_zero();
    if (by_id ? !ids.insert(t.topic_id).second : t.name && !names.insert(*t.name).second) continue;
    response.topics.push_back(look_up(state, t));
  }
  return out;
}

describe_cluster_response answer_describe_cluster(const describe_cluster_request& request,
                                                  const node_facts& node,
                                                  const request_facts& facts) {
  describe_cluster_response response;
  response.endpoint_type = endpoint_brokers;
  if (request.endpoint_type != endpoint_brokers) {
    const bool known = request.endpoint_type == endpoint_controllers;
    api_error problem{
        known ? error_code::mismatched_endpoint_type : error_code::unsupported_endpoint_type,
        known ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of "
                "type CONTROLLER"
              : "Unsupported endpoint type " + std::to_string(request.endpoint_type)};
    if (facts.version == 0) problem.code = error_code::invalid_request;
    set_error(response, problem);
    return response;
  }
  response.cluster_id = node.cluster_id;
  response.controller_id = facts.nodes ? facts.controller : node.node_id;
  const auto nodes = nodes_of(node, facts);
  for (const auto& n : *nodes) {
    if (!n.alive && !request.include_fenced_brokers) continue;
    describe_cluster_response::broker b;
    b.broker_id = n.id;
    b.host = n.host;
    b.port = n.port;
    if (!n.rack.empty()) b.rack = n.rack;
    b.is_fenced = !n.alive;
    response.brokers.push_back(std::move(b));
  }
  return response;
}

describe_quorum_response answer_describe_quorum(const describe_quorum_request& request,
                                                const node_facts& node,
                                                const request_facts& facts) {
  describe_quorum_response response;
  for (const auto& t : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.topic_name = t.topic_name;
    for (const auto& p : t.partitions) {
      auto& out = topic.partitions.emplace_back();
      out.partition_index = p.partition_index;
      if (t.topic_name != cluster_metadata_topic || p.partition_index != 0) {
        set_error(out, {error_code::unknown_topic_or_partition, std::string(unknown_topic_text)});
        continue;
      }
      out.leader_id = node.node_id;
      describe_quorum_response::replica_state self;
      self.replica_id = node.node_id;
      self.last_caught_up_timestamp = facts.now_ms;
      out.current_voters.push_back(self);
    }
  }
  response.nodes.push_back(
      {node.node_id, {{"CONTROLLER", node.host, static_cast<uint16_t>(node.port)}}});
  return response;
}

find_coordinator_response answer_find_coordinator(
    const find_coordinator_request& request,
    const std::function<coordinator_place(std::string_view key)>& place,
    const request_facts& facts) {
  const bool known =
      request.key_type == coordinates_groups || request.key_type == coordinates_transactions;
  auto fill = [&](auto& out, const std::string& key) {
    coordinator_place at;
    if (known)
      at = place(key);
    else
      at.problem = {error_code::invalid_request, "There is no coordinator of type " +
                                                     std::to_string(request.key_type) +
                                                     ": ask for 0 (groups) or 1 (transactions)."};
    const bool found = at.problem.ok();
    out.node_id = found ? at.node_id : -1;
    out.host = found ? at.host : "";
    out.port = found ? at.port : -1;
    set_error(out, at.problem);
  };
  find_coordinator_response response;
  if (facts.version < 4) {
    fill(response, request.key);
    return response;
  }
  for (const auto& key : request.coordinator_keys) {
    find_coordinator_response::coordinator c;
    c.key = key;
    fill(c, key);
    response.coordinators.push_back(std::move(c));
  }
  return response;
}

}  // namespace weir::kafka
