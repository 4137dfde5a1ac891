#include "runtime/flow/split_pool.hpp"

#include <algorithm>

#include "runtime/flow/split_list.hpp"

namespace weir {

void split_pool::discovered(discovery d) {
  discovered_ = true;
  bounded_ = d.bounded;
  side_by_side_ = d.bounded && d.side_by_side;
  for (auto& s : d.splits) {
    if (!known_.insert(s.id).second) continue;
    weight_total_ += s.weight;
    s.order = known_.size();
    unread_.push_back(std::move(s));
  }
}

void split_pool::request(uint32_t subtask) {
  readers_[subtask].waiting = true;
  readers_[subtask].reads = false;
}

bool split_pool::must_hold() const {
  // Splits of one ordered stream are handed out in order: none that is left is older than what any
  // task reads. With two streams this says nothing, since a task whose event time one of them has
  // moved may be handed the other next.
  if (unread_.empty()) return false;
  const auto& stream = unread_.front().ordered_by;
  return stream.empty() ||
         std::any_of(unread_.begin(), unread_.end(),
                     [&stream](const source_split& s) { return s.ordered_by != stream; }) ||
         std::any_of(readers_.begin(), readers_.end(),
                     [&stream](const reader& r) { return r.reads && r.stream != stream; });
}

std::vector<split_pool::assignment> split_pool::assign(const nearness& near) {
  std::vector<assignment> out;
  if (!discovered_) return out;
  // All that a task gets at once goes in one message: with the first of several splits alone, its
  // event time would run ahead of the others.
  auto give = [this, &out](uint32_t subtask) -> assignment& {
    auto it = std::find_if(out.begin(), out.end(),
                           [subtask](const assignment& a) { return a.subtask == subtask; });
    auto& a = it == out.end() ? out.emplace_back() : *it;
    a.subtask = subtask;
    if (!unread_.empty()) {
      readers_[subtask].reads = true;
      readers_[subtask].stream = unread_.front().ordered_by;
      readers_[subtask].given.push_back(unread_.front());
      a.splits.push_back(std::move(unread_.front()));
      unread_.pop_front();
      ++readers_[subtask].splits;
      readers_[subtask].told_nothing = false;
    }
    readers_[subtask].waiting = false;
    return a;
  };
  if (!bounded_ || side_by_side_) {
    if (near) {
      size_t all = unread_.size();
      for (const auto& r : readers_) all += r.splits;
      const size_t share = (all + readers_.size() - 1) / readers_.size();
      // Those that nobody is near to come behind: they take what is left of the shares.
      std::deque<source_split> elsewhere;
      while (!unread_.empty()) {
        std::optional<uint32_t> best;
        for (uint32_t i = 0; i < readers_.size(); ++i) {
          const auto& r = readers_[i];
          if (!r.lost && r.splits < share && near(i, unread_.front()) &&
              (!best || r.splits < readers_[*best].splits))
            best = i;
        }
        if (best) {
          give(*best);
        } else {
          elsewhere.push_back(std::move(unread_.front()));
          unread_.pop_front();
        }
      }
      unread_ = std::move(elsewhere);
    }
    while (!unread_.empty()) {
      auto least =
          std::min_element(readers_.begin(), readers_.end(), [](const reader& a, const reader& b) {
            return std::pair(a.lost, a.splits) < std::pair(b.lost, b.splits);
          });
      if (least->lost) break;  // all are
      give(static_cast<uint32_t>(least - readers_.begin()));
    }
  }
  if (bounded_) {
    for (auto& a : out) {
      a.last = unread_.empty();
      readers_[a.subtask].told_last = a.last;
    }
    for (uint32_t i = 0; i < readers_.size(); ++i)
      if (readers_[i].waiting && !readers_[i].told_last && !readers_[i].lost) {
        // With its last split a task learns that no other follows, which saves a round trip.
        auto& a = give(i);
        a.last = unread_.empty();
        readers_[i].told_last = a.last;
      }
  } else {
    for (uint32_t i = 0; i < readers_.size(); ++i)
      if (readers_[i].waiting && !readers_[i].told_nothing && !readers_[i].lost) {
        // It asked and there is none: its silence must not hold event time back. The request
        // stands.
        give(i);
        readers_[i].waiting = true;
        readers_[i].told_nothing = true;
      }
  }
  bool hold = must_hold();
  for (auto& a : out) a.hold = hold;
  return out;
}

std::optional<split_pool::assignment> split_pool::hand_again(uint32_t subtask,
                                                             std::vector<source_split> begun) {
  auto& r = readers_[subtask];
  r.lost = false;
  assignment a;
  a.subtask = subtask;
  a.splits = std::move(begun);
  // Both lists may have a split that was handed out behind the barrier; the task's has its
  // position.
  for (const auto& s : r.given)
    if (std::none_of(a.splits.begin(), a.splits.end(),
                     [&s](const source_split& x) { return x.id == s.id; }))
      a.splits.push_back(s);
  std::sort(a.splits.begin(), a.splits.end(),
            [](const source_split& x, const source_split& y) { return x.order < y.order; });
  r.reads = !a.splits.empty();
  if (r.reads) r.stream = a.splits.back().ordered_by;
  a.last = r.told_last;
  a.hold = must_hold();
  if (!r.reads && !a.last) return std::nullopt;
  r.waiting = false;  // what it may have asked before is answered
  return a;
}

void split_pool::reader_lost(uint32_t subtask) {
  auto& r = readers_[subtask];
  r.lost = true;
  r.waiting = r.told_nothing = false;
}

void split_pool::take_over(uint32_t subtask, const source_standing& s) {
  auto& r = readers_[subtask];
  r.waiting = s.waiting;
  r.told_last = s.told_last;
  r.reads = s.reads;
  r.stream = s.stream;
  r.splits = s.handed.size();
  r.given = s.given;
  r.newest_order = s.newest_order;
  std::set<std::string> taken(s.handed.begin(), s.handed.end());
  std::erase_if(unread_, [&taken](const source_split& x) { return taken.contains(x.id); });
  known_.merge(taken);
}

void split_pool::take_over_lost(uint32_t subtask, const std::vector<source_split>& begun) {
  reader_lost(subtask);
  readers_[subtask].splits = begun.size();
  for (const auto& s : begun) {
    known_.insert(s.id);
    std::erase_if(unread_, [&s](const source_split& x) { return x.id == s.id; });
  }
}

std::optional<std::vector<split_pool::assignment>> split_pool::settle(bool released) {
  std::vector<assignment> out;
  uint64_t newest = 0;
  bool any_lost = false, any_handed = false;
  for (const auto& r : readers_) {
    newest = std::max(newest, r.newest_order);
    any_lost |= r.lost;
    any_handed |= r.splits != 0;
  }
  // Splits that only the other coordinator knew: it cannot be told which of them were handed out.
  if (!discovered_ && any_handed) return std::nullopt;
  // While splits bound event time, all tasks hold it until the last split is handed out. One
  // ordered stream bounds nothing: it is handed out in its order.
  const bool holds = must_hold();
  auto was_handed = [&](const source_split& s) { return holds ? released : s.order < newest; };
  size_t waiting = 0;
  for (const auto& r : readers_) waiting += r.waiting && !r.lost;
  for (auto s = unread_.begin(); s != unread_.end();) {
    if (!was_handed(*s)) {
      ++s;
      continue;
    }
    reader* to = nullptr;
    for (auto& r : readers_) {
      if (any_lost ? !r.lost : !r.waiting || (holds ? waiting != 1 : r.newest_order > s->order))
        continue;
      if (!to || r.given.size() < to->given.size()) to = &r;
    }
    if (!to) return std::nullopt;
    to->given.push_back(*s);
    ++to->splits;
    if (!to->lost) {
      auto subtask = static_cast<uint32_t>(to - readers_.data());
      auto it = std::find_if(out.begin(), out.end(),
                             [subtask](const assignment& a) { return a.subtask == subtask; });
      auto& a = it == out.end() ? out.emplace_back() : *it;
      a.subtask = subtask;
      to->reads = true;
      to->stream = s->ordered_by;
      to->newest_order = std::max(to->newest_order, s->order);
      a.splits.push_back(std::move(*s));
    }
    s = unread_.erase(s);
  }
  for (auto& a : out) {
    auto& r = readers_[a.subtask];
    r.waiting = false;
    a.last = r.told_last = bounded_ && unread_.empty();
    a.hold = must_hold();
  }
  return out;
}

void split_pool::epoch_triggered() {
  for (auto& r : readers_) r.given_before_barrier = r.given.size();
}

void split_pool::epoch_complete() {
  for (auto& r : readers_)
    r.given.erase(r.given.begin(), r.given.begin() + static_cast<ptrdiff_t>(
                                                         std::exchange(r.given_before_barrier, 0)));
}

void split_pool::epoch_aborted() {
  for (auto& r : readers_) r.given_before_barrier = 0;
}

bool split_pool::released() {
  if (!held_ || !discovered_ || must_hold()) return false;
  held_ = false;
  return true;
}

std::string split_pool::encode() const {
  std::string out;
  put_text(out, !discovered_    ? "undiscovered"
                : !bounded_     ? "unbounded"
                : side_by_side_ ? "side by side"
                                : "bounded");
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
  p.side_by_side_ = bounded == "side by side";
  p.weight_total_ = std::strtoull(weight.c_str(), nullptr, 10);
  for (uint64_t n = std::strtoull(count.c_str(), nullptr, 10); n > 0; --n) {
    if (!get_text(text, id)) return damaged;
    p.known_.insert(id);
  }
  WEIR_ASSIGN(auto unread, decode_splits(text));
  // What was begun comes first: it is the older part of its stream. A split that was handed out
  // behind the trigger of the epoch is in both lists: the task's has its position.
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
