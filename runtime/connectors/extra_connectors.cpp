#include "runtime/connectors/extra_connectors.hpp"

#include <map>
#include <mutex>

namespace weir {
namespace {

struct registered {
  std::mutex m;
  std::map<std::string, extra_connector> connectors;
};
// One per process, as readers and sinks are made from names in plans.
registered& registry() {
  static registered r;
  return r;
}

}  // namespace

void add_extra_connector(const std::string& name, extra_connector c) {
  std::lock_guard lock(registry().m);
  registry().connectors[name] = std::move(c);
}

void remove_extra_connector(const std::string& name) {
  std::lock_guard lock(registry().m);
  registry().connectors.erase(name);
}

std::optional<extra_connector> find_extra_connector(const std::string& name) {
  std::lock_guard lock(registry().m);
  auto it = registry().connectors.find(name);
  if (it == registry().connectors.end()) return std::nullopt;
  return it->second;
}

}  // namespace weir
