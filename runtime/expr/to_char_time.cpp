#include <cctype>
#include <cstdio>

#include "runtime/expr/datetime.hpp"
#include "runtime/expr/time_template.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

/// A timestamp or an interval taken apart. An interval has no `days`, and its fields may be below
/// zero.
struct fields_of_time {
  int64_t year = 0;  // of a timestamp, 0 is 1 BC
  int64_t month = 0, day = 0, day_of_year = 0;
  int64_t micros = 0;  // of the day
  int32_t days = 0;
  bool interval = false;

  int64_t hour() const { return micros / micros_per_hour; }
  int64_t minute() const { return micros / micros_per_minute % 60; }
  int64_t second() const { return micros / micros_per_second % 60; }
  int64_t fraction() const { return micros % micros_per_second; }
  int64_t weekday() const { return ((static_cast<int64_t>(days) + 4) % 7 + 7) % 7; }
  bool afternoon() const { return hour() % 24 >= 12; }
  /// As people count: there is no year 0.
  int64_t shown_year() const { return interval || year > 0 ? year : 1 - year; }
};

fields_of_time fields_of(int64_t timestamp) {
  const auto m = split(timestamp);
  fields_of_time t;
  t.year = m.date.year;
  t.month = m.date.month;
  t.day = m.date.day;
  t.day_of_year = m.days - days_from_civil(m.date.year, 1, 1) + 1;
  t.micros = m.micros;
  t.days = m.days;
  return t;
}
fields_of_time fields_of(const interval_value& v) {
  fields_of_time t;
  t.interval = true;
  t.year = v.months / 12;
  t.month = v.months % 12;
  t.day = v.days;
  t.day_of_year = static_cast<int64_t>(v.months) * 30 + v.days;
  t.micros = v.micros;
  return t;
}

enum class letters { upper, title, lower };
letters style_of(std::string_view written) {
  if (islower(static_cast<unsigned char>(written[0]))) return letters::lower;
  return written.size() > 1 && islower(static_cast<unsigned char>(written[1])) ? letters::title
                                                                               : letters::upper;
}
std::string named(std::string_view name, std::string_view written) {
  std::string r(name);
  auto style = style_of(written);
  for (auto& c : r) {
    if (style == letters::upper) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
    if (style == letters::lower) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  }
  return r;
}

struct number {
  int64_t value = 0;
  int width = 0;
  bool always = false;  // FM leaves the zeros there
};
int64_t century_of(const fields_of_time& t) {
  if (t.interval) return t.year / 100;
  return t.year > 0 ? (t.year - 1) / 100 + 1 : t.year / 100 - 1;
}
number iso_number_of(std::string_view p, const fields_of_time& t) {
  int32_t of_week = 0;
  const int64_t week = iso_week(t.days, of_week);
  const int64_t year = of_week > 0 ? of_week : 1 - static_cast<int64_t>(of_week);
  const int64_t day = t.weekday() == 0 ? 7 : t.weekday();
  if (p == "IYYY") return {year, 4};
  if (p == "IYY") return {year % 1000, 3};
  if (p == "IY") return {year % 100, 2};
  if (p == "I") return {year % 10, 1};
  if (p == "IW") return {week, 2};
  if (p == "IDDD") return {(week - 1) * 7 + day, 3};
  return {day, 1};
}
// The numeric patterns; width 0 means that `p` is none.
number number_of(const time_pattern& pattern, const fields_of_time& t) {
  const auto p = pattern.name;
  if (pattern.convention == date_convention::iso) return iso_number_of(p, t);
  int64_t fraction = t.fraction();
  if (p == "HH24") return {t.hour(), 2};
  if (p == "HH" || p == "HH12") return {t.hour() % 12 == 0 ? 12 : t.hour() % 12, 2};
  if (p == "MI") return {t.minute(), 2};
  if (p == "SS") return {t.second(), 2};
  if (p == "SSSS" || p == "SSSSS") return {t.micros / micros_per_second, 1};
  if (p == "MS") return {fraction / 1000, 3, true};
  if (p == "US") return {fraction, 6, true};
  if (p.starts_with("FF")) {
    int digits = p[2] - '0';
    for (int i = digits; i < 6; ++i) fraction /= 10;
    return {fraction, digits, true};
  }
  if (p == "YYYY") return {t.shown_year(), 4};
  if (p == "YYY") return {t.shown_year() % 1000, 3};
  if (p == "YY") return {t.shown_year() % 100, 2};
  if (p == "Y") return {t.shown_year() % 10, 1};
  if (p == "MM") return {t.month, 2};
  if (p == "DD") return {t.day, 2};
  if (p == "DDD") return {t.day_of_year, 3};
  if (p == "D") return {t.weekday() + 1, 1};
  if (p == "W") return {(t.day - 1) / 7 + 1, 1};
  if (p == "WW") return {(t.day_of_year - 1) / 7 + 1, 2};
  if (p == "CC") return {century_of(t), 2};
  if (p == "J") return {t.days + INT64_C(2440588), 1};
  if (p == "Q") return {(t.month - 1) / 3 + 1, 1};
  return {};
}

