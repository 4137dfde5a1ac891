#include "runtime/connectors/stream_lead.hpp"

#include <algorithm>
#include <map>

namespace weir {
namespace {

// A reader whose slowest companion has not moved for this long goes on without it: it may be
// waiting for what only we can give (credit, a restart).
constexpr timestamp_us stuck_us = 100'000;

struct streams {
  std::mutex m;
  std::map<std::string, std::weak_ptr<stream_lead>> by_name;
};
// The process's streams: readers of several tasks meet here by name.
streams& all_streams() {
  static streams s;
  return s;
}

}  // namespace

std::unique_ptr<stream_lead::member> stream_lead::join(const std::string& name, uint64_t limit) {
  auto& all = all_streams();
  std::lock_guard lock(all.m);
  std::erase_if(all.by_name, [](const auto& s) { return s.second.expired(); });
  auto& known = all.by_name[name];
  auto lead = known.lock();
  if (!lead) {
    lead = std::shared_ptr<stream_lead>(new stream_lead(limit));
    known = lead;
  }
  auto m = std::make_unique<member>();
  m->lead_ = lead;
  std::lock_guard members(lead->m_);
  lead->members_.push_back(m.get());
  return m;
}

stream_lead::member::~member() {
  std::lock_guard lock(lead_->m_);
  std::erase(lead_->members_, this);
}

void stream_lead::member::leave() {
  at_.store(UINT64_MAX, std::memory_order_relaxed);
}

bool stream_lead::member::may_read(uint64_t at, timestamp_us now) {
  at_.store(at, std::memory_order_relaxed);
  uint64_t slowest = at;
  {
    std::lock_guard lock(lead_->m_);
    for (const auto* m : lead_->members_)
      slowest = std::min(slowest, m->at_.load(std::memory_order_relaxed));
  }
  const bool moved = slowest != slowest_;
  slowest_ = slowest;
  if (at - slowest <= lead_->limit_) {
    waiting_since_ = 0;
    return true;
  }
  if (moved || waiting_since_ == 0 || now < waiting_since_) waiting_since_ = now;
  return now - waiting_since_ >= stuck_us;
}

}  // namespace weir
