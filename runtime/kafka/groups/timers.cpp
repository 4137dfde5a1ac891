#include "runtime/kafka/groups/timers.hpp"

#include <algorithm>

namespace weir::kafka::membership {

void timer_set::set(timer_kind kind, const std::string& who, int64_t at_ms) {
  const auto [it, fresh] = at_.try_emplace({kind, who}, at_ms);
  if (!fresh) {
    order_.erase({it->second, &it->first});
    it->second = at_ms;
  }
  order_.insert({at_ms, &it->first});
}

void timer_set::set_if_absent(timer_kind kind, const std::string& who, int64_t at_ms) {
  if (!has(kind, who)) set(kind, who, at_ms);
}

void timer_set::cancel(timer_kind kind, const std::string& who) {
  const auto it = at_.find({kind, who});
  if (it == at_.end()) return;
  order_.erase({it->second, &it->first});
  at_.erase(it);
}

void timer_set::cancel_all(timer_kind kind) {
  for (auto it = at_.lower_bound({kind, {}}); it != at_.end() && it->first.kind == kind;) {
    order_.erase({it->second, &it->first});
    it = at_.erase(it);
  }
}

std::optional<timer_set::key> timer_set::pop(int64_t now_ms) {
  if (order_.empty() || order_.begin()->first > now_ms) return std::nullopt;
  key due = *order_.begin()->second;
  cancel(due.kind, due.who);
  return due;
}

}  // namespace weir::kafka::membership
