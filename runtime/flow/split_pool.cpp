#include "runtime/flow/split_pool.hpp"

#include <algorithm>

#include "runtime/flow/split_list.hpp"

namespace weir {

void split_pool::discovered(discovery d) {
  discovered_ = true;
  bounded_ = d.bounded;
  for (auto& s : d.splits) {
    if (!known_.insert(s.id).second) continue;
    weight_total_ += s.weight;
    s.order = known_.size();
    unread_.push_back(std::move(s));
  }
}

void split_pool::request(uint32_t subtask) {
  readers_[subtask].waiting = true;
}

bool split_pool::must_hold() const {
  // Splits of one ordered stream are handed out in order, so those of a stream that somebody has
  // begun cannot be older than what is being read; any other may hold rows of any age.
  return std::any_of(unread_.begin(), unread_.end(), [this](const source_split& s) {
    return s.ordered_by.empty() || !begun_groups_.contains(s.ordered_by);
  });
}

std::vector<split_pool::assignment> split_pool::assign() {
  std::vector<assignment> out;
  if (!discovered_) return out;
  auto give = [this, &out](uint32_t subtask) {
    assignment a;
    a.subtask = subtask;
    if (!unread_.empty()) {
      if (!unread_.front().ordered_by.empty()) begun_groups_.insert(unread_.front().ordered_by);
      a.splits.push_back(std::move(unread_.front()));
      unread_.pop_front();
      ++readers_[subtask].splits;
      readers_[subtask].told_nothing = false;
    }
    readers_[subtask].waiting = false;
    out.push_back(std::move(a));
  };
  if (bounded_) {
    for (uint32_t i = 0; i < readers_.size(); ++i)
      if (readers_[i].waiting && !readers_[i].told_last) {
        give(i);
        // With its last split a task learns that no other follows, which saves a round trip.
        out.back().last = unread_.empty();
        readers_[i].told_last = unread_.empty();
      }
  } else {
    for (uint32_t i = 0; i < readers_.size() && unread_.empty(); ++i)
      if (readers_[i].waiting && !readers_[i].told_nothing) {
        // It asked and there is none: its silence must not hold event time back. The request
        // stands.
        give(i);
        readers_[i].waiting = true;
        readers_[i].told_nothing = true;
      }
    while (!unread_.empty()) {
      auto least =
          std::min_element(readers_.begin(), readers_.end(),
                           [](const reader& a, const reader& b) { return a.splits < b.splits; });
      give(static_cast<uint32_t>(least - readers_.begin()));
    }
  }
  bool hold = must_hold();
  for (auto& a : out) a.hold = hold;
  return out;
}

bool split_pool::released() {
  if (!held_ || !discovered_ || must_hold()) return false;
  held_ = false;
  return true;
}

std::string split_pool::encode() const {
  std::string out;
  put_text(out, !discovered_ ? "undiscovered" : bounded_ ? "bounded" : "unbounded");
  put_text(out, std::to_string(weight_total_));
  put_text(out, std::to_string(known_.size()));
  for (const auto& id : known_) put_text(out, id);
  out += encode_splits({unread_.begin(), unread_.end()});
  return out;
}

result<split_pool> split_pool::decode(std::string_view text, std::vector<source_split> begun,
                                      uint32_t parallelism) {
  const error damaged{errc::corrupt, "the snapshot's list of known splits is damaged"};
  split_pool p(parallelism);
  std::string bounded, weight, count, id;
  if (!get_text(text, bounded) || !get_text(text, weight) || !get_text(text, count)) return damaged;
  p.discovered_ = bounded != "undiscovered";
  p.bounded_ = bounded != "unbounded";
  p.weight_total_ = std::strtoull(weight.c_str(), nullptr, 10);
  for (uint64_t n = std::strtoull(count.c_str(), nullptr, 10); n > 0; --n) {
    if (!get_text(text, id)) return damaged;
    p.known_.insert(id);
  }
  WEIR_ASSIGN(auto unread, decode_splits(text));
  // What was begun comes first: it is the older part of its stream. Nobody reads it yet, so it does
  // not count as begun again. A split that was handed out behind the trigger of the epoch is in
  // both lists: the task's has its position.
  std::sort(begun.begin(), begun.end(),
            [](const source_split& a, const source_split& b) { return a.order < b.order; });
  std::set<std::string> taken;
  for (auto& s : begun) {
    p.known_.insert(s.id);
    if (taken.insert(s.id).second) p.unread_.push_back(std::move(s));
  }
  for (auto& s : unread)
    if (!taken.contains(s.id)) p.unread_.push_back(std::move(s));
  return p;
}

}  // namespace weir
