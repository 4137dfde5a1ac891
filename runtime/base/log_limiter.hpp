// Lines of a log that would come again and again: of each cause one in ten seconds, which says how
// many were left out. One thread; the caller has the clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace weir {

class log_limiter {
 public:
  static constexpr uint64_t interval_ms = 10'000;
  // Causes that are remembered: peers of a cluster and more. Beyond them the one that was told
  // longest ago is forgotten, and told again when it comes.
  static constexpr size_t causes_max = 1'000;

  /// The line to write, or nothing. `cause` is what stays the same while texts may differ, such as
  /// the name of a peer.
  std::optional<std::string> say(const std::string& cause, const std::string& text,
                                 uint64_t now_ms);

 private:
  struct told {
    uint64_t at_ms = 0;
    uint64_t left_out = 0;
  };
  std::map<std::string, told> causes_;
};

}  // namespace weir
