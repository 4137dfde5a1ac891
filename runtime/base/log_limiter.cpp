#include "runtime/base/log_limiter.hpp"

#include <algorithm>

namespace weir {

std::optional<std::string> log_limiter::say(const std::string& cause, const std::string& text,
                                            uint64_t now_ms) {
  auto it = causes_.find(cause);
  if (it != causes_.end() && now_ms < it->second.at_ms + interval_ms) {
    ++it->second.left_out;
    return std::nullopt;
  }
  if (it == causes_.end()) {
    if (causes_.size() >= causes_max)
      causes_.erase(std::min_element(causes_.begin(), causes_.end(), [](auto& a, auto& b) {
        return a.second.at_ms < b.second.at_ms;
      }));
    it = causes_.emplace(cause, told()).first;
  }
  const auto n = it->second.left_out;
  it->second = {now_ms, 0};
  if (n == 0) return text;
  return text + " (and " + std::to_string(n) + " more like it before this)";
}

}  // namespace weir
