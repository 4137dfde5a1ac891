// PostgreSQL's interval text: its default output style, and the input forms that people write.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "runtime/column/calendar.hpp"
#include "runtime/column/digits.hpp"
#include "runtime/column/interval_fields.hpp"
#include "runtime/column/text.hpp"

namespace weir {
namespace {

// What one unit adds: months, days or microseconds.
struct unit {
  std::string_view name;
  int64_t months, days, micros;
};
constexpr unit units[] = {
    {"us", 0, 0, 1},
    {"usec", 0, 0, 1},
    {"microsecond", 0, 0, 1},
    {"ms", 0, 0, 1000},
    {"msec", 0, 0, 1000},
    {"millisecond", 0, 0, 1000},
    {"s", 0, 0, micros_per_second},
    {"sec", 0, 0, micros_per_second},
    {"second", 0, 0, micros_per_second},
    {"m", 0, 0, micros_per_minute},
    {"min", 0, 0, micros_per_minute},
    {"minute", 0, 0, micros_per_minute},
    {"h", 0, 0, micros_per_hour},
    {"hr", 0, 0, micros_per_hour},
    {"hour", 0, 0, micros_per_hour},
    {"d", 0, 1, 0},
    {"day", 0, 1, 0},
    {"w", 0, 7, 0},
    {"week", 0, 7, 0},
    {"mon", 1, 0, 0},
    {"month", 1, 0, 0},
    {"y", 12, 0, 0},
    {"yr", 12, 0, 0},
    {"year", 12, 0, 0},
    {"dec", 120, 0, 0},
    {"decade", 120, 0, 0},
    {"c", 1200, 0, 0},
    {"cent", 1200, 0, 0},
    {"century", 1200, 0, 0},
    {"centurie", 1200, 0, 0},
    {"mil", 12000, 0, 0},
    {"millennium", 12000, 0, 0},
};
constexpr int days_per_month = 30;  // where a fraction of a month has to become days

const unit* find_unit(std::string_view word) noexcept {
  char low[16];
  if (word.empty() || word.size() > sizeof low) return nullptr;
  for (size_t i = 0; i < word.size(); ++i)
    low[i] = word[i] >= 'A' && word[i] <= 'Z' ? static_cast<char>(word[i] + 32) : word[i];
  std::string_view w(low, word.size());
  for (const auto& u : units)
    if (u.name == w) return &u;
  if (w.size() > 1 && w.back() == 's') {
    w.remove_suffix(1);
    for (const auto& u : units)
      if (u.name == w) return &u;
  }
  return nullptr;
}

// Sums in int64 with overflow noted.
struct total {
  int64_t months = 0, days = 0, micros = 0;
  bool ok = true;
  void add(int64_t& to, int64_t a, int64_t b) noexcept {
    int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(to, product, &to))
      ok = false;
  }
  // (whole + fraction) units; `fraction` has the number's sign.
  void add_units(int64_t whole, double fraction, const unit& u) noexcept {
    add(months, whole, u.months);
    add(days, whole, u.days);
    add(micros, whole, u.micros);
    if (fraction == 0) return;
    double extra_days = fraction * static_cast<double>(u.days);
    if (u.months == 1) {
      extra_days += fraction * days_per_month;
    } else if (u.months > 1) {
      // Of a year and more PostgreSQL rounds the fraction to whole months.
      add(months, std::llround(fraction * static_cast<double>(u.months)), 1);
    }
    const double whole_days = std::trunc(extra_days);
    add(days, static_cast<int64_t>(whole_days), 1);
    add(micros,
        std::llround((extra_days - whole_days) * static_cast<double>(micros_per_day) +
                     fraction * static_cast<double>(u.micros)),
        1);
  }
};

struct scanner {
  const char* p;
  const char* end;
  bool done() const noexcept { return p == end; }
  char peek(ptrdiff_t i = 0) const noexcept { return end - p > i ? p[i] : '\0'; }
  void blanks() noexcept {
    while (!done() && (*p == ' ' || *p == '\t')) ++p;
  }
  // [sign]digits[.digits]; the fraction carries the sign.
  bool number(int64_t& whole, double& fraction, bool& negative, bool& has_digits) noexcept {
    negative = peek() == '-';
    if (negative || peek() == '+') ++p;
    const char* first = p;
    uint64_t v = 0;
    for (; !done() && *p >= '0' && *p <= '9'; ++p) {
      if (v > (INT64_MAX - 9) / 10) return false;
      v = v * 10 + static_cast<uint64_t>(*p - '0');
    }
    has_digits = p != first;
    whole = negative ? -static_cast<int64_t>(v) : static_cast<int64_t>(v);
    fraction = 0;
    if (peek() == '.') {
      const char* point = p++;
      while (!done() && *p >= '0' && *p <= '9') ++p;
      if (p - point > 1) {
        char text[34] = "0";
        const auto n = std::min<ptrdiff_t>(p - point, 32);
        std::memcpy(text + 1, point, static_cast<size_t>(n));
        fraction = parse_float64({text, static_cast<size_t>(n) + 1}).value_or(0);
        has_digits = true;
        if (negative) fraction = -fraction;
      }
    }
    return has_digits;
  }
  std::string_view word() noexcept {
    const char* first = p;
    while (!done() && ((*p | 32) >= 'a' && (*p | 32) <= 'z')) ++p;
    return {first, static_cast<size_t>(p - first)};
  }
};

constexpr unit hours{"", 0, 0, micros_per_hour};
constexpr unit minutes{"", 0, 0, micros_per_minute};
constexpr unit seconds{"", 0, 0, micros_per_second};
constexpr unit one_month{"", 1, 0, 0};
constexpr unit one_year{"", 12, 0, 0};
constexpr unit one_day{"", 0, 1, 0};

// The last of the fields: what a number without a unit counts.
const unit& last_of(int32_t fields) noexcept {
  constexpr auto known = interval_year | interval_month | interval_day | interval_hour |
                         interval_minute | interval_second;
  if (fields & ~known || fields & interval_second) return seconds;
  if (fields & interval_minute) return minutes;
  if (fields & interval_hour) return hours;
  if (fields & interval_day) return one_day;
  if (fields & interval_month) return one_month;
  return fields & interval_year ? one_year : seconds;
}

// The rest of H:MM[:SS[.f]] after the first number.
bool scan_clock(scanner& s, int64_t hour, bool negative, int32_t fields, total& t) noexcept {
  int64_t part[2] = {0, 0};
  double fraction = 0;
  bool sign = false, digits = false;
  int parts = 0;
  for (int i = 0; i < 2 && s.peek() == ':'; ++i) {
    ++parts;
    ++s.p;
    if (s.peek() == '-' || s.peek() == '+' || !s.number(part[i], fraction, sign, digits) ||
        part[i] > 59 + i)
      return false;
    if (fraction != 0) {
      if (i == 0) return false;
      break;
    }
  }
  if (parts == 1 && fields == (interval_minute | interval_second)) {
    t.add_units(hour, 0, minutes);
    t.add_units(negative ? -part[0] : part[0], 0, seconds);
    return true;
  }
  t.add_units(hour, 0, hours);
  t.add_units(negative ? -part[0] : part[0], 0, minutes);
  t.add_units(negative ? -part[1] : part[1], negative ? -fraction : fraction, seconds);
  return true;
}

// "P1Y2M3W4DT5H6M7.5S", after the P.
bool scan_iso(scanner& s, total& t) noexcept {
  bool time = false, any = false;
  while (!s.done()) {
    if (s.peek() == 'T' && !time) {
      time = true;
      ++s.p;
      continue;
    }
    int64_t whole = 0;
    double fraction = 0;
    bool negative = false, digits = false;
    if (!s.number(whole, fraction, negative, digits) || s.done()) return false;
    any = true;
    const char c = *s.p++;
    if (!time && c == 'Y')
      t.add_units(whole, fraction, one_year);
    else if (!time && c == 'M')
      t.add_units(whole, fraction, one_month);
    else if (!time && c == 'W')
      t.add_units(whole, fraction, *find_unit("week"));
    else if (!time && c == 'D')
      t.add_units(whole, fraction, one_day);
    else if (time && c == 'H')
      t.add_units(whole, fraction, hours);
    else if (time && c == 'M')
      t.add_units(whole, fraction, minutes);
    else if (time && c == 'S')
      t.add_units(whole, fraction, seconds);
    else
      return false;
  }
  return any;
}

// Number with what follows it: a clock, "Y-M", a unit, or nothing (the last field, or days before
// a clock).
bool scan_item(scanner& s, int32_t fields, total& t) noexcept {
  int64_t whole = 0;
  double fraction = 0;
  bool negative = false, digits = false;
  if (!s.number(whole, fraction, negative, digits)) return false;
  if (s.peek() == ':' && fraction == 0) return scan_clock(s, whole, negative, fields, t);
  if (s.peek() == '-' && fraction == 0) {
    ++s.p;
    int64_t month = 0;
    bool sign = false;
    if (s.peek() == '-' || s.peek() == '+' || !s.number(month, fraction, sign, digits) ||
        fraction != 0 || month > 11)
      return false;
    t.add_units(whole, 0, one_year);
    t.add_units(negative ? -month : month, 0, one_month);
    return true;
  }
  s.blanks();
  const char c = s.peek() | 32;
  if (c >= 'a' && c <= 'z') {
    const unit* u = find_unit(s.word());
    if (u) t.add_units(whole, fraction, *u);
    return u != nullptr;
  } else if (!s.done()) {
    t.add_units(whole, fraction, one_day);  // "1 02:03:04"
    return std::memchr(s.p, ':', static_cast<size_t>(s.end - s.p)) != nullptr;
  }
  t.add_units(whole, fraction, last_of(fields));
  return true;
}

bool take_ago(scanner& s) noexcept {
  if (s.end - s.p < 3 || (s.p[0] | 32) != 'a' || (s.p[1] | 32) != 'g' || (s.p[2] | 32) != 'o')
    return false;
  s.p += 3;
  s.blanks();
  return s.done();
}

char* put_part(char* p, int64_t v, std::string_view name, bool& first, bool& before) noexcept {
  if (v == 0) return p;
  if (!first) *p++ = ' ';
  if (before && v > 0) *p++ = '+';
  p = format_int64(p, v);
  *p++ = ' ';
  std::memcpy(p, name.data(), name.size());
  p += name.size();
  if (v != 1) *p++ = 's';
  before = v < 0;
  first = false;
  return p;
}

}  // namespace

