#include "runtime/kafka/groups/replay.hpp"

#include "runtime/kafka/groups/records.hpp"

namespace weir::kafka {

status group_replay::on_record(std::string_view key, const std::optional<std::string_view>& value,
                               int64_t producer_id) {
  auto id = group_of_key(key);
  if (!id && id.err().code == errc::unsupported) return {};  // not of a consumer group
  if (!id) return id.err();
  auto& g = groups_[*id];
  if (!g) g = std::make_unique<group>(*id, options_, topics_);
  if (producer_id >= 0) open_[producer_id].insert(*id);
  return g->restore(key, value, producer_id);
}

void group_replay::on_marker(int64_t producer_id, bool commit) {
  auto it = open_.find(producer_id);
  if (it == open_.end()) return;
  for (const auto& id : it->second) groups_[id]->restore_transaction_end(producer_id, commit);
  open_.erase(it);
}

}  // namespace weir::kafka
