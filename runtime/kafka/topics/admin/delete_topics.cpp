#include <unordered_map>
#include <unordered_set>

#include "runtime/kafka/topics/admin/topics.hpp"

namespace weir::kafka {
namespace {

using wanted_topic = delete_topics_request::topic;

/// What of a request was seen: how often each name and id stands in it, and what was answered.
struct deletion {
  topic_catalog catalog;
  std::unordered_map<std::string, int> names;
  std::unordered_map<uuid, int> ids;
  std::unordered_map<uuid, int> meant;  // topics, by how many names and ids mean them
};

// Before version 6 topics stand in a list of names.
std::vector<wanted_topic> wanted(const delete_topics_request& request) {
  std::vector<wanted_topic> all = request.topics;
  for (const auto& name : request.topic_names) {
    wanted_topic t;
    t.name = name;
    all.push_back(std::move(t));
  }
  return all;
}

deletion count(const std::vector<wanted_topic>& all, const topic_catalog& catalog) {
  deletion state{catalog, {}, {}, {}};
  for (const auto& t : all) {
    if (t.name) ++state.names[*t.name];
    if (!t.topic_id.is_zero()) ++state.ids[t.topic_id];
  }
  for (const auto& [name, times] : state.names)
    if (topic_ptr t = catalog.find(name); t && times == 1) ++state.meant[t->id];
  for (const auto& [id, times] : state.ids)
    if (times == 1 && catalog.find(id)) ++state.meant[id];
  return state;
}

api_error check_deletable(const topic_info& topic) {
  if (!topic.internal) return {};
  return {error_code::invalid_topic_exception,
          "Topic '" + topic.name +
              "' is internal and cannot be deleted: this node keeps groups or transactions in it."};
}

api_error find_topic(const deletion& state, const wanted_topic& t, topic_ptr& found) {
  if (t.name && !t.topic_id.is_zero())
    return {error_code::invalid_request, "You may not specify both topic name and topic id."};
  if (!t.name && t.topic_id.is_zero())
    return {error_code::invalid_request, "Neither topic name nor id were specified."};
  if (t.name) {
    if (state.names.at(*t.name) > 1) return {error_code::invalid_request, "Duplicate topic name."};
    found = state.catalog.find(*t.name);
    if (!found) return {error_code::unknown_topic_or_partition, std::string(unknown_topic_text)};
    return {};
  }
  if (state.ids.at(t.topic_id) > 1) return {error_code::invalid_request, "Duplicate topic id."};
  found = state.catalog.find(t.topic_id);
  if (!found) return {error_code::unknown_topic_id, "This server does not host this topic ID."};
  return {};
}

api_error delete_one(const deletion& state, const wanted_topic& t,
                     delete_topics_response::response& result,
                     std::vector<topic_command>& commands) {
  topic_ptr topic;
  if (api_error bad = find_topic(state, t, topic); !bad.ok()) return bad;
  result.name = topic->name;
  result.topic_id = topic->id;
  if (state.meant.at(topic->id) > 1)
    return {error_code::invalid_request,
            "The provided topic name maps to an ID that was already supplied."};
  if (api_error bad = check_deletable(*topic); !bad.ok()) return bad;
  commands.push_back(delete_topic_command{topic->id});
  return {};
}

api_error deletion_disabled(int16_t version) {
  // Older clients do not know the code.
  return {version < 3 ? error_code::invalid_request : error_code::topic_deletion_disabled,
          "Topic deletion is disabled."};
}

}  // namespace

admin_answer<delete_topics_response> answer_delete_topics(const delete_topics_request& request,
                                                          const topic_catalog& catalog,
                                                          const node_facts& node,
                                                          const request_facts& facts) {
  admin_answer<delete_topics_response> out;
  const std::vector<wanted_topic> all = wanted(request);
  const deletion state = count(all, catalog);
  const bool enabled = node.config.flag("delete.topic.enable");
  std::unordered_set<std::string> answered_names;
  std::unordered_set<uuid> answered_ids;
  for (const auto& t : all) {
    // What is named twice is answered once.
    if (t.name && t.topic_id.is_zero() && !answered_names.insert(*t.name).second) continue;
    if (!t.name && !t.topic_id.is_zero() && !answered_ids.insert(t.topic_id).second) continue;
    delete_topics_response::response result;
    result.name = t.name;
    result.topic_id = t.topic_id;
    set_error(result, enabled ? delete_one(state, t, result, out.commands)
                              : deletion_disabled(facts.version));
    out.response.responses.push_back(std::move(result));
  }
  return out;
}

void fail_all(delete_topics_response& response, const api_error& why) {
  for (auto& r : response.responses)
    if (r.error_code == error_code::none) set_error(r, why);
}

}  // namespace weir::kafka