char* format_interval(char* p, interval_value v) noexcept {
  bool first = true, before = false;
  p = put_part(p, v.months / 12, "year", first, before);
  p = put_part(p, v.months % 12, "mon", first, before);
  p = put_part(p, v.days, "day", first, before);
  if (!first && v.micros == 0) return p;
  if (!first) *p++ = ' ';
  const bool minus = v.micros < 0;
  if (minus || before) *p++ = minus ? '-' : '+';
  uint64_t us = minus ? 0 - static_cast<uint64_t>(v.micros) : static_cast<uint64_t>(v.micros);
  const uint64_t hour = us / micros_per_hour;
  us %= micros_per_hour;
  if (hour < 100) {
    put2(p, static_cast<uint32_t>(hour));
    p += 2;
  } else {
    p = format_int64(p, static_cast<int64_t>(hour));
  }
  *p = ':';
  put2(p + 1, static_cast<uint32_t>(us / micros_per_minute));
  us %= micros_per_minute;
  p[3] = ':';
  put2(p + 4, static_cast<uint32_t>(us / micros_per_second));
  p += 6;
  us %= micros_per_second;
  if (us == 0) return p;
  *p = '.';
  put2(p + 1, static_cast<uint32_t>(us / 10000));
  put2(p + 3, static_cast<uint32_t>(us / 100 % 100));
  put2(p + 5, static_cast<uint32_t>(us % 100));
  p += 7;
  while (p[-1] == '0') --p;
  return p;
}

