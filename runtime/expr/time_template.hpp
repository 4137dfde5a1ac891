// Templates of to_char(), to_timestamp() and to_date(), read part by part as PostgreSQL reads them
// (manual, 9.8): patterns with their modifiers, text in quotes, separators. Nothing is allocated.
#pragma once

#include <string_view>

#include "runtime/column/scalar.hpp"

namespace weir::expr {

enum class date_convention : uint8_t { none, gregorian, iso };

struct time_pattern {
  std::string_view name;  // in capitals
  bool digits = false;    // read as a number of so many digits when digits follow
  date_convention convention = date_convention::none;
};

struct time_part {
  enum class kind_of : uint8_t { end, pattern, separator, blank, text };
  kind_of kind = kind_of::end;
  const time_pattern* pattern = nullptr;
  std::string_view written;  // the pattern, or one character, as the template has it
  bool bare = false;         // FM: no padding
  bool name_only = false;    // TM: a name of the locale, which is never padded
  bool ordinal = false;      // TH or th stands behind it
  bool capitals = false;     // TH

  bool is_pattern() const { return kind == kind_of::pattern; }
};

class time_template {
 public:
  explicit time_template(std::string_view text) : rest_(text) {}
  /// The next part; kind `end` behind the last one.
  time_part next();

 private:
  time_part take_character(bool in_quotes);
  std::string_view rest_;
  bool quoted_ = false;
};

/// What a template is for; not all patterns make sense in each.
enum class template_use : uint8_t { show_time, show_interval, read };
/// An error that names the first pattern that cannot be used so.
status check_pattern(const time_part& part, template_use use);
/// The same for a whole template.
status check_time_template(std::string_view text, template_use use);

inline constexpr const char* months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
inline constexpr const char* weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                           "Thursday", "Friday", "Saturday"};
/// From December to January: none of them begins with one behind it.
inline constexpr const char* roman_months[] = {"XII", "XI", "X",  "IX",  "VIII", "VII",
                                               "VI",  "V",  "IV", "III", "II",   "I"};

}  // namespace weir::expr
