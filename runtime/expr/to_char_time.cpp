#include <array>
#include <cctype>
#include <cstdio>

#include "runtime/expr/datetime.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

constexpr const char* months[] = {"January",   "February", "March",    "April",
                                  "May",       "June",     "July",     "August",
                                  "September", "October",  "November", "December"};
constexpr const char* weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday"};

// Longest first where one starts another. Names in lower case match any case.
constexpr std::string_view patterns[] = {
    "HH24", "HH12", "HH",    "MI",  "SSSSS", "SSSS", "SS",  "MS", "US",    "FF1",  "FF2",
    "FF3",  "FF4",  "FF5",   "FF6", "A.M.",  "P.M.", "AM",  "PM", "Y,YYY", "YYYY", "YYY",
    "YY",   "Y",    "IYYY",  "IYY", "IDDD",  "IY",   "IW",  "ID", "I",     "BC",   "AD",
    "B.C.", "A.D.", "MONTH", "MON", "MM",    "DAY",  "DDD", "DD", "DY",    "D",    "WW",
    "W",    "CC",   "J",     "Q",   "TZH",   "TZM",  "TZ",  "OF", "RM"};

bool starts_with_any_case(std::string_view s, std::string_view p) {
  if (s.size() < p.size()) return false;
  for (size_t i = 0; i < p.size(); ++i)
    if (toupper(static_cast<unsigned char>(s[i])) != p[i]) return false;
  return true;
}
std::string_view pattern_at(std::string_view s) {
  for (auto p : patterns)
    if (starts_with_any_case(s, p)) return p;
  return {};
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
};
// The numeric patterns; width 0 means that `p` is none.
number number_of(std::string_view p, const moment& m) {
  int64_t hour = m.micros / micros_per_hour;
  int64_t fraction = m.micros % micros_per_second;
  int64_t year = m.date.year > 0 ? m.date.year : 1 - static_cast<int64_t>(m.date.year);
  int32_t iso_year = 0;
  int32_t week = iso_week(m.days, iso_year);
  int64_t day_of_year = m.days - days_from_civil(m.date.year, 1, 1) + 1;
  int64_t dow = ((static_cast<int64_t>(m.days) + 4) % 7 + 7) % 7;
  if (p == "HH24") return {hour, 2};
  if (p == "HH" || p == "HH12") return {hour % 12 == 0 ? 12 : hour % 12, 2};
  if (p == "MI") return {m.micros / micros_per_minute % 60, 2};
  if (p == "SS") return {m.micros / micros_per_second % 60, 2};
  if (p == "SSSS" || p == "SSSSS") return {m.micros / micros_per_second, 1};
  if (p == "MS") return {fraction / 1000, 3};
  if (p == "US") return {fraction, 6};
  if (p.substr(0, 2) == "FF") {
    int digits = p[2] - '0';
    for (int i = digits; i < 6; ++i) fraction /= 10;
    return {fraction, digits};
  }
  if (p == "YYYY") return {year, 4};
  if (p == "YYY") return {year % 1000, 3};
  if (p == "YY") return {year % 100, 2};
  if (p == "Y") return {year % 10, 1};
  if (p == "IYYY") return {iso_year, 4};
  if (p == "IYY") return {iso_year % 1000, 3};
  if (p == "IY") return {iso_year % 100, 2};
  if (p == "I") return {iso_year % 10, 1};
  if (p == "MM") return {m.date.month, 2};
  if (p == "DD") return {m.date.day, 2};
  if (p == "DDD") return {day_of_year, 3};
  if (p == "IDDD") return {(week - 1) * 7 + (dow == 0 ? 7 : dow), 3};
  if (p == "D") return {dow + 1, 1};
  if (p == "ID") return {dow == 0 ? 7 : dow, 1};
  if (p == "W") return {(m.date.day - 1) / 7 + 1, 1};
  if (p == "WW") return {(day_of_year - 1) / 7 + 1, 2};
  if (p == "IW") return {week, 2};
  if (p == "CC") return {(year + 99) / 100, 2};
  if (p == "J") return {m.days + INT64_C(2440588), 1};
  if (p == "Q") return {(m.date.month - 1) / 3 + 1, 1};
  return {};
}

std::string_view ordinal(int64_t v, bool upper) {
  int64_t tens = v / 10 % 10, last = v % 10;
  if (tens != 1 && last == 1) return upper ? "ST" : "st";
  if (tens != 1 && last == 2) return upper ? "ND" : "nd";
  if (tens != 1 && last == 3) return upper ? "RD" : "rd";
  return upper ? "TH" : "th";
}

error refuse(std::string_view p) {
  return {errc::unsupported, "pattern \"" + std::string(p) + "\" is not supported"};
}

