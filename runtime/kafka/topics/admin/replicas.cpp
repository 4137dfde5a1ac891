#include "runtime/kafka/topics/admin/replicas.hpp"

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

api_error elect_one(const topic_catalog& catalog, const std::string& name, int32_t partition) {
  topic_ptr t = catalog.find(name);
  if (!t) return {error_code::unknown_topic_or_partition, "No such topic as " + name};
  if (!has_partition(t, partition))
    return {error_code::unknown_topic_or_partition,
            "No such partition as " + name + "-" + std::to_string(partition)};
  return {error_code::election_not_needed, "Leader election not needed for topic partition."};
}

api_error reassign_one(const topic_catalog& catalog, const std::string& name, int32_t partition,
                       const std::optional<std::vector<int32_t>>& replicas,
                       const node_facts& node) {
  topic_ptr t = catalog.find(name);
  if (!t)
    return {error_code::unknown_topic_or_partition, "Unable to find a topic named " + name + "."};
  if (!has_partition(t, partition))
    return {error_code::unknown_topic_or_partition,
            "Unable to find partition " + name + ":" + std::to_string(partition) + "."};
  if (!replicas)
    return {error_code::no_reassignment_in_progress, "No partition reassignment is in progress."};
  return check_replicas(*replicas, 0, node);  // to where it is: done
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

elect_leaders_response answer_elect_leaders(const elect_leaders_request& request,
                                            const topic_catalog& catalog,
                                            const request_facts& facts) {
  elect_leaders_response response;
  const bool known_type = facts.version == 0 || request.election_type == election_preferred ||
                          request.election_type == election_unclean;
  // Asked for all partitions, Kafka leaves out those that need no election: here, every one.
  if (!request.topic_partitions) {
    if (!known_type) response.error_code = error_code::invalid_request;
    return response;
  }
  for (const auto& t : *request.topic_partitions) {
    elect_leaders_response::topic_result result;
    result.topic = t.topic;
    for (int32_t partition : t.partitions) {
      elect_leaders_response::partition_result_data p;
      p.partition_id = partition;
      if (known_type)
        set_error(p, elect_one(catalog, t.topic, partition));
      else
        set_error(p, {error_code::invalid_request,
                      "Unknown election type " + std::to_string(request.election_type)});
      result.partition_result.push_back(std::move(p));
    }
    response.replica_election_results.push_back(std::move(result));
  }
  if (!known_type) response.error_code = error_code::invalid_request;
  return response;
}

alter_partition_reassignments_response answer_alter_partition_reassignments(
    const alter_partition_reassignments_request& request, const topic_catalog& catalog,
    const node_facts& node) {
  alter_partition_reassignments_response response;
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  for (const auto& t : request.topics) {
    alter_partition_reassignments_response::response result;
    result.name = t.name;
    for (const auto& p : t.partitions) {
      alter_partition_reassignments_response::partition out;
      out.partition_index = p.partition_index;
      set_error(out, reassign_one(catalog, t.name, p.partition_index, p.replicas, node));
      result.partitions.push_back(std::move(out));
    }
    response.responses.push_back(std::move(result));
  }
  return response;
}

list_partition_reassignments_response answer_list_partition_reassignments(
    const list_partition_reassignments_request&) {
  // Kafka leaves topics out that do not move or do not exist, whether asked for or not.
  return {};
}

}  // namespace weir::kafka