std::string_view ordinal(std::string_view digits, bool upper) {
  const char last = digits.back();
  const bool teens = digits.size() > 1 && digits[digits.size() - 2] == '1';
  if (!teens && last == '1') return upper ? "ST" : "st";
  if (!teens && last == '2') return upper ? "ND" : "nd";
  if (!teens && last == '3') return upper ? "RD" : "rd";
  return upper ? "TH" : "th";
}

void put_number(const time_part& part, const number& n, std::string& out) {
  char text[32];
  // A sign of an interval's field takes no place of a digit, but for days and weeks.
  const bool counts_sign = n.always || part.pattern->name[0] == 'D' || part.pattern->name == "WW";
  int width = part.bare && !n.always ? 1 : n.width + (n.value < 0 && !counts_sign);
  int length = std::snprintf(text, sizeof text, "%0*lld", width, static_cast<long long>(n.value));
  out.append(text, static_cast<size_t>(length));
  if (part.ordinal) out += ordinal(out, part.capitals);
}
void put_name(const time_part& part, std::string_view name, size_t width, std::string& out) {
  auto text = named(name, part.written);
  if (!part.bare && !part.name_only && text.size() < width) text.resize(width, ' ');
  out += text;
}
void put_roman_month(const time_part& part, const fields_of_time& t, std::string& out) {
  if (t.month == 0 && t.year == 0) return;
  // Months of an interval below zero count from the year's end.
  int64_t at = 12 - t.month;
  if (t.month == 0) at = t.year >= 0 ? 0 : 11;
  if (t.month < 0) at = -(t.month + 1);
  auto text = named(roman_months[at], part.written.substr(0, 1));
  if (!part.bare && text.size() < 4) text.resize(4, ' ');
  out += text;
}

void put(const time_part& part, const fields_of_time& t, std::string& out) {
  const auto p = part.pattern->name;
  const auto first = part.written.substr(0, 1);  // capitals or small letters
  if (p == "FX" || (p == "Q" && t.month == 0)) return;
  if (p == "AM" || p == "PM") {
    out += named(t.afternoon() ? "PM" : "AM", first);
  } else if (p == "A.M." || p == "P.M.") {
    out += named(t.afternoon() ? "P.M." : "A.M.", first);
  } else if (p == "BC" || p == "AD") {
    out += named(t.year > 0 ? "AD" : "BC", first);
  } else if (p == "B.C." || p == "A.D.") {
    out += named(t.year > 0 ? "A.D." : "B.C.", first);
  } else if (p == "MONTH") {
    put_name(part, months[t.month - 1], 9, out);
  } else if (p == "MON") {
    put_name(part, std::string_view(months[t.month - 1]).substr(0, 3), 0, out);
  } else if (p == "DAY") {
    put_name(part, weekdays[t.weekday()], 9, out);
  } else if (p == "DY") {
    put_name(part, std::string_view(weekdays[t.weekday()]).substr(0, 3), 0, out);
  } else if (p == "RM") {
    put_roman_month(part, t, out);
  } else if (p == "TZH" || p == "OF") {
    out += "+00";  // timestamps are in UTC
  } else if (p == "TZM") {
    out += "00";
  } else if (p == "Y,YYY") {
    const auto year = t.shown_year();
    char text[48];
    std::snprintf(text, sizeof text, "%lld,%03lld", static_cast<long long>(year / 1000),
                  static_cast<long long>(year % 1000));
    out += text;
    if (part.ordinal) out += ordinal(out, part.capitals);
  } else {
    put_number(part, number_of(*part.pattern, t), out);
  }
}

status format_fields(std::string_view text, const fields_of_time& t, std::string& out) {
  const auto use = t.interval ? template_use::show_interval : template_use::show_time;
  time_template parts(text);
  for (auto part = parts.next(); part.kind != time_part::kind_of::end; part = parts.next()) {
    if (!part.is_pattern()) {
      out += part.written;
      continue;
    }
    WEIR_TRY(check_pattern(part, use));
    put(part, t, out);
  }
  return {};
}

}  // namespace

status format_time(std::string_view pattern, int64_t timestamp, std::string& out) {
  return format_fields(pattern, fields_of(timestamp), out);
}
status format_interval(std::string_view pattern, const interval_value& v, std::string& out) {
  return format_fields(pattern, fields_of(v), out);
}

int64_t grain_of(std::string_view text) {
  int64_t grain = micros_per_day;
  time_template parts(text);
  for (auto part = parts.next(); part.kind != time_part::kind_of::end; part = parts.next()) {
    if (!part.is_pattern()) continue;
    const auto p = part.pattern->name;
    const auto first = p.substr(0, 2);
    if (first == "HH" || p == "AM" || p == "PM" || p == "A.M." || p == "P.M.")
      grain = std::min(grain, micros_per_hour);
    else if (p == "MI")
      grain = std::min(grain, micros_per_minute);
    else if (first == "SS")
      grain = std::min(grain, micros_per_second);
    else if (p == "MS" || p == "US" || first == "FF")
      grain = 1;
  }
  return grain;
}

}  // namespace weir::expr
