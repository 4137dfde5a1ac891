#include "runtime/kafka/groups/regex_topics.hpp"

#include <re2/re2.h>

#include <algorithm>

namespace weir::kafka::membership {

namespace {

/// Patterns whose matches are kept; a group that goes through more starts over.
constexpr size_t cached_patterns_max = 256;

re2::RE2::Options quiet_options() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(regex_memory_max);
  return options;
}

}  // namespace

std::optional<std::string> regex_problem(const std::string& pattern) {
  if (pattern.size() > regex_bytes_max)
    return "it is longer than " + std::to_string(regex_bytes_max) + " bytes";
  const re2::RE2 re(pattern, quiet_options());
  if (re.ok()) return std::nullopt;
  return re.error();
}

const std::vector<uuid>& regex_topics::matches(const std::string& pattern,
                                               const topic_view& topics) {
  const auto it = found_.find(pattern);
  if (it != found_.end()) return it->second;
  if (found_.size() >= cached_patterns_max) found_.clear();
  auto& ids = found_[pattern];
  const re2::RE2 re(pattern, quiet_options());
  if (!re.ok()) return ids;
  topics.for_each([&](const topic_facts& t) {
    if (!t.internal && re2::RE2::FullMatch(re2::StringPiece(t.name.data(), t.name.size()), re))
      ids.push_back(t.id);
  });
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace weir::kafka::membership
