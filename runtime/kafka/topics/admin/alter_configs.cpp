#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "runtime/kafka/topics/admin/configs.hpp"
#include "runtime/kafka/topics/admin/resources.hpp"
#include "runtime/kafka/topics/topic_config.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::kafka {
namespace {

enum class operation : int8_t { set = 0, remove = 1, append = 2, subtract = 3 };

/// One key of either request: AlterConfigs only sets.
struct change {
  std::string name;
  operation op = operation::set;
  std::optional<std::string> value;
};

struct alteration {
  topic_catalog catalog;
  const node_facts& node;
  bool keeps_others;  // incremental: what is not named stays
  bool validate_only;
  std::vector<topic_command>& commands;
};

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out.append(i ? between : "").append(parts[i]);
  return out;
}

api_error check_changes(const std::vector<change>& changes) {
  std::set<std::string_view> names;
  std::vector<std::string> nulls;
  for (const auto& c : changes) {
    if (!names.insert(c.name).second)
      return {error_code::invalid_request, "Error due to duplicate config keys"};
    if (c.op != operation::remove && !c.value) nulls.push_back(c.name);
  }
  if (!nulls.empty())
    return {error_code::invalid_request, "Null value not supported for : " + joined(nulls, ", ")};
  for (const auto& c : changes)
    if (c.op < operation::set || c.op > operation::subtract)
      return {error_code::invalid_request,
              "Unknown operations type " + std::to_string(static_cast<int>(c.op)) + " for " +
                  c.name + ": use 0 (set), 1 (delete), 2 (append) or 3 (subtract)"};
  return {};
}

// A list with entries added or taken away, from what the topic has or would get by default.
api_error combine(const alteration& state, const change& c, const config_map& configs,
                  std::string& out) {
  const bool append = c.op == operation::append;
  const auto* d = find_topic_config(c.name);
  if (d == nullptr || d->rule.type != config_type::list)
    return {error_code::invalid_config, std::string("Can't ") + (append ? "APPEND" : "SUBTRACT") +
                                            " to key " + c.name + " because its type is not LIST."};
  std::vector<std::string> entries =
      split_list(resolve_topic_value(*d, configs, state.node.config).value);
  for (auto& entry : split_list(*c.value)) {
    auto at = std::find(entries.begin(), entries.end(), entry);
    if (append && at == entries.end()) entries.push_back(std::move(entry));
    if (!append && at != entries.end()) entries.erase(at);
  }
  out = joined(entries, ",");
  return {};
}

api_error apply_change(const alteration& state, const change& c, config_map& configs) {
  if (c.op == operation::remove) {
    configs.erase(c.name);
    return {};
  }
  std::string value;
  if (c.op == operation::set)
    value = *c.value;
  else if (api_error bad = combine(state, c, configs, value); !bad.ok())
    return bad;
  auto canonical = canonical_topic_value(c.name, value);
  if (!canonical) return {error_code::invalid_config, canonical.err().message};
  configs.insert_or_assign(c.name, std::move(canonical).value());
  return {};
}

api_error check_internal(const topic_info& topic, const config_map& configs,
                         const broker_config& node) {
  if (!topic.internal || resolve_topic_settings(configs, node).compact) return {};
  return {error_code::invalid_config,
          "Topic '" + topic.name +
              "' is internal and must stay compacted: keep compact in its cleanup.policy"};
}

api_error alter_topic(alteration& state, const std::string& name,
                      const std::vector<change>& changes) {
  if (name.empty())
    return {error_code::invalid_request, "Default topic resources are not allowed."};
  if (std::string problem = topic_name_problem(name); !problem.empty())
    return {error_code::invalid_topic_exception, std::move(problem)};
  topic_ptr topic = state.catalog.find(name);
  config_map configs;
  if (topic && state.keeps_others) configs = topic->configs;
  for (const auto& c : changes)
    if (api_error bad = apply_change(state, c, configs); !bad.ok()) return bad;
  if (status s = check_topic_overrides(configs, state.node.config); !s)
    return {error_code::invalid_config, s.err().message};
  if (!topic)
    return {error_code::unknown_topic_or_partition, "The topic '" + name + "' does not exist."};
  if (api_error bad = check_internal(*topic, configs, state.node.config); !bad.ok()) return bad;
  if (configs == topic->configs || state.validate_only) return {};
  alter_topic_command command{topic->id, std::move(configs)};
  if (apply_result applied = state.catalog.apply(command); !applied.ok()) return applied.problem;
  state.commands.push_back(std::move(command));
  return {};
}

