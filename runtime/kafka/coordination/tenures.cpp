#include "runtime/kafka/coordination/tenures.hpp"

#include "runtime/base/assert.hpp"

namespace weir::kafka {

void tenures::end(std::map<int32_t, entry>::iterator at, changes& out) {
  out.ended.push_back({at->first, at->second.epoch});
  if (!at->second.loaded) --loading_;
  current_.erase(at);
}

tenures::changes tenures::update(const std::vector<leadership>& now) {
  changes out;
  const auto count = static_cast<int32_t>(now.size());
  for (auto it = current_.lower_bound(count); it != current_.end();) end(it++, out);
  for (int32_t p = 0; p < count; ++p) {
    const auto& l = now[static_cast<size_t>(p)];
    auto [seen, first] = newest_.try_emplace(p, l.epoch);
    if (!first && l.epoch < seen->second) continue;
    seen->second = l.epoch;
    auto it = current_.find(p);
    if (it != current_.end() && (!l.leads || it->second.epoch != l.epoch)) {
      weir_assert(it->second.epoch <= l.epoch, "epochs of a partition only rise");
      end(it, out);
      it = current_.end();
    }
    if (!l.leads || it != current_.end()) continue;
    current_.emplace(p, entry{l.epoch, false});
    ++loading_;
    out.begun.push_back({p, l.epoch});
  }
  return out;
}

tenures::changes tenures::reset() {
  changes out;
  while (!current_.empty()) end(current_.begin(), out);
  newest_.clear();
  return out;
}

bool tenures::loaded(const tenure& t) {
  auto it = current_.find(t.partition);
  if (it == current_.end() || it->second.epoch != t.epoch) return false;
  weir_assert(!it->second.loaded, "a tenure is loaded once");
  it->second.loaded = true;
  --loading_;
  return true;
}

bool tenures::lasts(const tenure& t) const {
  auto it = current_.find(t.partition);
  return it != current_.end() && it->second.epoch == t.epoch;
}

error_code tenures::check(int32_t partition) const {
  auto it = current_.find(partition);
  if (it == current_.end()) return error_code::not_coordinator;
  return it->second.loaded ? error_code::none : error_code::coordinator_load_in_progress;
}

std::optional<tenure> tenures::serving(int32_t partition) const {
  auto it = current_.find(partition);
  if (it == current_.end() || !it->second.loaded) return std::nullopt;
  return tenure{partition, it->second.epoch};
}

}  // namespace weir::kafka
