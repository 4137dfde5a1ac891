// Small helpers of the state machine's parts. Internal to cluster/meta/state.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cluster/meta/state/command.hpp"
#include "cluster/meta/state/placement.hpp"

namespace weir::meta {

inline answer refuse(verdict code, std::string text) {
  return {code, std::move(text), 0, 0};
}
inline answer done(uint64_t number = 0, uint64_t second = 0) {
  return {verdict::ok, {}, number, second};
}

inline answer no_topic(const uuid& id) {
  return refuse(verdict::not_found, "there is no topic with the id " + id.to_string());
}

inline bool all_distinct(std::vector<node_id> v) {
  std::sort(v.begin(), v.end());
  return std::adjacent_find(v.begin(), v.end()) == v.end();
}

inline std::string name_of(node_id n) {
  return "node " + std::to_string(n.value);
}
/// Names collide if they differ only in these: metrics could not tell them apart.
inline std::string folded(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

}  // namespace weir::meta
