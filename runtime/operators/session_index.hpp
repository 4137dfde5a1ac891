// Sessions of keys in time: which rows belong together, and which sessions end when. A session is
// closed when the watermark has passed its end, last row + gap; it is remembered for one gap more,
// since a row that would have joined it is late. A row behind the watermark by more than the gap
// counts only if it falls into a session that is open. So what was given out is what the rows that
// were taken say, whatever their order. Derived from its owner's state; owned by one operator.
#pragma once

#include <absl/container/btree_map.h>

#include <span>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

struct session {
  static constexpr uint32_t none = UINT32_MAX;
  enum class phase : uint8_t { open, closed, gone };  // gone: part of another, or forgotten

  timestamp_us start = 0, last = 0;  // times of its first and last row
  int64_t id = 0;                    // of its state, unique within the key
  uint32_t key = none;               // its owner's number
  uint32_t row = none;               // its state row, when there is one
  uint32_t next = none;              // of the same key; gone: the session that it is part of
  phase now = phase::open;
};

class session_index {
 public:
  explicit session_index(int64_t gap_us) : gap_(gap_us) {}

  /// Puts rows from `first` to `last` (less than a gap apart from each other) of a key into their
  /// session; none: they are late at this watermark. Where sessions become one,
  /// join(into, from) is called while both are whole: `into` stays. A new session has no row.
  template <class Join>
  result<uint32_t> add(uint32_t key, timestamp_us first, timestamp_us last, timestamp_us watermark,
                       Join join);
  /// The session that a number from add() has come to be part of.
  uint32_t resolve(uint32_t s) const noexcept {
    while (sessions_[s].now == session::phase::gone) s = sessions_[s].next;
    return s;
  }
  session& at(uint32_t s) noexcept { return sessions_[s]; }
  /// One that was restored.
  void put(session s);

  /// Calls close(session number) for the sessions that end up to t, earliest end first, at most
  /// `max` of them, and forget(session) for closed ones whose time is over; whether there may be
  /// more. A session stays valid until its forget() returned.
  template <class Close, class Forget>
  bool pass(timestamp_us t, size_t max, Close close, Forget forget);
  /// Whether a key has no sessions.
  bool empty(uint32_t key) const noexcept {
    return key >= first_.size() || first_[key] == session::none;
  }
  timestamp_us end_of(const session& s) const noexcept { return s.last + gap_; }
  size_t memory_bytes() const noexcept;

 private:
  bool joins(const session& s, timestamp_us first, timestamp_us last) const noexcept {
    return first < s.last + gap_ && s.start < last + gap_;
  }
  uint32_t create(session);
  void unlink(uint32_t s);

  int64_t gap_;
  std::vector<session> sessions_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> first_;  // by key
  /// Sessions by an end that they had: a place in line that is looked at again when it is reached.
  absl::btree_map<timestamp_us, std::vector<uint32_t>> ends_;
};

template <class Join>
result<uint32_t> session_index::add(uint32_t key, timestamp_us first, timestamp_us last,
                                    timestamp_us watermark, Join join) {
  if (key >= first_.size())
    first_.resize(std::max<size_t>(key + 1, first_.size() * 2), session::none);
  const bool behind = watermark != watermark_none && last + gap_ <= watermark;
  uint32_t mine = session::none;
  bool inside = false;
  for (uint32_t s = first_[key]; s != session::none; s = sessions_[s].next) {
    const auto& x = sessions_[s];
    if (!joins(x, first, last)) continue;
    if (x.now == session::phase::closed) return session::none;
    mine = s;
    inside |= first >= x.start;
  }
  if (behind && !inside) return session::none;
  if (mine == session::none)
    return create({first, last, first, key, session::none, session::none, session::phase::open});
  std::vector<uint32_t> others;  // mostly none
  for (uint32_t s = first_[key]; s != session::none; s = sessions_[s].next)
    if (s != mine && joins(sessions_[s], first, last)) others.push_back(s);
  for (uint32_t s : others) {
    // The one that has state stays; of two the older, so that first and last stay in order.
    auto stays = [this](const session& a, const session& b) {
      if ((a.row == session::none) != (b.row == session::none)) return a.row != session::none;
      return a.start <= b.start;
    };
    uint32_t into = mine, from = s;
    if (!stays(sessions_[into], sessions_[from])) std::swap(into, from);
    WEIR_TRY(join(sessions_[into], sessions_[from]));
    auto& x = sessions_[into];
    x.start = std::min(x.start, sessions_[from].start);
    x.last = std::max(x.last, sessions_[from].last);
    unlink(from);
    sessions_[from].now = session::phase::gone;
    sessions_[from].next = into;
    mine = into;
  }
  auto& x = sessions_[mine];
  x.start = std::min(x.start, first);
  x.last = std::max(x.last, last);
  return mine;
}

template <class Close, class Forget>
bool session_index::pass(timestamp_us t, size_t max, Close close, Forget forget) {
  while (!ends_.empty() && ends_.begin()->first <= t) {
    const auto place = ends_.begin()->first;
    auto line = std::move(ends_.begin()->second);
    ends_.erase(ends_.begin());
    for (; !line.empty(); line.pop_back()) {
      const uint32_t s = line.back();
      auto& x = sessions_[s];
      if (x.now == session::phase::open) {
        if (end_of(x) > place) {
          ends_[end_of(x)].push_back(s);
          continue;
        }
        if (max-- == 0) {
          ends_[place] = std::move(line);
          return true;
        }
        close(s);
        x.now = session::phase::closed;
        ends_[end_of(x) + gap_].push_back(s);
        continue;
      }
      if (x.now == session::phase::closed) {
        unlink(s);
        forget(s);
      }
      free_.push_back(s);
    }
  }
  return false;
}

}  // namespace weir
