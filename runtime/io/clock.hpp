// Time as the engine sees it. Operators never read it; processing-time timers and tasks do, through
// this interface, so that tests and simulations move it by hand.
#pragma once

#include "runtime/base/ids.hpp"

namespace weir {

class clock {
 public:
  virtual ~clock() = default;
  /// Wall-clock time.
  virtual timestamp_us now() const = 0;
  /// Nanoseconds from an arbitrary origin; never goes back.
  virtual int64_t monotonic_ns() const = 0;
};

/// The machine's clocks. Stateless; share one.
class system_clock final : public clock {
 public:
  timestamp_us now() const override;
  int64_t monotonic_ns() const override;
};

class manual_clock final : public clock {
 public:
  timestamp_us now() const override { return now_; }
  int64_t monotonic_ns() const override { return now_ * 1000; }
  void set(timestamp_us t) { now_ = t; }
  void advance(timestamp_us d) { now_ += d; }

 private:
  timestamp_us now_ = 0;
};

}  // namespace weir
