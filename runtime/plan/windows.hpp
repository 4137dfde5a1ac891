// Slices of event-time windows (Krishnamurthy, Wu and Franklin, "On-the-fly sharing for streamed
// aggregation", SIGMOD 2006): the pieces of time that lie in the same windows. A row is added to
// one slice; a window's result is made of its slices. Slices are named by their ends. Pure
// arithmetic in microseconds; times within +-window_time_max, sizes up to window_size_max, so that
// nothing overflows.
#pragma once

#include <algorithm>
#include <numeric>

#include "runtime/plan/plan.hpp"

namespace weir {

/// 2^62 us are 146,000 years; rows beyond (infinity) have no window.
inline constexpr timestamp_us window_time_max = timestamp_us{1} << 62;
inline constexpr int64_t window_size_max = int64_t{1} << 60;
/// Windows of one row where each needs a row of its own, and slices of one window: what is beyond
/// is a mistake in the units.
inline constexpr int64_t windows_per_row_max = 10'000;
inline constexpr int64_t slices_per_window_max = 1'000'000;

/// The largest multiple of `step` up to t.
constexpr timestamp_us floor_to(timestamp_us t, int64_t step) noexcept {
  const int64_t rest = t % step;
  return t - (rest < 0 ? rest + step : rest);
}

constexpr int64_t slice_width(const window_shape& s) noexcept {
  switch (s.kind) {
    case window_kind::hop:
      return std::gcd(s.size_us, s.step_us);
    case window_kind::cumulate:
      return s.step_us;
    case window_kind::tumble:
    case window_kind::session:
      break;
  }
  return s.size_us;
}
constexpr timestamp_us slice_end(const window_shape& s, timestamp_us t) noexcept {
  const int64_t width = slice_width(s);
  return floor_to(t, width) + width;
}
/// Whether windows leave out some times (a hop longer than its windows).
constexpr bool has_holes(const window_shape& s) noexcept {
  return s.kind == window_kind::hop && s.step_us > s.size_us;
}

/// Ends of the first and of the last window that a slice is in. Of a slice in no window the last
/// one ends before it.
constexpr timestamp_us first_window_end(const window_shape& s, timestamp_us slice) noexcept {
  if (s.kind != window_kind::hop) return slice;
  return floor_to(slice - 1 - s.size_us, s.step_us) + s.step_us + s.size_us;
}
constexpr timestamp_us last_window_end(const window_shape& s, timestamp_us slice) noexcept {
  switch (s.kind) {
    case window_kind::hop:
      return floor_to(slice - slice_width(s), s.step_us) + s.size_us;
    case window_kind::cumulate:
      return floor_to(slice - 1, s.size_us) + s.size_us;
    case window_kind::tumble:
    case window_kind::session:
      break;
  }
  return slice;
}
/// The window that follows one in order of ends.
constexpr timestamp_us next_window_end(const window_shape& s, timestamp_us end) noexcept {
  return end + (s.kind == window_kind::tumble ? s.size_us : s.step_us);
}
constexpr timestamp_us window_start(const window_shape& s, timestamp_us end) noexcept {
  return s.kind == window_kind::cumulate ? floor_to(end - 1, s.size_us) : end - s.size_us;
}
/// The last window end that watermark t has passed; watermark_none when t is that.
constexpr timestamp_us closed_window_end(const window_shape& s, timestamp_us t) noexcept {
  if (t == watermark_none) return watermark_none;
  constexpr timestamp_us bound = window_time_max + 2 * window_size_max;  // no window ends beyond
  t = std::clamp(t, -bound, bound);
  switch (s.kind) {
    case window_kind::hop:
      return floor_to(t - s.size_us, s.step_us) + s.size_us;
    case window_kind::cumulate:
      return floor_to(t, s.step_us);
    case window_kind::tumble:
    case window_kind::session:
      break;
  }
  return floor_to(t, s.size_us);
}
/// How many windows a row is in at most.
constexpr int64_t windows_per_row(const window_shape& s) noexcept {
  switch (s.kind) {
    case window_kind::hop:
      return (s.size_us - 1) / s.step_us + 1;
    case window_kind::cumulate:
      return s.size_us / s.step_us;
    case window_kind::tumble:
    case window_kind::session:
      break;
  }
  return 1;
}

/// Nothing, or what is wrong with the sizes.
std::string problem_of(const window_shape&);

}  // namespace weir
