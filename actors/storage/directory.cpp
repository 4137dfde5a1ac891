#include "actors/storage/directory.hpp"

namespace weir {

topic_directory::topic_directory() {
  shards_.fill(std::make_shared<const shard>());
}

partition_list topic_directory::partitions(const kafka::uuid& topic) const {
  const auto& s = *shards_[std::hash<kafka::uuid>{}(topic) % shard_count];
  auto it = s.find(topic);
  return it == s.end() ? nullptr : it->second;
}

partition_actor topic_directory::partition(const kafka::uuid& topic, int32_t number) const {
  auto list = partitions(topic);
  if (!list || number < 0 || static_cast<size_t>(number) >= list->size()) return {};
  return (*list)[static_cast<size_t>(number)];
}

partition_actor topic_directory::partition(std::string_view topic, int32_t number) const {
  auto t = catalog_.find(topic);
  return t ? partition(t->id, number) : partition_actor();
}

const node_entry* topic_directory::node(int32_t id) const {
  return kafka::find_node(*nodes_, id);
}

int32_t topic_directory::leader(std::string_view topic, int32_t number) const {
  auto t = catalog_.find(topic);
  if (!t || number < 0 || static_cast<size_t>(number) >= t->partitions.size()) return -1;
  return t->partitions[static_cast<size_t>(number)].leader;
}

void topic_directory::set_partitions(const kafka::uuid& topic, partition_list list) {
  auto& slot = shards_[std::hash<kafka::uuid>{}(topic) % shard_count];
  auto s = std::make_shared<shard>(*slot);
  if (list)
    (*s)[topic] = std::move(list);
  else
    s->erase(topic);
  slot = std::move(s);
}

}  // namespace weir