// "FM" in front of the pattern: no padding.
bool take_fill_mode(std::string_view& s) {
  if (!starts_with_any_case(s, "FM")) return false;
  s.remove_prefix(2);
  return true;
}
// Text in double quotes, or one other character.
std::string take_literal(std::string_view& s) {
  std::string r;
  if (s[0] != '"') {
    r = s[0];
    s.remove_prefix(1);
    return r;
  }
  size_t i = 1;
  for (; i < s.size() && s[i] != '"'; ++i) {
    if (s[i] == '\\' && i + 1 < s.size()) ++i;
    r += s[i];
  }
  s.remove_prefix(std::min(s.size(), i + 1));
  return r;
}

}  // namespace

status format_time(std::string_view s, int64_t timestamp, std::string& out) {
  moment m = split(timestamp);
  while (!s.empty()) {
    bool bare = take_fill_mode(s);
    auto p = pattern_at(s);
    if (p.empty()) {
      if (!s.empty()) out += take_literal(s);
      continue;
    }
    auto written = s.substr(0, p.size());
    s.remove_prefix(p.size());
    bool afternoon = m.micros >= 12 * micros_per_hour;
    if (number n = number_of(p, m); n.width != 0) {
      char text[32];
      int length = std::snprintf(text, sizeof text, "%0*lld", bare ? 1 : n.width,
                                 static_cast<long long>(n.value));
      out.append(text, static_cast<size_t>(length));
      if (starts_with_any_case(s, "TH")) {
        out += ordinal(n.value, s[0] == 'T');
        s.remove_prefix(2);
      }
    } else if (p == "AM" || p == "PM") {
      out += named(afternoon ? "PM" : "AM", written.substr(0, 1));
    } else if (p == "A.M." || p == "P.M.") {
      out += named(afternoon ? "P.M." : "A.M.", written.substr(0, 1));
    } else if (p == "BC" || p == "AD") {
      out += named(m.date.year > 0 ? "AD" : "BC", written.substr(0, 1));
    } else if (p == "B.C." || p == "A.D.") {
      out += named(m.date.year > 0 ? "A.D." : "B.C.", written.substr(0, 1));
    } else if (p == "MONTH" || p == "MON") {
      std::string name = named(months[m.date.month - 1], written);
      if (p == "MON") name.resize(3);
      if (p == "MONTH" && !bare) name.resize(9, ' ');
      out += name;
    } else if (p == "DAY" || p == "DY") {
      std::string name = named(weekdays[((m.days % 7) + 11) % 7], written);
      if (p == "DY") name.resize(3);
      if (p == "DAY" && !bare) name.resize(9, ' ');
      out += name;
    } else if (p == "Y,YYY") {
      int64_t year = m.date.year > 0 ? m.date.year : 1 - static_cast<int64_t>(m.date.year);
      char text[32];
      std::snprintf(text, sizeof text, "%lld,%03lld", static_cast<long long>(year / 1000),
                    static_cast<long long>(year % 1000));
      out += text;
    } else {
      return refuse(p);
    }
  }
  return {};
}

