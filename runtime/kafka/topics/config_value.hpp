// One configuration value: its type, what it may be, and its canonical text. Kafka's rules and
// error texts (clients print them, some suites match them). Pure functions; safe on any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir::kafka {

/// Types as DescribeConfigs numbers them on the wire.
enum class config_type : int8_t {
  unknown = 0,
  boolean = 1,
  string = 2,
  int32 = 3,
  int16 = 4,
  int64 = 5,
  float64 = 6,
  list = 7,
  class_name = 8,
  password = 9,
};

/// Where a value comes from, as DescribeConfigs and CreateTopics number it on the wire.
enum class config_source : int8_t {
  unknown = 0,
  topic = 1,
  dynamic_broker = 2,
  dynamic_default_broker = 3,
  static_broker = 4,
  default_value = 5,
};

/// Names to canonical values, ordered by name.
using config_map = std::map<std::string, std::string, std::less<>>;

/// Longest value that is taken: room for a list of throttled replicas of a large topic, and far
/// below what would make a topic's record slow to write.
constexpr size_t config_value_bytes_max = 32 * 1024;

/// What a value may be. `low` and `high` bound numbers; `allowed` bounds strings and list entries.
struct value_rule {
  enum class extra : uint8_t {
    none,
    gzip_level,          // 1 to 9, or -1
    throttled_replicas,  // '*' or PARTITION:BROKER,...
  };
  config_type type = config_type::string;
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
  std::span<const std::string_view> allowed = {};
  extra more = extra::none;
};

/// The canonical text of `value` (trimmed, "true", "0.5", "compact,delete"), or
/// errc::invalid_argument with Kafka's text, e.g. "Invalid value 0 for configuration segment.ms:
/// Value must be at least 1".
result<std::string> canonical_value(std::string_view name, const value_rule& rule,
                                    std::string_view value);

/// The entries of a list value; none for an empty text. Blanks around commas do not count.
std::vector<std::string> split_list(std::string_view value);

}  // namespace weir::kafka
