#include "runtime/kafka/groups/assignment.hpp"

#include <algorithm>
#include <iterator>

namespace weir::kafka::membership {

void normalize(assignment& a) {
  for (auto it = a.begin(); it != a.end();) {
    auto& partitions = it->second;
    std::sort(partitions.begin(), partitions.end());
    partitions.erase(std::unique(partitions.begin(), partitions.end()), partitions.end());
    it = partitions.empty() ? a.erase(it) : std::next(it);
  }
}

bool contains(const assignment& a, const uuid& topic, int32_t partition) {
  const auto it = a.find(topic);
  return it != a.end() && std::binary_search(it->second.begin(), it->second.end(), partition);
}

bool is_subset(const assignment& inner, const assignment& outer) {
  for (const auto& [topic, partitions] : inner) {
    const auto it = outer.find(topic);
    if (it == outer.end() ||
        !std::includes(it->second.begin(), it->second.end(), partitions.begin(), partitions.end()))
      return false;
  }
  return true;
}

bool intersects(const assignment& a, const assignment& b) {
  return !intersection(a, b).empty();
}

assignment intersection(const assignment& a, const assignment& b) {
  assignment out;
  for (const auto& [topic, partitions] : a) {
    const auto it = b.find(topic);
    if (it == b.end()) continue;
    std::vector<int32_t> both;
    std::set_intersection(partitions.begin(), partitions.end(), it->second.begin(),
                          it->second.end(), std::back_inserter(both));
    if (!both.empty()) out.emplace_hint(out.end(), topic, std::move(both));
  }
  return out;
}

assignment difference(const assignment& a, const assignment& b) {
  assignment out;
  for (const auto& [topic, partitions] : a) {
    const auto it = b.find(topic);
    if (it == b.end()) {
      out.emplace_hint(out.end(), topic, partitions);
      continue;
    }
    std::vector<int32_t> rest;
    std::set_difference(partitions.begin(), partitions.end(), it->second.begin(), it->second.end(),
                        std::back_inserter(rest));
    if (!rest.empty()) out.emplace_hint(out.end(), topic, std::move(rest));
  }
  return out;
}

assignment united(const assignment& a, const assignment& b) {
  assignment out = a;
  for (const auto& [topic, partitions] : b) {
    auto& all = out[topic];
    all.insert(all.end(), partitions.begin(), partitions.end());
  }
  normalize(out);
  return out;
}

size_t count_partitions(const assignment& a) {
  size_t n = 0;
  for (const auto& [topic, partitions] : a) n += partitions.size();
  return n;
}

}  // namespace weir::kafka::membership