int64_t grain_of(std::string_view s) {
  int64_t grain = micros_per_day;
  while (!s.empty()) {
    take_fill_mode(s);
    auto p = pattern_at(s);
    if (p.empty()) {
      if (!s.empty()) take_literal(s);
      continue;
    }
    s.remove_prefix(p.size());
    auto first = p.substr(0, 2);
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

namespace {

struct parsed_time {
  int64_t year = 1, month = 1, day = 1, hour = 0, minute = 0, micros = 0;
  int64_t day_of_year = 0;
  bool bc = false, half_day = false, afternoon = false;
  std::optional<int64_t> epoch_seconds, julian, seconds_of_day;
};

error mismatch(std::string_view text, std::string_view p) {
  return {errc::parse, "invalid value \"" + std::string(text.substr(0, 10)) + "\" for \"" +
                           std::string(p) + "\""};
}

// Digits of a pattern; all that follow when another pattern does not follow at once.
result<int64_t> take_digits(std::string_view& t, size_t width, std::string_view p) {
  while (!t.empty() && t[0] == ' ') t.remove_prefix(1);
  size_t n = 0;
  int64_t v = 0;
  while (n < t.size() && n < width && isdigit(static_cast<unsigned char>(t[n])))
    v = v * 10 + (t[n++] - '0');
  if (n == 0) return mismatch(t, p);
  t.remove_prefix(n);
  return v;
}

result<int64_t> take_name(std::string_view& t, const char* const* names, int64_t count,
                          bool abbreviated, std::string_view p) {
  for (int64_t i = 0; i < count; ++i) {
    std::string upper;
    for (char c : std::string_view(names[i])) upper += static_cast<char>(toupper(c));
    if (abbreviated) upper.resize(3);
    if (!starts_with_any_case(t, upper)) continue;
    t.remove_prefix(upper.size());
    return i;
  }
  return mismatch(t, p);
}

status take_field(std::string_view p, bool last_of_digits, std::string_view& t, parsed_time& r) {
  auto digits = [&](size_t width, int64_t& to) -> status {
    WEIR_ASSIGN(to, take_digits(t, last_of_digits ? 15 : width, p));
    return {};
  };
  auto fraction = [&](size_t width) -> status {
    size_t before = t.size();
    int64_t v = 0;
    WEIR_ASSIGN(v, take_digits(t, width, p));
    for (size_t n = before - t.size(); n < 6; ++n) v *= 10;
    r.micros = r.micros / micros_per_second * micros_per_second + v;
    return {};
  };
  if (p == "YYYY" || p == "IYYY") return digits(4, r.year);
  if (p == "YYY" || p == "YY" || p == "Y") {
    WEIR_TRY(digits(p.size(), r.year));
    if (r.year < 100) r.year += r.year < 70 ? 2000 : 1900;
    return {};
  }
  if (p == "MM") return digits(2, r.month);
  if (p == "DD") return digits(2, r.day);
  if (p == "DDD") return digits(3, r.day_of_year);
  if (p == "HH24") return digits(2, r.hour);
  if (p == "HH" || p == "HH12") {
    r.half_day = true;
    return digits(2, r.hour);
  }
  if (p == "MI") return digits(2, r.minute);
  if (p == "SS") {
    int64_t seconds = 0;
    WEIR_TRY(digits(2, seconds));
    if (seconds > 60) return mismatch(std::to_string(seconds), p);
    r.micros += seconds * micros_per_second;
    return {};
  }
  if (p == "SSSS" || p == "SSSSS") {
    int64_t seconds = 0;
    WEIR_TRY(digits(5, seconds));
    r.seconds_of_day = seconds;
    return {};
  }
  if (p == "J") {
    int64_t days = 0;
    WEIR_TRY(digits(7, days));
    r.julian = days;
    return {};
  }
  if (p == "MS") return fraction(3);
  if (p == "US") return fraction(6);
  if (p.substr(0, 2) == "FF") return fraction(static_cast<size_t>(p[2] - '0'));
  if (p == "MONTH" || p == "MON") {
    WEIR_ASSIGN(int64_t m, take_name(t, months, 12, p == "MON", p));
    r.month = m + 1;
    return {};
  }
  if (p == "DAY" || p == "DY") {
    WEIR_ASSIGN(int64_t d, take_name(t, weekdays, 7, p == "DY", p));
    (void)d;
    return {};
  }
  if (p == "AM" || p == "PM" || p == "A.M." || p == "P.M.") {
    if (t.size() < p.size()) return mismatch(t, p);
    r.afternoon = toupper(static_cast<unsigned char>(t[0])) == 'P';
    r.half_day = true;
    t.remove_prefix(p.size());
    return {};
  }
  if (p == "BC" || p == "AD") {
    if (t.size() < 2) return mismatch(t, p);
    r.bc = toupper(static_cast<unsigned char>(t[0])) == 'B';
    t.remove_prefix(2);
    return {};
  }
  return refuse(p);
}

}  // namespace

result<int64_t> parse_time(std::string_view t, std::string_view s) {
  std::string_view whole = t;
  parsed_time r;
  while (!s.empty()) {
    take_fill_mode(s);
    auto p = pattern_at(s);
    if (p.empty()) {
      if (s.empty()) break;
      std::string skipped = take_literal(s);
      bool separator = skipped.size() == 1 && !isalnum(static_cast<unsigned char>(skipped[0]));
      if (separator) {
        // A separator matches any separator, or none.
        if (!t.empty() && !isalnum(static_cast<unsigned char>(t[0])) && t[0] != '+')
          t.remove_prefix(1);
      } else {
        t.remove_prefix(std::min(t.size(), skipped.size()));
      }
      continue;
    }
    s.remove_prefix(p.size());
    if (starts_with_any_case(s, "TH")) s.remove_prefix(2);
    bool digit_follows = !pattern_at(s).empty() || starts_with_any_case(s, "FM");
    WEIR_TRY(take_field(p, !digit_follows, t, r));
  }
  if (r.half_day) {
    if (r.hour < 1 || r.hour > 12) return mismatch(std::to_string(r.hour), "HH12");
    r.hour = r.hour % 12 + (r.afternoon ? 12 : 0);
  }
  int64_t year = r.bc ? 1 - r.year : r.year;
  int64_t micros = r.hour * micros_per_hour + r.minute * micros_per_minute + r.micros;
  if (r.seconds_of_day) micros = *r.seconds_of_day * micros_per_second;
  bool good = year >= -4713 && year <= 294'276 && r.month >= 1 && r.month <= 12 && r.day >= 1 &&
              r.day <= days_in_month(static_cast<int32_t>(year), static_cast<uint32_t>(r.month)) &&
              r.hour < 24 && r.minute < 60 && r.day_of_year <= 366;
  std::optional<int64_t> v;
  if (good) v = join(year, r.month, r.day, micros);
  if (good && r.day_of_year > 0)
    v = join(year, 1, 1, (r.day_of_year - 1) * micros_per_day + micros);
  if (r.julian && *r.julian < 100'000'000)
    v = add((*r.julian - 2'440'588) * micros_per_day / 1, {0, 0, micros});
  if (v) return *v;
  return error(errc::overflow,
               "date/time field value out of range: \"" + std::string(whole) + "\"");
}

}  // namespace weir::expr
