// How much a generator that is held to a rate may hand out by now, unit by unit and never in bursts
// of more than a second. One reader's; processing time is passed in.
#pragma once

#include <cstdint>

#include "runtime/base/ids.hpp"

namespace weir {

class rate_pacer {
 public:
  /// Units per second, above 0.
  explicit rate_pacer(double rate) : rate_(rate) {}
  /// Units that may be handed out now.
  uint64_t due(timestamp_us now);
  /// Units were handed out, or passed over.
  void pay(uint64_t units) { paid_ += units; }
  /// When `units` more are due; never sooner than a tick after `now`.
  timestamp_us due_at(uint64_t units, timestamp_us now) const;

 private:
  double rate_;
  bool started_ = false;
  timestamp_us origin_ = 0;
  uint64_t paid_ = 0;  // since origin_
};

}  // namespace weir
