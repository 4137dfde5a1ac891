#include "runtime/operators/session_index.hpp"

namespace weir {

uint32_t session_index::create(session x) {
  uint32_t s;
  if (free_.empty()) {
    s = static_cast<uint32_t>(sessions_.size());
    sessions_.push_back(x);
  } else {
    s = free_.back();
    free_.pop_back();
    sessions_[s] = x;
  }
  sessions_[s].next = first_[x.key];
  first_[x.key] = s;
  ends_[end_of(x)].push_back(s);
  return s;
}

void session_index::put(session x) {
  if (x.key >= first_.size())
    first_.resize(std::max<size_t>(x.key + 1, first_.size() * 2), session::none);
  const uint32_t s = create(x);
  if (x.now != session::phase::closed) return;
  ends_[end_of(x)].pop_back();
  if (ends_[end_of(x)].empty()) ends_.erase(end_of(x));
  ends_[end_of(x) + gap_].push_back(s);
}

void session_index::unlink(uint32_t s) {
  uint32_t* link = &first_[sessions_[s].key];
  while (*link != s) link = &sessions_[*link].next;
  *link = sessions_[s].next;
}

size_t session_index::memory_bytes() const noexcept {
  return sessions_.capacity() * (sizeof(session) + 16) +
         (free_.capacity() + first_.capacity()) * sizeof(uint32_t);
}

}  // namespace weir
