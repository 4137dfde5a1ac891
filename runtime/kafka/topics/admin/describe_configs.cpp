#include <algorithm>
#include <charconv>

#include "runtime/kafka/topics/admin/configs.hpp"
#include "runtime/kafka/topics/admin/resources.hpp"
#include "runtime/kafka/topics/topic_config.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::kafka {
namespace {

using wanted_resource = describe_configs_request::resource;
using described = describe_configs_response::result;
using config_entry = describe_configs_response::config;
using synonym_entry = describe_configs_response::synonym;

/// What of each entry the client wants to know.
struct detail {
  const wanted_resource& resource;
  bool synonyms;
  bool documentation;

  bool wants(std::string_view name) const {
    const auto& keys = resource.configuration_keys;
    return !keys || keys->empty() || std::find(keys->begin(), keys->end(), name) != keys->end();
  }
};

synonym_entry synonym_of(std::string_view name, std::string_view value, config_source source) {
  synonym_entry s;
  s.name = name;
  s.value = std::string(value);
  s.source = static_cast<int8_t>(source);
  return s;
}

// Node-level names of one setting: first what the node's file sets, then the defaults.
void add_node_synonyms(std::vector<synonym_entry>& out, std::span<const broker_synonym> names,
                       const broker_config& node) {
  for (const auto& s : names)
    if (!s.name.empty())
      if (const std::string* set = node.set_value(s.name))
        out.push_back(synonym_of(s.name, *set, config_source::static_broker));
  for (const auto& s : names)
    if (!s.name.empty() && s.default_value != nullptr)
      out.push_back(synonym_of(s.name, s.default_value, config_source::default_value));
}

void describe_topic(const topic_info& topic, const broker_config& node, const detail& want,
                    described& out) {
  for (const auto& d : topic_config_definitions()) {
    resolved_value v = resolve_topic_value(d, topic.configs, node);
    if (!want.wants(d.name) || (d.internal && v.source != config_source::topic)) continue;
    config_entry e;
    e.name = d.name;
    e.config_source = static_cast<int8_t>(v.source);
    e.config_type = static_cast<int8_t>(d.rule.type);
    if (want.synonyms) {
      if (v.source == config_source::topic)
        e.synonyms.push_back(synonym_of(d.name, v.value, config_source::topic));
      add_node_synonyms(e.synonyms, d.synonyms, node);
    }
    if (want.documentation) e.documentation = std::string(d.doc);
    e.value = std::move(v.value);
    out.configs.push_back(std::move(e));
  }
}

// All node-level names that mean the same as `d`, in their order of precedence.
std::vector<broker_synonym> same_setting(const broker_config_definition& d) {
  for (const auto& t : topic_config_definitions())
    for (const auto& s : t.synonyms)
      if (s.name == d.name) return {t.synonyms.begin(), t.synonyms.end()};
  return {{d.name, d.default_value}};
}

void describe_node(const broker_config& node, const detail& want, described& out) {
  for (const auto& d : broker_config_definitions()) {
    if (!want.wants(d.name)) continue;
    config_entry e;
    e.name = d.name;
    e.read_only = true;
    e.config_type = static_cast<int8_t>(d.rule.type);
    const std::string* set = node.set_value(d.name);
    if (set != nullptr)
      e.value = *set;
    else if (d.default_value != nullptr)
      e.value = d.default_value;
    std::vector<synonym_entry> synonyms;
    add_node_synonyms(synonyms, same_setting(d), node);
    e.config_source = static_cast<int8_t>(config_source::default_value);
    if (!synonyms.empty()) e.config_source = synonyms.front().source;
    if (want.synonyms) e.synonyms = std::move(synonyms);
    if (want.documentation) e.documentation = std::string(d.doc);
    out.configs.push_back(std::move(e));
  }
}

api_error describe_one(const detail& want, const topic_catalog& catalog, const node_facts& node,
                       described& out) {
  const std::string& name = want.resource.resource_name;
  switch (static_cast<resource_type>(want.resource.resource_type)) {
    case resource_type::topic: {
      if (std::string problem = topic_name_problem(name); !problem.empty())
        return {error_code::invalid_topic_exception, std::move(problem)};
      topic_ptr topic = catalog.find(name);
      if (!topic) return {error_code::unknown_topic_or_partition, std::string(unknown_topic_text)};
      describe_topic(*topic, node.config, want, out);
      return {};
    }
    case resource_type::broker: {
      // No name means the cluster's dynamic defaults: there are none.
      if (name.empty()) return {};
      if (api_error bad = check_node_name(name, node, " or empty string, but received "); !bad.ok())
        return bad;
      describe_node(node.config, want, out);
      return {};
    }
    case resource_type::broker_logger:
      if (name.empty()) return {error_code::invalid_request, "Broker id must not be empty"};
      return check_node_name(name, node, " but received ");  // there are no loggers to list
    case resource_type::client_metrics:
      if (name.empty())
        return {error_code::invalid_request, "Client metrics subscription name must not be empty"};
      return {};  // there are no subscriptions
    case resource_type::group:
      if (name.empty()) return {error_code::invalid_request, "Group name must not be empty"};
      return {};  // groups have no configuration of their own
  }
  return {error_code::invalid_request,
          "Unsupported resource type: " + std::to_string(want.resource.resource_type)};
}

}  // namespace

