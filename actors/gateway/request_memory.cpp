#include "actors/gateway/request_memory.hpp"

#include <algorithm>

namespace weir {

bool request_memory::take(size_t bytes) noexcept {
  const auto n = static_cast<int64_t>(bytes);
  auto left = left_.load();
  do {
    if (left < n) return false;
  } while (!left_.compare_exchange_weak(left, left - n));
  held_.fetch_add(bytes);
  return true;
}

void request_memory::give(size_t bytes) noexcept {
  left_.fetch_add(static_cast<int64_t>(bytes));
  held_.fetch_sub(bytes);
  if (waiting_.load() && waiting_.exchange(false) && released_) released_();
}

bool request_frame::grow() noexcept {
  auto target = std::min(size_, std::max(grant_first, granted_ * 2));
  if (!memory_->take(target - granted_)) return false;
  granted_ = target;
  return true;
}

}  // namespace weir
