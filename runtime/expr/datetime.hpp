// Dates, timestamps (microseconds since 1970, UTC) and intervals as PostgreSQL computes with them.
// Pure functions; nothing on overflow.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/column/calendar.hpp"
#include "runtime/column/scalar.hpp"

namespace weir::expr {

/// Fields of EXTRACT and units of date_trunc.
enum class time_field : uint8_t {
  unknown,
  century,
  day,
  decade,
  dow,
  doy,
  epoch,
  hour,
  isodow,
  isoyear,
  julian,
  microseconds,
  millennium,
  milliseconds,
  minute,
  month,
  quarter,
  second,
  timezone,
  week,
  year,
};
/// By PostgreSQL's names and abbreviations, in any case.
time_field field_named(std::string_view name);

/// A timestamp taken apart. Year 0 is 1 BC.
struct moment {
  int32_t days = 0;
  civil_date date;
  int64_t micros = 0;  // of the day
};
moment split(int64_t us);
std::optional<int64_t> join(int64_t year, int64_t month, int64_t day, int64_t micros_of_day);

/// The value times 10^6; nothing when the type has no such field.
std::optional<int128> field_of(time_field, int64_t timestamp);
std::optional<int128> field_of_date(time_field, int32_t days);
std::optional<int128> field_of(time_field, const interval_value&);
/// ISO week and the year it belongs to.
int32_t iso_week(int32_t days, int32_t& iso_year);

std::optional<int64_t> truncate(time_field, int64_t timestamp);
std::optional<interval_value> truncate(time_field, const interval_value&);

std::optional<int64_t> add(int64_t timestamp, const interval_value&);
std::optional<interval_value> negate(const interval_value&);
std::optional<interval_value> add(const interval_value&, const interval_value&);
/// v * factor, or v / factor.
std::optional<interval_value> multiply(const interval_value&, double factor, bool divide = false);
/// a - b in days and time.
interval_value difference(int64_t a, int64_t b);
/// a - b in years, months, days and time.
interval_value age(int64_t a, int64_t b);
std::optional<interval_value> justify_hours(interval_value);
std::optional<interval_value> justify_days(interval_value);
std::optional<interval_value> justify_interval(interval_value);

/// PostgreSQL's range from 4713 BC on, as far as int64 microseconds reach.
inline constexpr int64_t timestamp_min = -210'866'803'200'000'000;

}  // namespace weir::expr