std::optional<interval_value> parse_interval(std::string_view text) noexcept {
  return parse_interval(text, interval_all_fields);
}

std::optional<interval_value> parse_interval(std::string_view text, int32_t fields) noexcept {
  scanner s{text.data(), text.data() + text.size()};
  total t;
  if (s.peek() == 'P') {
    ++s.p;
    if (!scan_iso(s, t)) return std::nullopt;
  } else {
    if (s.peek() == '@') {
      ++s.p;
      s.blanks();
    }
    if (s.done()) return std::nullopt;
    bool ago = false;
    while (!s.done()) {
      if (take_ago(s)) {
        ago = true;
        break;
      }
      if (!scan_item(s, fields, t)) return std::nullopt;
      s.blanks();
    }
    if (ago) {
      if (text.size() < 5 || t.micros == INT64_MIN) return std::nullopt;
      t.months = -t.months;
      t.days = -t.days;
      t.micros = -t.micros;
    }
  }
  if (!t.ok || t.months != static_cast<int32_t>(t.months) || t.days != static_cast<int32_t>(t.days))
    return std::nullopt;
  return interval_value{static_cast<int32_t>(t.months), static_cast<int32_t>(t.days), t.micros};
}

std::optional<interval_value> kept_fields(interval_value v, int32_t fields,
                                          int32_t digits) noexcept {
  if (fields != interval_all_fields && !(fields & interval_second)) {
    const int64_t least = fields & interval_minute ? micros_per_minute
                          : fields & interval_hour ? micros_per_hour
                                                   : INT64_MAX;
    v.micros = least == INT64_MAX ? 0 : v.micros - v.micros % least;
    if (!(fields & (interval_minute | interval_hour | interval_day))) v.days = 0;
    if (fields == interval_year) v.months -= v.months % 12;
  }
  if (digits < 0 || digits >= interval_digits_max) return v;
  int64_t scale = 1;
  for (int32_t i = digits; i < interval_digits_max; ++i) scale *= 10;
  const int64_t half = v.micros < 0 ? -scale / 2 : scale / 2;
  if (__builtin_add_overflow(v.micros, half, &v.micros)) return std::nullopt;
  v.micros -= v.micros % scale;
  return v;
}

}  // namespace weir
