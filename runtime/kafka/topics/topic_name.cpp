#include "runtime/kafka/topics/topic_name.hpp"

#include <algorithm>

namespace weir::kafka {
namespace {

bool is_legal(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

std::string topic_name_problem(std::string_view name) {
  const std::string start = "Topic name is invalid: ";
  if (name.empty()) return start + "the empty string is not allowed";
  if (name == "." || name == "..") return start + "'" + std::string(name) + "' is not allowed";
  if (name.size() > topic_name_bytes_max)
    return start + "the length of '" + std::string(name) +
           "' is longer than the max allowed length " + std::to_string(topic_name_bytes_max);
  if (!std::all_of(name.begin(), name.end(), is_legal))
    return start + "'" + std::string(name) +
           "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
  return {};
}

bool is_internal_topic(std::string_view name) noexcept {
  return name == consumer_offsets_topic || name == transaction_state_topic;
}

std::string collision_key(std::string_view name) {
  std::string key(name);
  std::replace(key.begin(), key.end(), '.', '_');
  return key;
}

}  // namespace weir::kafka
