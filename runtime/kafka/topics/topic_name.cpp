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
  auto problem = [](std::string_view what) {
    return "Topic name is invalid: " + std::string(what);
  };
  const bool legal = std::all_of(name.begin(), name.end(), is_legal);
  if (legal && !name.empty() && name.size() <= topic_name_bytes_max && name != "." && name != "..")
    return {};
  if (name.empty()) return problem("the empty string is not allowed");
  const std::string quoted = "'" + std::string(name) + "'";
  if (name == "." || name == "..") return problem(quoted + " is not allowed");
  if (name.size() > topic_name_bytes_max)
    return problem("the length of " + quoted + " is longer than the max allowed length " +
                   std::to_string(topic_name_bytes_max));
  return problem(quoted +
                 " contains one or more characters other than ASCII alphanumerics, '.', '_' and "
                 "'-'");
}

bool is_internal_topic(std::string_view name) noexcept {
  return name == consumer_offsets_topic || name == transaction_state_topic;
}

}  // namespace weir::kafka
