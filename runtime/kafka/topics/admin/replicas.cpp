#include "runtime/kafka/topics/admin/replicas.hpp"

#include <algorithm>

namespace weir::kafka {
namespace {

constexpr int8_t election_preferred = 0;
constexpr int8_t election_unclean = 1;

using log_dir_result = describe_log_dirs_response::result;

bool has_partition(const topic_ptr& t, int32_t partition) {
  return t && partition >= 0 && static_cast<size_t>(partition) < t->partitions.size();
}

void add_partition(describe_log_dirs_response::topic& out, const topic_info& t, int32_t partition,
                   const log_dir_facts& facts) {
  std::optional<int64_t> bytes = facts.bytes_of(t, partition);
  if (!bytes) return;
  describe_log_dirs_response::partition p;
  p.partition_index = partition;
  p.partition_size = *bytes;
  out.partitions.push_back(p);
}

void add_topic(log_dir_result& dir, describe_log_dirs_response::topic topic) {
  if (!topic.partitions.empty()) dir.topics.push_back(std::move(topic));
}

api_error elect_one(const topic_catalog& catalog, const std::string& name, int32_t partition,
                    bool unclean, const request_facts& facts,
                    std::vector<topic_command>& commands) {
  topic_ptr t = catalog.find(name);
  if (!t) return {error_code::unknown_topic_or_partition, "No such topic as " + name};
  if (!has_partition(t, partition))
    return {error_code::unknown_topic_or_partition,
            "No such partition as " + name + "-" + std::to_string(partition)};
  const auto& p = t->partitions[static_cast<size_t>(partition)];
  const auto preferred = p.replicas.empty() ? -1 : p.replicas.front();
  if (unclean && p.leader < 0 && !p.replicas.empty())
    return {error_code::eligible_leaders_not_available,
            "No replica that is in sync is alive; a leader that is not would lose records, and "
            "that is not done. Bring one of the in-sync nodes back."};
  if (p.leader == preferred || unclean)
    return {error_code::election_not_needed, "Leader election not needed for topic partition."};
  const auto* n = facts.nodes ? find_node(*facts.nodes, preferred) : nullptr;
  if (!n || !n->alive ||
      std::find(p.in_sync.begin(), p.in_sync.end(), preferred) == p.in_sync.end())
    return {error_code::preferred_leader_not_available, "The preferred leader, node " +
                                                            std::to_string(preferred) +
                                                            ", is not alive or not in sync."};
  commands.push_back(elect_leader_command{t->id, partition});
  return {};
}

api_error reassign_one(const topic_catalog& catalog, const std::string& name, int32_t partition,
                       const std::optional<std::vector<int32_t>>& replicas,
                       const std::vector<node_entry>& nodes, std::vector<topic_command>& commands) {
  topic_ptr t = catalog.find(name);
  if (!t)
    return {error_code::unknown_topic_or_partition, "Unable to find a topic named " + name + "."};
  if (!has_partition(t, partition))
    return {error_code::unknown_topic_or_partition,
            "Unable to find partition " + name + ":" + std::to_string(partition) + "."};
  const auto& p = t->partitions[static_cast<size_t>(partition)];
  if (!replicas) {
    if (p.adding.empty() && p.removing.empty())
      return {error_code::no_reassignment_in_progress, "No partition reassignment is in progress."};
    commands.push_back(reassign_partition_command{t->id, partition, {}});
    return {};
  }
  if (auto bad = check_replicas(*replicas, 0, nodes); !bad.ok()) return bad;
  // Nothing to do where there is one node, and it has it.
  if (!p.replicas.empty())
    commands.push_back(reassign_partition_command{t->id, partition, *replicas});
  return {};
}

}  // namespace

describe_log_dirs_response answer_describe_log_dirs(const describe_log_dirs_request& request,
                                                    const topic_catalog& catalog,
                                                    const log_dir_facts& facts) {
  log_dir_result dir;
  dir.log_dir = facts.path;
  dir.total_bytes = facts.total_bytes;
  dir.usable_bytes = facts.usable_bytes;
  if (!request.topics) {
    for (const auto& t : catalog.sorted()) {
      describe_log_dirs_response::topic out;
      out.name = t->name;
      for (size_t i = 0; i < t->partitions.size(); ++i)
        add_partition(out, *t, static_cast<int32_t>(i), facts);
      add_topic(dir, std::move(out));
    }
  } else {
    for (const auto& wanted : *request.topics) {
      topic_ptr t = catalog.find(wanted.topic);
      describe_log_dirs_response::topic out;
      out.name = wanted.topic;
      for (int32_t partition : wanted.partitions)
        if (has_partition(t, partition)) add_partition(out, *t, partition, facts);
      add_topic(dir, std::move(out));
    }
  }
  describe_log_dirs_response response;
  response.results.push_back(std::move(dir));
  return response;
}

alter_replica_log_dirs_response answer_alter_replica_log_dirs(
    const alter_replica_log_dirs_request& request, const topic_catalog& catalog,
    const std::string& folder) {
  alter_replica_log_dirs_response response;
  for (const auto& dir : request.dirs)
    for (const auto& wanted : dir.topics) {
      topic_ptr t = catalog.find(wanted.name);
      auto& result = response.results.emplace_back();
      result.topic_name = wanted.name;
      for (int32_t partition : wanted.partitions) {
        error_code e = error_code::none;  // to where it is: done
        if (dir.path != folder)
          e = error_code::log_dir_not_found;
        else if (!has_partition(t, partition))
          e = error_code::replica_not_available;
        result.partitions.push_back({partition, e});
      }
    }
  return response;
}

admin_answer<elect_leaders_response> answer_elect_leaders(const elect_leaders_request& request,
                                                          const topic_catalog& catalog,
                                                          const request_facts& facts) {
  admin_answer<elect_leaders_response> answer;
  auto& response = answer.response;
  const bool known_type = facts.version == 0 || request.election_type == election_preferred ||
                          request.election_type == election_unclean;
  const bool unclean = facts.version > 0 && request.election_type == election_unclean;
  // Asked for all partitions, Kafka leaves out those that need no election.
  if (!request.topic_partitions) {
    if (!known_type) {
      response.error_code = error_code::invalid_request;
      return answer;
    }
    for (const auto& t : catalog.sorted()) {
      elect_leaders_response::topic_result result;
      result.topic = t->name;
      for (int32_t i = 0; i < static_cast<int32_t>(t->partitions.size()); ++i) {
        auto e = elect_one(catalog, t->name, i, unclean, facts, answer.commands);
        if (e.code == error_code::election_not_needed) continue;
        elect_leaders_response::partition_result_data p;
        p.partition_id = i;
        set_error(p, e);
        result.partition_result.push_back(std::move(p));
      }
      if (!result.partition_result.empty())
        response.replica_election_results.push_back(std::move(result));
    }
    return answer;
  }
  for (const auto& t : *request.topic_partitions) {
    elect_leaders_response::topic_result result;
    result.topic = t.topic;
    for (int32_t partition : t.partitions) {
      elect_leaders_response::partition_result_data p;
      p.partition_id = partition;
      if (known_type)
        set_error(p, elect_one(catalog, t.topic, partition, unclean, facts, answer.commands));
      else
        set_error(p, {error_code::invalid_request,
                      "Unknown election type " + std::to_string(request.election_type)});
      result.partition_result.push_back(std::move(p));
    }
    response.replica_election_results.push_back(std::move(result));
  }
  if (!known_type) response.error_code = error_code::invalid_request;
  return answer;
}

admin_answer<alter_partition_reassignments_response> answer_alter_partition_reassignments(
    const alter_partition_reassignments_request& request, const topic_catalog& catalog,
    const node_facts& node, const request_facts& facts) {
  admin_answer<alter_partition_reassignments_response> answer;
  auto& response = answer.response;
  const auto nodes = nodes_of(node, facts);
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  for (const auto& t : request.topics) {
    alter_partition_reassignments_response::response result;
    result.name = t.name;
    for (const auto& p : t.partitions) {
      alter_partition_reassignments_response::partition out;
      out.partition_index = p.partition_index;
      set_error(out, reassign_one(catalog, t.name, p.partition_index, p.replicas, *nodes,
                                  answer.commands));
      result.partitions.push_back(std::move(out));
    }
    response.responses.push_back(std::move(result));
  }
  return answer;
}

list_partition_reassignments_response answer_list_partition_reassignments(
    const list_partition_reassignments_request& request, const topic_catalog& catalog) {
  // Kafka leaves topics out that do not move or do not exist, whether asked for or not.
  list_partition_reassignments_response response;
  auto add = [&response](const topic_info& t, const std::vector<int32_t>* wanted) {
    list_partition_reassignments_response::topic out;
    out.name = t.name;
    for (int32_t i = 0; i < static_cast<int32_t>(t.partitions.size()); ++i) {
      const auto& p = t.partitions[static_cast<size_t>(i)];
      if (p.adding.empty() && p.removing.empty()) continue;
      if (wanted && std::find(wanted->begin(), wanted->end(), i) == wanted->end()) continue;
      out.partitions.push_back({i, p.replicas, p.adding, p.removing});
    }
    if (!out.partitions.empty()) response.topics.push_back(std::move(out));
  };
  if (!request.topics) {
    for (const auto& t : catalog.sorted()) add(*t, nullptr);
  } else {
    for (const auto& wanted : *request.topics)
      if (auto t = catalog.find(wanted.name)) add(*t, &wanted.partition_indexes);
  }
  return response;
}

void fail_all(elect_leaders_response& response, const api_error& why) {
  for (auto& t : response.replica_election_results)
    for (auto& p : t.partition_result)
      if (p.error_code == error_code::none) set_error(p, why);
}

void fail_all(alter_partition_reassignments_response& response, const api_error& why) {
  for (auto& t : response.responses)
    for (auto& p : t.partitions)
      if (p.error_code == error_code::none) set_error(p, why);
}

}  // namespace weir::kafka
