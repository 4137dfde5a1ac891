#include <unordered_map>

#include "runtime/kafka/topics/admin/topics.hpp"

namespace weir::kafka {
namespace {

using wanted_topic = create_partitions_request::topic;

api_error widen_one(topic_catalog& catalog, const wanted_topic& t,
                    const std::vector<node_entry>& nodes, std::vector<topic_command>& commands) {
  topic_ptr topic = catalog.find(t.name);
  if (!topic) return {error_code::unknown_topic_or_partition, std::string(unknown_topic_text)};
  if (topic->internal)
    return {error_code::invalid_topic_exception,
            "Topic '" + t.name +
                "' is internal and keeps its number of partitions: what it holds is found by "
                "it."};
  add_partitions_command command{topic->id, t.count};
  const auto now = static_cast<int64_t>(topic->partitions.size());
  if (t.count > now && t.assignments) {
    const int64_t more = t.count - now;
    if (static_cast<int64_t>(t.assignments->size()) != more)
      return {error_code::invalid_replica_assignment,
              "Attempted to add " + std::to_string(more) + " additional partition(s), but only " +
                  std::to_string(t.assignments->size()) + " assignment(s) were specified."};
    for (const auto& a : *t.assignments)
      if (api_error bad = check_replicas(a.broker_ids, 0, nodes); !bad.ok()) return bad;
    for (const auto& a : *t.assignments) command.assignment.push_back(a.broker_ids);
  }
  if (apply_result applied = catalog.apply(command); !applied.ok()) return applied.problem;
  commands.push_back(command);
  return {};
}

}  // namespace

admin_answer<create_partitions_response> answer_create_partitions(
    const create_partitions_request& request, const topic_catalog& catalog, const node_facts& node,
    const request_facts& facts) {
  admin_answer<create_partitions_response> out;
  const auto nodes = nodes_of(node, facts);
  topic_catalog ahead = catalog;
  std::unordered_map<std::string_view, int> times;
  for (const auto& t : request.topics) ++times[t.name];
  for (const auto& t : request.topics) {
    int& left = times[t.name];
    if (left == 0) continue;  // named again: it has its answer
    create_partitions_response::result result;
    result.name = t.name;
    if (left > 1)
      set_error(result, {error_code::invalid_request, "Duplicate topic name."});
    else
      set_error(result, widen_one(ahead, t, *nodes, out.commands));
    left = 0;
    out.response.results.push_back(std::move(result));
  }
  if (request.validate_only) out.commands.clear();
  return out;
}

void fail_all(create_partitions_response& response, const api_error& why) {
  for (auto& r : response.results)
    if (r.error_code == error_code::none) set_error(r, why);
}

}  // namespace weir::kafka
