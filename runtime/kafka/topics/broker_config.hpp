// The node-level configuration under Kafka's broker names: read-only values of a running node, made
// once from its file. They are the defaults of topics, the answers to DescribeConfigs BROKER, and
// what the catalog's commands consult. Immutable after make(); safe on any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/topics/config_value.hpp"

namespace weir::kafka {

struct broker_config_definition {
  std::string_view name;
  value_rule rule;
  const char* default_value = nullptr;  // null: unset
  std::string_view doc;
};

/// All of them, ordered by name: those that are defaults of topic configurations and those of the
/// node itself.
std::span<const broker_config_definition> broker_config_definitions();
const broker_config_definition* find_broker_config(std::string_view name);

class broker_config {
 public:
  /// Every default.
  broker_config() = default;
  /// `values` by broker names, e.g. {"log.retention.hours", "24"}. errc::unknown_name suggests the
  /// nearest name; errc::invalid_argument says what the value may be.
  static result<broker_config> make(const config_map& values);

  /// Null when the node's file does not set it.
  const std::string* set_value(std::string_view name) const noexcept;
  /// The set or default value; empty when there is neither. The name must exist.
  std::string_view text(std::string_view name) const;
  int64_t number(std::string_view name) const;
  bool flag(std::string_view name) const;

 private:
  config_map values_;  // canonical
};

}  // namespace weir::kafka