api_error alter_node(const alteration& state, const std::string& name,
                     const std::vector<change>& changes) {
  if (!name.empty())
    if (api_error bad = check_node_name(name, state.node, ", but received "); !bad.ok()) return bad;
  if (changes.empty()) return {};
  std::vector<std::string> names;
  for (const auto& c : changes) names.push_back(c.name);
  return {error_code::invalid_request,
          "Cannot update these configs dynamically: " + joined(names, ",") +
              ". Set them in the node's file and start it again."};
}

api_error alter_one(alteration& state, int8_t type, const std::string& name,
                    const std::vector<change>& changes) {
  if (api_error bad = check_changes(changes); !bad.ok()) return bad;
  switch (static_cast<resource_type>(type)) {
    case resource_type::topic:
      return alter_topic(state, name, changes);
    case resource_type::broker:
      return alter_node(state, name, changes);
    case resource_type::broker_logger:
      return {error_code::invalid_request,
              "Loggers cannot be changed here: set the log level in the node's file."};
    case resource_type::client_metrics:
      return {error_code::invalid_request,
              "Client metrics subscriptions are not kept: this broker takes no client telemetry."};
    case resource_type::group:
      return {error_code::invalid_request,
              "Groups have no configuration of their own: set group.* in the node's file."};
  }
  return {error_code::invalid_request, "Unknown resource type " + std::to_string(type)};
}

std::vector<change> changes_of(const alter_configs_request::resource& r) {
  std::vector<change> out;
  for (const auto& c : r.configs) out.push_back({c.name, operation::set, c.value});
  return out;
}

std::vector<change> changes_of(const incremental_alter_configs_request::resource& r) {
  std::vector<change> out;
  for (const auto& c : r.configs)
    out.push_back({c.name, static_cast<operation>(c.config_operation), c.value});
  return out;
}

template <class Response, class Request>
admin_answer<Response> alter(const Request& request, const topic_catalog& catalog,
                             const node_facts& node, bool keeps_others) {
  admin_answer<Response> out;
  alteration state{catalog, node, keeps_others, request.validate_only, out.commands};
  std::map<std::pair<int8_t, std::string_view>, int> times;
  for (const auto& r : request.resources) ++times[{r.resource_type, r.resource_name}];
  for (const auto& r : request.resources) {
    typename Response::response result;
    result.resource_type = r.resource_type;
    result.resource_name = r.resource_name;
    if (times[{r.resource_type, r.resource_name}] > 1)
      set_error(result, {error_code::invalid_request, "Each resource must appear at most once."});
    else
      set_error(result, alter_one(state, r.resource_type, r.resource_name, changes_of(r)));
    out.response.responses.push_back(std::move(result));
  }
  return out;
}

template <class Response>
void fail(Response& response, const api_error& why) {
  for (auto& r : response.responses)
    if (r.error_code == error_code::none) set_error(r, why);
}

}  // namespace

admin_answer<alter_configs_response> answer_alter_configs(const alter_configs_request& request,
                                                          const topic_catalog& catalog,
                                                          const node_facts& node,
                                                          const request_facts&) {
  return alter<alter_configs_response>(request, catalog, node, false);
}

admin_answer<incremental_alter_configs_response> answer_incremental_alter_configs(
    const incremental_alter_configs_request& request, const topic_catalog& catalog,
    const node_facts& node, const request_facts&) {
  return alter<incremental_alter_configs_response>(request, catalog, node, true);
}

void fail_all(alter_configs_response& response, const api_error& why) {
  fail(response, why);
}

void fail_all(incremental_alter_configs_response& response, const api_error& why) {
  fail(response, why);
}

}  // namespace weir::kafka