api_error check_node_name(std::string_view name, const node_facts& node, std::string_view middle) {
  int32_t id = 0;
  auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (problem != std::errc() || end != name.data() + name.size())
    return {error_code::invalid_request,
            "Node id must be an integer, but it is: " + std::string(name)};
  if (id == node.node_id) return {};
  return {error_code::invalid_request, "Unexpected broker id, expected " +
                                           std::to_string(node.node_id) + std::string(middle) +
                                           std::string(name)};
}

describe_configs_response answer_describe_configs(const describe_configs_request& request,
                                                  const topic_catalog& catalog,
                                                  const node_facts& node,
                                                  const request_facts& facts) {
  describe_configs_response response;
  for (const auto& r : request.resources) {
    described result;
    result.resource_type = r.resource_type;
    result.resource_name = r.resource_name;
    const detail want{r, request.include_synonyms,
                      request.include_documentation && facts.version >= 3};
    api_error problem = describe_one(want, catalog, node, result);
    if (!problem.ok()) result.configs.clear();
    set_error(result, problem);
    response.results.push_back(std::move(result));
  }
  return response;
}

list_config_resources_response answer_list_config_resources(
    const list_config_resources_request& request, const topic_catalog& catalog,
    const node_facts& node, const request_facts& facts) {
  list_config_resources_response response;
  constexpr resource_type all[] = {resource_type::topic, resource_type::broker,
                                   resource_type::broker_logger, resource_type::client_metrics,
                                   resource_type::group};
  std::vector<int8_t> types = request.resource_types;
  // Version 0 lists client metrics only, and there are no subscriptions.
  if (types.empty() && facts.version > 0)
    for (resource_type t : all) types.push_back(static_cast<int8_t>(t));
  auto add = [&response](std::string name, int8_t type) {
    response.config_resources.push_back({std::move(name), type});
  };
  for (int8_t type : types) {
    switch (static_cast<resource_type>(type)) {
      case resource_type::topic:
        for (const auto& t : catalog.sorted()) add(t->name, type);
        break;
      case resource_type::broker:
      case resource_type::broker_logger:
        add(std::to_string(node.node_id), type);
        break;
      case resource_type::client_metrics:
      case resource_type::group:
        break;  // none has a configuration of its own
      default:
        response.config_resources.clear();
        response.error_code = error_code::unsupported_version;
        return response;
    }
  }
  return response;
}

}  // namespace weir::kafka
