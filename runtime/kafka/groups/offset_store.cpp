#include "runtime/kafka/groups/offset_store.hpp"

#include <set>

#include "runtime/base/assert.hpp"

namespace weir::kafka::membership {

namespace {

void drop_one(std::map<offset_key, int>& counts, const offset_key& at) {
  const auto it = counts.find(at);
  weir_assert(it != counts.end(), "an offset change ends once");
  if (--it->second == 0) counts.erase(it);
}

}  // namespace

void offset_store::begin(const offset_change& c) {
  ++under_way_[c.at];
  if (c.producer_id >= 0) ++under_way_pending_[c.at];
}

void offset_store::settle(const offset_change& c) {
  drop_one(under_way_, c.at);
  if (c.producer_id >= 0) drop_one(under_way_pending_, c.at);
}

void offset_store::written(const offset_change& c) {
  settle(c);
  apply(c);
}

void offset_store::apply(const offset_change& c) {
  if (!c.value) {
    offsets_.erase(c.at);
    for (auto it = pending_.begin(); it != pending_.end();) {
      it->second.erase(c.at);
      it = it->second.empty() ? pending_.erase(it) : std::next(it);
    }
  } else if (c.producer_id >= 0) {
    pending_[c.producer_id][c.at] = *c.value;
  } else {
    offsets_[c.at] = *c.value;
  }
}

void offset_store::end_transaction(int64_t producer_id, bool commit) {
  const auto it = pending_.find(producer_id);
  if (it == pending_.end()) return;
  if (commit) {
    for (auto& [at, value] : it->second) {
      const stored_offset* existing = find(at);
      if (existing == nullptr || existing->order < value.order) offsets_[at] = std::move(value);
    }
  }
  pending_.erase(it);
}

const stored_offset* offset_store::find(const offset_key& at) const {
  const auto it = offsets_.find(at);
  return it == offsets_.end() ? nullptr : &it->second;
}

bool offset_store::unstable(const offset_key& at) const {
  if (under_way_pending_.count(at) != 0) return true;
  for (const auto& [producer, pending] : pending_)
    if (pending.count(at) != 0) return true;
  return false;
}

bool offset_store::empty() const {
  return offsets_.empty() && pending_.empty() && under_way_.empty();
}

std::vector<offset_key> offset_store::keys() const {
  std::set<offset_key> keys;
  for (const auto& [at, value] : offsets_) keys.insert(at);
  for (const auto& [at, n] : under_way_) keys.insert(at);
  for (const auto& [producer, pending] : pending_)
    for (const auto& [at, value] : pending) keys.insert(at);
  return {keys.begin(), keys.end()};
}

bool offset_store::known(const offset_key& at) const {
  if (offsets_.count(at) != 0 || under_way_.count(at) != 0) return true;
  return unstable(at);
}

}  // namespace weir::kafka::membership
