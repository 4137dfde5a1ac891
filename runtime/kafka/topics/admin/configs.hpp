// Reading and changing configurations: DescribeConfigs 1-4, AlterConfigs 0-2,
// IncrementalAlterConfigs 0-1, ListConfigResources 0-1. A topic's configuration can be changed, a
// node's is read-only. Functions as described in admin.hpp. Results stand in the request's order.
#pragma once

#include "runtime/kafka/protocol/messages/configs.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"

namespace weir::kafka {

/// ConfigResource types on the wire.
enum class resource_type : int8_t {
  topic = 2,
  broker = 4,
  broker_logger = 8,
  client_metrics = 16,
  group = 32,
};

describe_configs_response answer_describe_configs(const describe_configs_request&,
                                                  const topic_catalog&, const node_facts&,
                                                  const request_facts&);
list_config_resources_response answer_list_config_resources(const list_config_resources_request&,
                                                            const topic_catalog&, const node_facts&,
                                                            const request_facts&);
admin_answer<alter_configs_response> answer_alter_configs(const alter_configs_request&,
                                                          const topic_catalog&, const node_facts&,
                                                          const request_facts&);
admin_answer<incremental_alter_configs_response> answer_incremental_alter_configs(
    const incremental_alter_configs_request&, const topic_catalog&, const node_facts&,
    const request_facts&);

/// See fail_all in topics.hpp.
void fail_all(alter_configs_response&, const api_error& why);
void fail_all(incremental_alter_configs_response&, const api_error& why);

}  // namespace weir::kafka
