// Intervals of types that name fields or a precision: INTERVAL DAY TO HOUR, INTERVAL SECOND (3).
// Pure functions. Fields are bits as in PostgreSQL's datetime.h, which its type modifiers hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/column/types.hpp"

namespace weir {

inline constexpr int32_t interval_month = 1 << 1, interval_year = 1 << 2, interval_day = 1 << 3,
                         interval_hour = 1 << 10, interval_minute = 1 << 11,
                         interval_second = 1 << 12;
inline constexpr int32_t interval_all_fields = 0x7fff;
inline constexpr int32_t interval_digits_max = 6;  // of a second

/// As parse_interval(text): a number without a unit counts the last of the fields, and "a:b" of
/// MINUTE TO SECOND is minutes and seconds.
std::optional<interval_value> parse_interval(std::string_view text, int32_t fields) noexcept;

/// What such a type keeps of a value: units below the last field are cut off, microseconds rounded
/// to so many digits of a second (-1: all). AdjustIntervalForTypmod() of PostgreSQL's timestamp.c.
/// Nothing on overflow.
std::optional<interval_value> kept_fields(interval_value, int32_t fields, int32_t digits) noexcept;

}  // namespace weir
