// The proleptic Gregorian calendar on int32 days since 1970-01-01, exact over the whole range.
// Pure functions. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"; years
// begin in March, so that the leap day is the last of its year.
#pragma once

#include <cstdint>

namespace weir {

inline constexpr int64_t micros_per_second = 1'000'000;
inline constexpr int64_t micros_per_minute = 60 * micros_per_second;
inline constexpr int64_t micros_per_hour = 60 * micros_per_minute;
inline constexpr int64_t micros_per_day = 24 * micros_per_hour;

/// Year 0 is 1 BC, as in ISO 8601.
struct civil_date {
  int32_t year = 1970;
  uint32_t month = 1;  // 1 to 12
  uint32_t day = 1;    // 1 to 31
};

constexpr bool is_leap_year(int32_t y) noexcept {
  return (y & 3) == 0 && (y % 100 != 0 || y % 400 == 0);
}
constexpr uint32_t days_in_month(int32_t y, uint32_t m) noexcept {
  if (m == 2) return is_leap_year(y) ? 29 : 28;
  return 30 | ((m ^ (m >> 3)) & 1);
}
/// int64, because five-digit-million years overflow int32 days: callers check the range.
constexpr int64_t days_from_civil(int64_t y, uint32_t m, uint32_t d) noexcept {
  y -= m <= 2;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<uint32_t>(y - era * 400);
  const uint32_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  const uint32_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<int64_t>(doe) - 719468;
}
constexpr civil_date civil_from_days(int32_t days) noexcept {
  const int64_t z = static_cast<int64_t>(days) + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<uint32_t>(z - era * 146097);
  const uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const uint32_t mp = (5 * doy + 2) / 153;
  const uint32_t m = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<int32_t>(static_cast<int64_t>(yoe) + era * 400 + (m <= 2)), m,
          doy - (153 * mp + 2) / 5 + 1};
}
/// Days (rounded down) of a timestamp, and the microseconds of that day.
constexpr int64_t floor_div(int64_t a, int64_t b) noexcept {
  return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}
constexpr int32_t day_of(int64_t us) noexcept {
  return static_cast<int32_t>(floor_div(us, micros_per_day));
}

}  // namespace weir
