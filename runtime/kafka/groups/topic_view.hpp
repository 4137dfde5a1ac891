// What a group has to know of topics: names, ids and partition counts. The driver hands in an
// immutable view (an adapter over the topic catalog's snapshot) and a new one whenever topics
// change (group::on_topics_changed). Called on the group's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "runtime/kafka/protocol/types.hpp"

namespace weir::kafka {

struct topic_facts {
  std::string_view name;  // lives as long as the view
  uuid id;
  int32_t partitions = 0;
  bool internal = false;  // never matched by a regular expression
};

class topic_view {
 public:
  virtual ~topic_view() = default;
  virtual std::optional<topic_facts> find(std::string_view name) const = 0;
  virtual std::optional<topic_facts> find(const uuid& id) const = 0;
  virtual void for_each(const std::function<void(const topic_facts&)>& visit) const = 0;
};

}  // namespace weir::kafka
