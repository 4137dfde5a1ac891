// to_char(), to_timestamp() and to_date() by PostgreSQL's template patterns (manual, 9.8). Pure
// functions. Not supported, and refused by name: the pattern TZ of times.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/column/scalar.hpp"

namespace weir::expr {

/// Appends the timestamp by the template.
status format_time(std::string_view pattern, int64_t timestamp, std::string& out);
/// Appends the interval; patterns of the calendar are refused.
status format_interval(std::string_view pattern, const interval_value&, std::string& out);
/// Microseconds of the finest part of a timestamp that the template shows, at most a day: within
/// such a step of time the text stays the same.
int64_t grain_of(std::string_view pattern);
/// The timestamp that the text holds by the template; `zones`: the zone that it has is applied.
result<int64_t> parse_time(std::string_view text, std::string_view pattern, bool zones);
/// Appends value / 10^scale by a template of digits.
status format_number(std::string_view pattern, int128 value, uint8_t scale, std::string& out);
/// The digits behind the point of a template of EEEE; nothing: the template is none.
std::optional<int> exponent_digits(std::string_view pattern);
/// Whether a template has RN.
bool is_roman(std::string_view pattern);
/// What format_number() would say of the template, whatever the number.
status check_number_template(std::string_view pattern);

}  // namespace weir::expr
