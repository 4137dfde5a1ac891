// The nodes of a cluster, as clients and other nodes reach them. Values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir::kafka {

struct node_entry {
  int32_t id = -1;
  std::string name, rack;
  std::string host;  // that Kafka's clients are told
  int32_t port = 0;
  std::string peers;  // HOST:PORT of its listener for nodes
  std::string http;   // HOST:PORT
  bool alive = true;
  bool draining = false;
  friend bool operator==(const node_entry&, const node_entry&) = default;
};
/// By rising id.
using node_list = std::shared_ptr<const std::vector<node_entry>>;

inline const node_entry* find_node(const std::vector<node_entry>& nodes, int32_t id) {
  auto it = std::lower_bound(nodes.begin(), nodes.end(), id,
                             [](const node_entry& n, int32_t i) { return n.id < i; });
  return it != nodes.end() && it->id == id ? &*it : nullptr;
}

}  // namespace weir::kafka
