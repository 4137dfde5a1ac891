#include "actors/gateway/request_memory.hpp"

namespace weir {

bool request_memory::take(size_t bytes) noexcept {
  const auto n = static_cast<int64_t>(bytes);
  auto left = left_.load();
  do {
    if (left < n && held_.load() > 0) return false;
  } while (!left_.compare_exchange_weak(left, left - n));
  held_.fetch_add(bytes);
  return true;
}

void request_memory::give(size_t bytes) noexcept {
  left_.fetch_add(static_cast<int64_t>(bytes));
  held_.fetch_sub(bytes);
  if (waiting_.load() && waiting_.exchange(false) && released_) released_();
}

}  // namespace weir
