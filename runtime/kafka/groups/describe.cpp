// What tools see of a group: DescribeGroups, ConsumerGroupDescribe, ListGroups.
#include "runtime/kafka/groups/group_impl.hpp"

namespace weir::kafka {

namespace {

constexpr int16_t not_found_version = 6;  // DescribeGroups tells missing groups from empty ones
constexpr int8_t classic_member_type = 0;
constexpr int8_t consumer_member_type = 1;

using described = consumer_group_describe_response;

described::assignment_data to_described(const assignment& a, const topic_view& topics) {
  described::assignment_data out;
  for (const auto& [topic, partitions] : a) {
    const auto facts = topics.find(topic);
    if (!facts) continue;  // deleted meanwhile
    auto& t = out.topic_partitions.emplace_back();
    t.topic_id = topic;
    t.topic_name = facts->name;
    t.partitions = partitions;
  }
  return out;
}

}  // namespace

describe_groups_response::group group::describe(int16_t version) const {
  const impl& g = *impl_;
  describe_groups_response::group r;
  r.group_id = g.group_id;
  if (g.consumer || !g.visible()) {
    r.group_state = "Dead";
    if (version >= not_found_version) {
      r.error_code = error_code::group_id_not_found;
      r.error_message = g.consumer ? "Group " + g.group_id + " is not a classic group."
                                   : "Group " + g.group_id + " not found.";
    }
    return r;
  }
  if (!g.classic) {  // only offsets are known of it
    r.group_state = to_string(classic_state::empty);
    return r;
  }
  const classic_group& c = *g.classic;
  r.group_state = to_string(c.state);
  r.protocol_type = c.protocol_type.value_or("");
  const bool stable = c.state == classic_state::stable;
  if (stable) r.protocol_data = c.protocol.value_or("");
  for (const auto& [id, m] : c.members) {
    auto& entry = r.members.emplace_back();
    entry.member_id = id;
    entry.group_instance_id = m.instance_id;
    entry.client_id = m.client_id;
    entry.client_host = m.client_host;
    entry.member_assignment = m.assignment;
    if (stable && c.protocol)
      if (const std::string* metadata = m.metadata(*c.protocol)) entry.member_metadata = *metadata;
  }
  return r;
}

consumer_group_describe_response::group group::consumer_describe(int16_t version) const {
  const impl& g = *impl_;
  described::group r;
  r.group_id = g.group_id;
  if (!g.consumer) {
    r.error_code = error_code::group_id_not_found;
    r.error_message = g.visible() ? "Group " + g.group_id + " is not a consumer group."
                                  : "Group " + g.group_id + " not found.";
    return r;
  }
  const consumer_members& c = *g.consumer;
  r.group_state = c.state_name();
  r.group_epoch = c.epoch;
  r.assignment_epoch = c.target_epoch;
  r.assignor_name = g.assignor_name();
  for (const auto& [id, m] : c.all()) {
    auto& entry = r.members.emplace_back();
    entry.member_id = id;
    entry.instance_id = m->instance_id;
    entry.rack_id = m->rack_id;
    entry.member_epoch = m->epoch;
    entry.client_id = m->client_id;
    entry.client_host = m->client_host;
    entry.subscribed_topic_names = m->topics;
    if (!m->regex.empty()) entry.subscribed_topic_regex = m->regex;
    entry.assignment = to_described(m->assigned, *g.topics);
    entry.target_assignment = to_described(c.target(id), *g.topics);
    if (version >= 1) entry.member_type = m->classic ? classic_member_type : consumer_member_type;
  }
  return r;
}

std::optional<list_groups_response::group> group::listed() const {
  const impl& g = *impl_;
  if (!g.visible()) return std::nullopt;
  list_groups_response::group r;
  r.group_id = g.group_id;
  if (g.consumer) {
    r.protocol_type = consumer_protocol_type;
    r.group_state = g.consumer->state_name();
    r.group_type = "consumer";
  } else {
    if (g.classic) r.protocol_type = g.classic->protocol_type.value_or("");
    r.group_state = to_string(g.classic ? g.classic->state : classic_state::empty);
    r.group_type = "classic";
  }
  return r;
}

}  // namespace weir::kafka
