#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/topics/admin/topics.hpp"
#include "runtime/kafka/topics/topic_config.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::kafka {
namespace {

using requested_topic = create_topics_request::topic;

// Kafka keeps its metadata in a topic of this name; its own clients know that it cannot be made.

/// One request on its way: the catalog with what the topics before have brought.
struct creation {
  topic_catalog catalog;
  const node_facts& node;
  const request_facts& facts;
  bool validate_only;
};

api_error take_configs(const requested_topic& topic, const node_facts& node, config_map& out) {
  std::string nulls;
  for (const auto& c : topic.configs)
    if (!c.value) nulls.append(nulls.empty() ? "" : ",").append(c.name);
  if (!nulls.empty())
    return {error_code::invalid_config, "Null value not supported for topic configs: " + nulls};
  for (const auto& c : topic.configs) {
    auto canonical = canonical_topic_value(c.name, *c.value);
    if (!canonical) return {error_code::invalid_config, canonical.err().message};
    out.insert_or_assign(c.name, std::move(canonical).value());
  }
  if (status s = check_topic_overrides(out, node.config); !s)
    return {error_code::invalid_config, s.err().message};
  return {};
}

api_error check_assignments(const requested_topic& topic, const std::vector<node_entry>& nodes) {
  if (topic.replication_factor != -1)
    return {error_code::invalid_request,
            "A manual partition assignment was specified, but replication factor was not set to "
            "-1."};
  if (topic.num_partitions != -1)
    return {error_code::invalid_request,
            "A manual partition assignment was specified, but numPartitions was not set to -1."};
  std::unordered_set<int32_t> seen;
  size_t replicas_before = 0;
  for (const auto& a : topic.assignments) {
    if (!seen.insert(a.partition_index).second)
      return {error_code::invalid_replica_assignment,
              "Found multiple manual partition assignments for partition " +
                  std::to_string(a.partition_index)};
    if (api_error bad = check_replicas(a.broker_ids, replicas_before, nodes); !bad.ok()) return bad;
    replicas_before = a.broker_ids.size();
  }
  for (size_t i = 0; i < seen.size(); ++i)
    if (!seen.contains(static_cast<int32_t>(i)))
      return {error_code::invalid_replica_assignment,
              "partitions should be a consecutive 0-based integer sequence"};
  return {};
}

api_error take_partitions(const requested_topic& topic, const creation& state,
                          create_topic_command& out) {
  const auto& node = state.node;
  const auto nodes = nodes_of(node, state.facts);
  if (!topic.assignments.empty()) {
    if (api_error bad = check_assignments(topic, *nodes); !bad.ok()) return bad;
    out.partitions = static_cast<int32_t>(topic.assignments.size());
    out.assignment.resize(topic.assignments.size());
    for (const auto& a : topic.assignments)
      out.assignment[static_cast<size_t>(a.partition_index)] = a.broker_ids;
    out.replication = static_cast<int16_t>(out.assignment.front().size());
    return {};
  }
  const int16_t replicas = topic.replication_factor;
  if (replicas < -1 || replicas == 0)
    return {error_code::invalid_replication_factor,
            "Replication factor must be larger than 0, or -1 to use the default value."};
  if (topic.num_partitions < -1 || topic.num_partitions == 0)
    return {error_code::invalid_partitions,
            "Number of partitions was set to an invalid non-positive value."};
  const auto alive = std::count_if(nodes->begin(), nodes->end(),
                                   [](const node_entry& n) { return n.alive && !n.draining; });
  if (replicas > alive)
    return {error_code::invalid_replication_factor,
            "Unable to replicate the partition " + std::to_string(replicas) +
                " time(s): The target replication factor of " + std::to_string(replicas) +
                " cannot be reached because only " + std::to_string(alive) +
                " broker(s) are registered. Use " + std::to_string(alive) +
                ", or -1 for the default."};
  out.replication = replicas == -1
                        ? default_replication("default.replication.factor", node, state.facts)
                        : replicas;
  out.partitions = topic.num_partitions == -1
                       ? static_cast<int32_t>(node.config.number("num.partitions"))
                       : topic.num_partitions;
  return {};
}

api_error check_not_internal(const requested_topic& topic, const topic_catalog& catalog) {
  const bool reserved = is_internal_topic(topic.name) || topic.name == cluster_metadata_topic;
  if (!reserved || catalog.find(topic.name)) return {};
  return {error_code::invalid_request,
          "Creation of internal topic " + topic.name + " is prohibited."};
}

void report_configs(create_topics_response::topic& result, const config_map& configs,
                    const node_facts& node) {
  for (const auto& d : topic_config_definitions()) {
    resolved_value v = resolve_topic_value(d, configs, node.config);
    if (d.internal && v.source != config_source::topic) continue;
    create_topics_response::config entry;
    entry.name = d.name;
    entry.value = std::move(v.value);
    entry.config_source = static_cast<int8_t>(v.source);
    result.configs->push_back(std::move(entry));
  }
}

api_error create_one(creation& state, const requested_topic& topic,
                     create_topics_response::topic& result, std::vector<topic_command>& commands) {
  if (api_error bad = check_not_internal(topic, state.catalog); !bad.ok()) return bad;
  if (api_error bad = state.catalog.check_new_name(topic.name); !bad.ok()) return bad;
  create_topic_command command;
  command.name = topic.name;
  if (api_error bad = take_configs(topic, state.node, command.configs); !bad.ok()) return bad;
  if (api_error bad = take_partitions(topic, state, command); !bad.ok()) return bad;
  command.id = state.facts.new_id();
  command.created_ms = state.facts.now_ms;
  if (apply_result applied = state.catalog.apply(command); !applied.ok()) return applied.problem;
  // Nothing of this id exists if the request was only a question.
  if (!state.validate_only) result.topic_id = command.id;
  result.num_partitions = command.partitions;
  result.replication_factor = command.replication;
  if (state.facts.version >= 5) report_configs(result, command.configs, state.node);
  if (!state.validate_only) commands.push_back(std::move(command));
  return {};
}

}  // namespace

