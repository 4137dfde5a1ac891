#include <algorithm>
#include <set>

#include "runtime/kafka/topics/admin/metadata.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::kafka {
namespace {

using page = describe_topic_partitions_response;

page::topic refused(const std::string& name, error_code code) {
  page::topic t;
  t.error_code = code;
  t.name = name;
  t.is_internal = is_internal_topic(name);
  return t;
}

/// A page on its way.
struct paging {
  page response;
  int32_t room;  // partitions that still fit

  void point_at(const std::string& topic, int32_t partition) {
    page::cursor_position next;
    next.topic_name = topic;
    next.partition_index = partition;
    response.next_cursor = std::move(next);
  }
};

// Adds the topic's partitions from `first` on as far as they fit. False: the page is full.
bool add_topic(paging& state, const topic_info& t, int32_t first, const node_facts& node,
               const request_facts& facts) {
  const auto count = static_cast<int32_t>(t.partitions.size());
  if (state.room == 0) {
    state.point_at(t.name, first);
    return false;
  }
  page::topic out;
  out.name = t.name;
  out.topic_id = t.id;
  out.is_internal = t.internal;
  const int32_t end = first < count ? first + std::min(state.room, count - first) : first;
  for (int32_t i = first; i < end; ++i) {
    page::partition p;
    p.partition_index = i;
    const auto& info = t.partitions[static_cast<size_t>(i)];
    auto place = placement_of(info, node, facts);
    p.leader_id = place.leader;
    if (place.leader < 0) p.error_code = error_code::leader_not_available;
    p.leader_epoch = info.leader_epoch;
    p.replica_nodes = std::move(place.replicas);
    p.isr_nodes = std::move(place.in_sync);
    p.offline_replicas = std::move(place.offline);
    p.eligible_leader_replicas.emplace();
    p.last_known_elr.emplace();
    out.partitions.push_back(std::move(p));
  }
  state.room -= end - first;
  state.response.topics.push_back(std::move(out));
  if (end >= count) return true;
  state.point_at(t.name, end);
  return false;
}

bool cursor_is_valid(const describe_topic_partitions_request& request,
                     const std::set<std::string>& names) {
  if (!request.cursor) return true;
  if (request.cursor->partition_index < 0) return false;
  // The topic at which to go on must be one of those that are asked for.
  return request.topics.empty() || names.contains(request.cursor->topic_name);
}

}  // namespace

describe_topic_partitions_response answer_describe_topic_partitions(
    const describe_topic_partitions_request& request, const topic_catalog& catalog,
    const node_facts& node, const request_facts& facts) {
  std::set<std::string> names;
  for (const auto& t : request.topics) names.insert(t.name);
  paging state;
  if (!cursor_is_valid(request, names)) {
    for (const auto& name : names)
      state.response.topics.push_back(refused(name, error_code::invalid_request));
    return state.response;
  }
  const int64_t most = node.config.number("max.request.partition.size.limit");
  state.room = static_cast<int32_t>(
      std::max<int64_t>(1, std::min<int64_t>(most, request.response_partition_limit)));
  const std::string start = request.cursor ? request.cursor->topic_name : std::string();
  auto first_of = [&](const std::string& name) {
    return request.cursor && name == start ? request.cursor->partition_index : 0;
  };
  if (request.topics.empty()) {
    for (const auto& t : catalog.sorted())
      if (t->name >= start && !add_topic(state, *t, first_of(t->name), node, facts)) break;
    return state.response;
  }
  for (auto at = names.lower_bound(start); at != names.end(); ++at) {
    topic_ptr t = catalog.find(*at);
    if (t) {
      if (!add_topic(state, *t, first_of(*at), node, facts)) break;
      continue;
    }
    if (state.room == 0) {
      state.point_at(*at, 0);
      break;
    }
    state.response.topics.push_back(refused(*at, topic_name_problem(*at).empty()
                                                     ? error_code::unknown_topic_or_partition
                                                     : error_code::invalid_topic_exception));
  }
  return state.response;
}

}  // namespace weir::kafka
