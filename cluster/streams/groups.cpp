#include "cluster/streams/groups.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "cluster/streams/topic_reader.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"
#include "runtime/kafka/protocol/messages/stored.hpp"

namespace weir::streams {
namespace {

using kafka::error_code;

constexpr auto load_limit = std::chrono::seconds(10);
constexpr auto load_look_interval = std::chrono::milliseconds(50);

/// Again while a group's coordinator moves from node to node, reads what it takes over, or is gone.
template <class F>
auto patiently(brokers& b, F ask) {
  const auto until = std::chrono::steady_clock::now() + load_limit;
  for (;;) {
    auto answer = ask();
    if (answer.ok() || !is_of_transport(answer.err()) || std::chrono::steady_clock::now() > until)
      return answer;
    std::this_thread::sleep_for(load_look_interval);
    // What cannot be reached now is told by what is asked next.
    if (answer.err().code == errc::io) (void)b.reconnect();
  }
}

std::string group_text(const std::string& id) {
  return "group " + id;
}

result<group_facts> describe_classic(kafka::client& coordinator, const std::string& id) {
  kafka::describe_groups_request q;
  q.groups.push_back(id);
  WEIR_ASSIGN(auto a, coordinator.request(q));
  group_facts f;
  f.id = id;
  f.type = "classic";
  for (const auto& g : a.groups) {
    WEIR_TRY(check(g.error_code, group_text(id), g.error_message));
    f.state = g.group_state;
    f.assignor = g.protocol_data;
    for (const auto& m : g.members) {
      auto& out = f.members.emplace_back();
      out.id = m.member_id;
      out.instance_id = m.group_instance_id.value_or("");
      out.client_id = m.client_id;
      out.host = m.client_host;
      // Of other protocols than consumers' the blob is the clients' own.
      if (g.protocol_type != "consumer" || m.member_assignment.empty()) continue;
      kafka::reader r(kafka::as_bytes_view(m.member_assignment));
      kafka::consumer_protocol_assignment assigned;
      if (!kafka::decode_versioned(r, assigned, true)) continue;
      for (const auto& t : assigned.assigned_partitions)
        for (auto p : t.partitions) out.partitions.emplace_back(t.topic, p);
    }
  }
  return f;
}

result<group_facts> describe_consumer(kafka::client& coordinator, const std::string& id) {
  kafka::consumer_group_describe_request q;
  q.group_ids.push_back(id);
  WEIR_ASSIGN(auto a, coordinator.request(q));
  group_facts f;
  f.id = id;
  f.type = "consumer";
  for (const auto& g : a.groups) {
    WEIR_TRY(check(g.error_code, group_text(id), g.error_message));
    f.state = g.group_state;
    f.assignor = g.assignor_name;
    for (const auto& m : g.members) {
      auto& out = f.members.emplace_back();
      out.id = m.member_id;
      out.instance_id = m.instance_id.value_or("");
      out.client_id = m.client_id;
      out.host = m.client_host;
      for (const auto& t : m.assignment.topic_partitions)
        for (auto p : t.partitions) out.partitions.emplace_back(t.topic_name, p);
    }
  }
  return f;
}

status add_committed(kafka::client& coordinator, const std::string& id,
                     std::map<std::pair<std::string, int32_t>, group_position>& to) {
  kafka::offset_fetch_request q;
  auto& asked = q.groups.emplace_back();
  asked.group_id = id;
  asked.topics.reset();                            // all of them
  WEIR_ASSIGN(auto a, coordinator.request(q, 9));  // the newest that names topics
  for (const auto& g : a.groups) {
    WEIR_TRY(check(g.error_code, group_text(id)));
    for (const auto& t : g.topics)
      for (const auto& p : t.partitions) {
        if (p.error_code != error_code::none || p.committed_offset < 0) continue;
        auto& out = to[{t.name, p.partition_index}];
        out.topic = t.name;
        out.partition = p.partition_index;
        out.committed = p.committed_offset;
        out.metadata = p.metadata.value_or("");
      }
  }
  return {};
}

/// Ends and starts of the logs; partitions that are gone or have no leader keep -1.
status add_ends(brokers& b, std::vector<group_position>& positions) {
  std::map<std::string, std::vector<group_position*>> by_topic;
  for (auto& p : positions) by_topic[p.topic].push_back(&p);
  WEIR_ASSIGN(const auto topics, b.topics());
  for (auto& [name, list] : by_topic) {
    const auto topic = std::find_if(topics.begin(), topics.end(),
                                    [&name](const auto& t) { return t.name == name; });
    if (topic == topics.end()) continue;
    std::erase_if(list, [&](const group_position* p) {
      const auto i = static_cast<size_t>(p->partition);
      return i >= topic->partitions.size() || topic->partitions[i].leader < 0;
    });
    std::vector<int32_t> partitions;
    for (const auto* p : list) partitions.push_back(p->partition);
    WEIR_ASSIGN(auto ends, offsets_at(b, *topic, partitions, at_latest));
    WEIR_ASSIGN(auto starts, offsets_at(b, *topic, partitions, at_earliest));
    for (size_t i = 0; i < list.size(); ++i) {
      list[i]->end = ends[i].offset;
      list[i]->start = starts[i].offset;
    }
  }
  return {};
}

/// The age of the first record that was not consumed: it is read, for nothing else knows its time.
status add_time_lag(brokers& b, std::vector<group_position>& positions, int64_t now_ms) {
  for (auto& p : positions) {
    if (p.end < 0) continue;
    if (p.lag() == 0) {
      p.lag_ms = 0;
      continue;
    }
    WEIR_ASSIGN(auto topic, b.topic(p.topic));
    const int64_t from = std::max(p.committed, p.start);
    WEIR_ASSIGN(auto first, first_record_time(b, topic, p.partition, from));
    if (first) p.lag_ms = std::max<int64_t>(0, now_ms - *first);
  }
  return {};
}

}  // namespace

int64_t group_position::lag() const noexcept {
  if (end < 0) return 0;
  return std::max<int64_t>(0, end - std::max(committed, start));
}

namespace {

result<std::vector<listed_group>> list_once(brokers& b) {
  // Each node has those that it coordinates.
  WEIR_ASSIGN(const auto nodes, b.all_nodes());
  std::vector<listed_group> out;
  for (auto* node : nodes) {
    WEIR_ASSIGN(auto a, node->request(kafka::list_groups_request{}));
    WEIR_TRY(check(a.error_code, "groups"));
    for (const auto& g : a.groups)
      out.push_back({g.group_id, g.group_state, g.group_type, g.protocol_type});
  }
  std::sort(out.begin(), out.end(), [](const auto& x, const auto& y) { return x.id < y.id; });
  return out;
}

result<group_facts> describe_once(brokers& b, const std::string& id,
                                  std::optional<int64_t> now_ms) {
  WEIR_ASSIGN(auto all, list_once(b));
  auto it = std::find_if(all.begin(), all.end(), [&](const auto& g) { return g.id == id; });
  if (it == all.end()) return refused(error_code::group_id_not_found, group_text(id));
  const bool classic = it->type != "consumer" && it->type != "Consumer";
  WEIR_ASSIGN(auto* coordinator, b.coordinator_of(brokers::keeps::group, id));
  auto described =
      classic ? describe_classic(*coordinator, id) : describe_consumer(*coordinator, id);
  if (!described) return described.err();
  auto facts = std::move(*described);
  std::map<std::pair<std::string, int32_t>, group_position> positions;
  WEIR_TRY(add_committed(*coordinator, id, positions));
  for (const auto& m : facts.members)
    for (const auto& [topic, partition] : m.partitions) {
      auto& p = positions[{topic, partition}];
      p.topic = topic;
      p.partition = partition;
      p.member = m.id;
    }
  for (auto& [where, p] : positions) facts.positions.push_back(std::move(p));
  WEIR_TRY(add_ends(b, facts.positions));
  if (now_ms) WEIR_TRY(add_time_lag(b, facts.positions, *now_ms));
  return facts;
}

status seek_once(brokers& b, const std::string& id, const std::string& topic,
                 const std::map<int32_t, int64_t>& offsets) {
  WEIR_ASSIGN(auto all, list_once(b));
  for (const auto& g : all)
    if (g.id == id && g.state != "Empty" && g.state != "Dead")
      return error{errc::locked, "group " + id + " is in use (" + g.state +
                                     "): offsets can be set when its consumers have stopped"};
  kafka::offset_commit_request q;
  q.group_id = id;
  auto& asked = q.topics.emplace_back();
  asked.name = topic;
  for (auto [p, offset] : offsets) {
    auto& one = asked.partitions.emplace_back();
    one.partition_index = p;
    one.committed_offset = offset;
    one.committed_metadata = "";
  }
  WEIR_ASSIGN(auto* coordinator, b.coordinator_of(brokers::keeps::group, id));
  WEIR_ASSIGN(auto a, coordinator->request(q, 9));  // the newest that names topics
  for (const auto& t : a.topics)
    for (const auto& p : t.partitions)
      WEIR_TRY(check(p.error_code, group_text(id) + ": topic " + topic + ", partition " +
                                       std::to_string(p.partition_index)));
  return {};
}

}  // namespace

result<std::vector<listed_group>> groups(brokers& b) {
  return patiently(b, [&] { return list_once(b); });
}

result<group_facts> describe_group(brokers& b, const std::string& id,
                                   std::optional<int64_t> now_ms) {
  return patiently(b, [&] { return describe_once(b, id, now_ms); });
}

status delete_group(brokers& b, const std::string& id) {
  return patiently(b, [&]() -> status {
    kafka::delete_groups_request q;
    q.groups_names.push_back(id);
    WEIR_ASSIGN(auto* coordinator, b.coordinator_of(brokers::keeps::group, id));
    WEIR_ASSIGN(auto a, coordinator->request(q));
    for (const auto& r : a.results) WEIR_TRY(check(r.error_code, group_text(id)));
    return {};
  });
}

status seek_group(brokers& b, const std::string& id, const std::string& topic,
                  const std::map<int32_t, int64_t>& offsets) {
  return patiently(b, [&] { return seek_once(b, id, topic, offsets); });
}

}  // namespace weir::streams