admin_answer<create_topics_response> answer_create_topics(const create_topics_request& request,
                                                          const topic_catalog& catalog,
                                                          const node_facts& node,
                                                          const request_facts& facts) {
  admin_answer<create_topics_response> out;
  creation state{catalog, node, facts, request.validate_only};
  std::unordered_map<std::string_view, int> times;
  for (const auto& t : request.topics) ++times[t.name];
  for (const auto& t : request.topics) {
    int& left = times[t.name];
    if (left == 0) continue;  // named again: it has its answer
    create_topics_response::topic result;
    result.name = t.name;
    result.configs.emplace();  // Kafka's is empty, not null, where there is an error
    if (left > 1)
      set_error(result, {error_code::invalid_request, "Duplicate topic name."});
    else
      set_error(result, create_one(state, t, result, out.commands));
    left = 0;
    out.response.topics.push_back(std::move(result));
  }
  return out;
}

create_topic_command internal_topic(std::string_view name, const node_facts& node,
                                    const request_facts& facts) {
  const bool offsets = name == consumer_offsets_topic;
  weir_assert(offsets || name == transaction_state_topic, "one of the two internal topics");
  const broker_config& c = node.config;
  create_topic_command command;
  command.name = name;
  command.id = facts.new_id();
  command.created_ms = facts.now_ms;
  command.replication = default_replication(
      offsets ? "offsets.topic.replication.factor" : "transaction.state.log.replication.factor",
      node, facts);
  command.partitions = static_cast<int32_t>(
      c.number(offsets ? "offsets.topic.num.partitions" : "transaction.state.log.num.partitions"));
  command.configs = {
      {"cleanup.policy", "compact"},
      {"compression.type", "producer"},
      {"segment.bytes", std::string(c.text(offsets ? "offsets.topic.segment.bytes"
                                                   : "transaction.state.log.segment.bytes"))},
  };
  if (!offsets) {
    command.configs["compression.type"] = "uncompressed";
    command.configs["min.insync.replicas"] = c.text("transaction.state.log.min.isr");
    command.configs["unclean.leader.election.enable"] = "false";
  }
  return command;
}

create_topic_command auto_created_topic(std::string_view name, const node_facts& node,
                                        const request_facts& facts) {
  if (is_internal_topic(name)) return internal_topic(name, node, facts);
  create_topic_command command;
  command.name = name;
  command.id = facts.new_id();
  command.created_ms = facts.now_ms;
  command.partitions = static_cast<int32_t>(node.config.number("num.partitions"));
  command.replication = default_replication("default.replication.factor", node, facts);
  return command;
}

void fail_all(create_topics_response& response, const api_error& why) {
  for (auto& t : response.topics) {
    if (t.error_code != error_code::none) continue;
    create_topics_response::topic failed;
    failed.name = t.name;
    failed.configs.emplace();
    set_error(failed, why);
    t = std::move(failed);
  }
}

}  // namespace weir::kafka
