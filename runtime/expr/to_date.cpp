// to_timestamp(text, template) and to_date(): what PostgreSQL's do_to_timestamp() makes of a text.

#include <cctype>

#include "runtime/expr/datetime.hpp"
#include "runtime/expr/time_template.hpp"
#include "runtime/expr/to_char.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

constexpr int64_t julian_of_epoch = 2'440'588;

struct found_fields {
  int64_t year = 0, century = 0, month = 0, day = 0, day_of_year = 0, week = 0;
  int64_t week_of_month = 0, weekday = 0, julian = 0;  // weekday: Sunday is 1
  int64_t hour = 0, minute = 0, second = 0, second_of_day = 0, millis = 0, micros = 0;
  int64_t zone_sign = 0, zone_hours = 0, zone_minutes = 0;
  int64_t bc = 0, afternoon = 0;
  int year_digits = 0;
  int fraction_digits = 6;  // to which the time is rounded
  bool half_day = false;
  date_convention convention = date_convention::none;
};

error mismatch(std::string_view text, const time_part& part) {
  return {errc::parse, "invalid value \"" + std::string(text.substr(0, 10)) + "\" for \"" +
                           std::string(part.written) + "\""};
}
bool is_blank(char c) {
  return isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_separator(char c) {
  auto u = static_cast<unsigned char>(c);
  return u > 0x20 && u < 0x7f && isalnum(u) == 0;
}

// Reads one text by a template, in one go.
class time_reader {
 public:
  time_reader(std::string_view text, std::string_view pattern) : t_(text), parts_(pattern) {}

  result<found_fields> read() {
    bool first = true;
    auto part = parts_.next();
    while (part.kind != time_part::kind_of::end && !t_.empty()) {
      next_ = parts_.next();
      if (part.is_pattern() ? part.pattern->name != "FX" && !exact_ : first && !exact_)
        skip_blanks();
      first = false;
      if (part.is_pattern()) {
        WEIR_TRY(field(part));
        if (!exact_) {
          skipped_ = 0;
          skip_blanks();
        }
      } else {
        character(part);
      }
      part = next_;
    }
    // What is left of the template is checked, too: its errors do not depend on the text.
    for (; part.kind != time_part::kind_of::end; part = parts_.next())
      if (part.is_pattern()) {
        WEIR_TRY(check_pattern(part, template_use::read));
      }
    return f_;
  }

 private:
  void skip_blanks() {
    for (; !t_.empty() && is_blank(t_[0]); t_.remove_prefix(1)) ++skipped_;
  }
  void skip_character() {
    if (!t_.empty()) t_.remove_prefix(char_bytes(t_, 0));
  }
  // One character of the template that is no pattern: it stands for one of the text, whatever that
  // is; a separator for a separator or for nothing, unless the template is exact (FX).
  void character(const time_part& part) {
    if (exact_) return skip_character();
    if (part.kind != time_part::kind_of::text) {
      --skipped_;
      if (t_.empty() || (!is_blank(t_[0]) && !is_separator(t_[0]))) return;
      t_.remove_prefix(1);
      ++skipped_;
    } else if (skipped_ > 0) {
      --skipped_;
    } else {
      skip_character();
    }
  }
  // Whether digits of the text cannot belong to the part behind this one.
  bool ends_number(const time_part& part) const {
    if (part.ordinal) return true;
    if (next_.is_pattern()) return !next_.pattern->digits;
    return next_.kind == time_part::kind_of::end || !is_digit(next_.written[0]);
  }
  // A number of `width` digits, of any where none follow; its length with blanks before it.
  result<size_t> number(const time_part& part, size_t width, int64_t* to) {
    const auto all = t_;
    while (!t_.empty() && is_blank(t_[0])) t_.remove_prefix(1);
    const bool any = part.bare || ends_number(part);
    if (!any && t_.size() < width)
      return error(errc::parse, "source string too short for \"" + std::string(part.written) +
                                    "\" formatting field");
    const auto text = any ? t_ : t_.substr(0, width);
    size_t n = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    // As strtol(), which skips blanks inside the width, too; none are left here.
    const size_t begin = n;
    int64_t v = 0;
    for (; n < text.size() && is_digit(text[n]); ++n) {
      v = v * 10 + (text[n] - '0');
      if (v > INT64_C(2147483648)) break;
    }
    if (n == begin || (!any && n < width)) return mismatch(text, part);
    if (begin == 1 && text[0] == '-') v = -v;
    if (v > INT64_C(2147483647) || v < -INT64_C(2147483648))
      return error(errc::parse, "value for \"" + std::string(part.written) +
                                    "\" in source string is out of range");
    t_.remove_prefix(n);
    const size_t used = all.size() - t_.size();
    if (to) {
      WEIR_TRY(set(*to, v, part));
    }
    return used;
  }
  status set(int64_t& to, int64_t v, const time_part& part) {
    if (to != 0 && to != v)
      return error(errc::parse, "conflicting values for \"" + std::string(part.written) +
                                    "\" field in formatting string");
    to = v;
    return {};
  }
  // Which of the words the text begins with.
  template <class Words>
  result<int64_t> word(const time_part& part, const Words& words, size_t letters = 99) {
    int64_t i = 0;
    for (std::string_view w : words) {
      w = w.substr(0, letters);
      bool same = t_.size() >= w.size();
      for (size_t k = 0; same && k < w.size(); ++k)
        same =
            toupper(static_cast<unsigned char>(t_[k])) == toupper(static_cast<unsigned char>(w[k]));
      if (same) {
        t_.remove_prefix(w.size());
        return i;
      }
      ++i;
    }
    return mismatch(t_, part);
  }
  status fraction(const time_part& part, size_t width, int64_t unit, int64_t& to) {
    int64_t v = 0;
    WEIR_ASSIGN(auto used, number(part, width, &v));
    // 25 milliseconds are .25 s, and 025 are .025 s.
    for (; used < static_cast<size_t>(unit); ++used) v *= 10;
    to = v;
    return {};
  }
  status year(const time_part& part, int digits) {
    WEIR_ASSIGN(auto used, number(part, part.written.size(), &f_.year));
    if (digits < 4 && used < 4 && f_.year < 1000) {
      if (f_.year < 70)
        f_.year += 2000;
      else if (f_.year < 100)
        f_.year += 1900;
      else if (f_.year < 520)
        f_.year += 2000;
      else
        f_.year += 1000;
    }
    f_.year_digits = digits;
    return {};
  }
  status year_with_comma(const time_part& part) {
    size_t at = 0;
    auto digits = [&](size_t most, int64_t& v) {
      size_t n = 0;
      for (; n < most && at < t_.size() && is_digit(t_[at]); ++n, ++at) v = v * 10 + (t_[at] - '0');
      return n > 0;
    };
    int64_t thousands = 0, rest = 0;
    if (!digits(6, thousands) || at >= t_.size() || t_[at++] != ',' || !digits(3, rest))
      return mismatch(t_, part);
    WEIR_TRY(set(f_.year, thousands * 1000 + rest, part));
    t_.remove_prefix(at);
    f_.year_digits = 4;
    return {};
  }
  status zone_hours(const time_part& part) {
    if (t_.empty()) return mismatch(t_, part);
    if (t_[0] == '+' || t_[0] == '-' || t_[0] == ' ') {
      f_.zone_sign = t_[0] == '-' ? -1 : 1;
      t_.remove_prefix(1);
    } else {
      // The sign may have been taken for a separator.
      f_.zone_sign = skipped_ > 0 && t_.data()[-1] == '-' ? -1 : 1;
    }
    return discard(number(part, 2, &f_.zone_hours));
  }
  static status discard(const result<size_t>& r) {
    if (!r) return r.err();
    return {};
  }
  status time_field(const time_part& part, bool& done) {
    const auto p = part.pattern->name;
    done = true;
    if (p == "HH24") return discard(number(part, 2, &f_.hour));
    if (p == "HH" || p == "HH12") {
      f_.half_day = true;
      return discard(number(part, 2, &f_.hour));
    }
    if (p == "MI") return discard(number(part, 2, &f_.minute));
    if (p == "SS") return discard(number(part, 2, &f_.second));
    if (p == "SSSS" || p == "SSSSS") return discard(number(part, p.size(), &f_.second_of_day));
    if (p == "MS") return fraction(part, 3, 3, f_.millis);
    if (p == "US") return fraction(part, 6, 6, f_.micros);
    if (p.starts_with("FF")) {
      f_.fraction_digits = p[2] - '0';
      return fraction(part, static_cast<size_t>(f_.fraction_digits), 6, f_.micros);
    }
    if (p == "AM" || p == "PM" || p == "A.M." || p == "P.M.") {
      static constexpr std::string_view plain[] = {"AM", "PM"}, dotted[] = {"A.M.", "P.M."};
      WEIR_ASSIGN(auto v, word(part, p.size() == 2 ? plain : dotted));
      f_.half_day = true;
      return set(f_.afternoon, v, part);
    }
    if (p == "TZH") return zone_hours(part);
    if (p == "TZM") {
      if (f_.zone_sign == 0) f_.zone_sign = 1;
      return discard(number(part, 2, &f_.zone_minutes));
    }
    done = false;
    return {};
  }
  status date_field(const time_part& part) {
    const auto p = part.pattern->name;
    if (p == "YYYY" || p == "IYYY") return year(part, 4);
    if (p == "YYY" || p == "IYY") return year(part, 3);
    if (p == "YY" || p == "IY") return year(part, 2);
    if (p == "Y" || p == "I") return year(part, 1);
    if (p == "Y,YYY") return year_with_comma(part);
    if (p == "CC") return discard(number(part, 2, &f_.century));
    if (p == "MM") return discard(number(part, 2, &f_.month));
    if (p == "DD") return discard(number(part, 2, &f_.day));
    if (p == "DDD" || p == "IDDD") return discard(number(part, 3, &f_.day_of_year));
    if (p == "D") return discard(number(part, 1, &f_.weekday));
    if (p == "ID") {
      int64_t v = 0;
      WEIR_ASSIGN(auto used, number(part, 1, &v));
      (void)used;
      return set(f_.weekday, v + 1 > 7 ? 1 : v + 1, part);
    }
    if (p == "WW" || p == "IW") return discard(number(part, 2, &f_.week));
    if (p == "W") return discard(number(part, 1, &f_.week_of_month));
    if (p == "J") return discard(number(part, 1, &f_.julian));
    if (p == "Q") return discard(number(part, 1, nullptr));
    if (p == "MONTH" || p == "MON") {
      WEIR_ASSIGN(auto m, word(part, months, p == "MON" ? 3 : 99));
      return set(f_.month, m + 1, part);
    }
    if (p == "DAY" || p == "DY") {
      WEIR_ASSIGN(auto d, word(part, weekdays, p == "DY" ? 3 : 99));
      return set(f_.weekday, d + 1, part);
    }
    if (p == "RM") {
      WEIR_ASSIGN(auto m, word(part, roman_months));
      return set(f_.month, 12 - m, part);
    }
    static constexpr std::string_view plain[] = {"AD", "BC"}, dotted[] = {"A.D.", "B.C."};
    WEIR_ASSIGN(auto v, word(part, p.size() == 2 ? plain : dotted));
    return set(f_.bc, v, part);
  }
  status field(const time_part& part) {
    WEIR_TRY(check_pattern(part, template_use::read));
    const auto convention = part.pattern->convention;
    if (convention != date_convention::none) {
      if (f_.convention != date_convention::none && f_.convention != convention)
        return error(errc::parse,
                     "invalid combination of date conventions: Gregorian and ISO week patterns "
                     "stand in one template");
      f_.convention = convention;
    }
    if (part.pattern->name == "FX") {
      exact_ = true;
      return {};
    }
    bool done = false;
    WEIR_TRY(time_field(part, done));
    if (!done) {
      WEIR_TRY(date_field(part));
    }
    if (part.ordinal && part.pattern->digits) {
      skip_character();
      skip_character();
    }
    return {};
  }

  std::string_view t_;
  time_template parts_;
  time_part next_;
  found_fields f_;
  int64_t skipped_ = 0;  // characters of the text for which the template has none
  bool exact_ = false;
};

int64_t monday_of_first_week(int64_t year) {
  const int64_t fourth = days_from_civil(static_cast<int32_t>(year), 1, 4);
  return fourth - ((fourth + 3) % 7 + 7) % 7;
}
// The year that the fields name, 0 being 1 BC.
int64_t year_of(const found_fields& f) {
  const int64_t century = f.bc != 0 ? -f.century : f.century;
  if (f.year != 0 && f.century != 0 && f.year_digits <= 2) {
    const int64_t low = f.year % 100;
    if (low == 0) return century * 100 + (century >= 0 ? 0 : 1);
    return century >= 0 ? low + (century - 1) * 100 : (century + 1) * 100 - low + 1;
  }
  if (f.year != 0) {
    const int64_t year = f.bc != 0 ? -f.year : f.year;
    return year < 0 ? year + 1 : year;
  }
  if (f.century == 0) return 0;
  return century >= 0 ? (century - 1) * 100 + 1 : century * 100 + 1;
}

struct civil {
  int64_t year = 0, month = 1, day = 1;
  void set_days(int64_t days) {
    const auto d = civil_from_days(static_cast<int32_t>(days));
    year = d.year;
    month = d.month;
    day = d.day;
  }
};
// Nothing: out of range.
result<std::optional<civil>> date_of(found_fields f) {
  constexpr int64_t years_max = 294'276, days_max = 110'000'000;
  std::optional<civil> none;
  civil c;
  c.year = year_of(f);
  if (c.year < -4713 || c.year > years_max || f.week < 0 || f.week > 100 || f.day_of_year < 0 ||
      f.day_of_year > 1000 || f.julian < 0 || f.julian > days_max)
    return none;
  if (f.julian != 0) c.set_days(f.julian - julian_of_epoch);
  if (f.week != 0) {
    if (f.convention == date_convention::iso) {
      int64_t days = monday_of_first_week(c.year) + (f.week - 1) * 7;
      if (f.weekday != 0) days += f.weekday > 1 ? f.weekday - 2 : 6;
      c.set_days(days);
    } else {
      f.day_of_year = (f.week - 1) * 7 + 1;
    }
  }
  if (f.week_of_month != 0) f.day = (f.week_of_month - 1) * 7 + 1;
  if (f.day != 0) c.day = f.day;
  if (f.month != 0) c.month = f.month;
  if (f.day_of_year != 0 && (c.month <= 1 || c.day <= 1)) {
    if (c.year == 0 && f.bc == 0)
      return error(errc::parse, "cannot calculate day of year without year information");
    const auto first = f.convention == date_convention::iso
                           ? monday_of_first_week(c.year)
                           : days_from_civil(static_cast<int32_t>(c.year), 1, 1);
    civil of_year;
    of_year.set_days(first + f.day_of_year - 1);
    if (f.convention == date_convention::iso) {
      c = of_year;
    } else {
      if (of_year.year != c.year) return none;
      if (c.month <= 1) c.month = of_year.month;
      if (c.day <= 1) c.day = of_year.day;
    }
  }
  if (c.month < 1 || c.month > 12 || c.day < 1 ||
      c.day > days_in_month(static_cast<int32_t>(c.year), static_cast<uint32_t>(c.month)))
    return none;
  return std::optional<civil>(c);
}
// Microseconds of the day. Nothing: out of range.
result<std::optional<int64_t>> time_of_day(const found_fields& f) {
  int64_t hour = f.second_of_day / 3600, minute = f.second_of_day / 60 % 60,
          second = f.second_of_day % 60;
  if (f.second != 0) second = f.second;
  if (f.minute != 0) minute = f.minute;
  if (f.hour != 0) hour = f.hour;
  if (f.half_day) {
    if (hour < 1 || hour > 12)
      return error(errc::parse,
                   "hour \"" + std::to_string(hour) + "\" is invalid for the 12-hour clock");
    hour = hour % 12 + (f.afternoon != 0 ? 12 : 0);
  }
  const int64_t fraction = f.millis * 1000 + f.micros;
  std::optional<int64_t> micros;
  if (hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60 &&
      fraction >= 0 && fraction < micros_per_second)
    micros =
        hour * micros_per_hour + minute * micros_per_minute + second * micros_per_second + fraction;
  return micros;
}

}  // namespace

result<int64_t> parse_time(std::string_view text, std::string_view pattern, bool zones) {
  WEIR_ASSIGN(auto f, time_reader(text, pattern).read());
  WEIR_ASSIGN(auto time, time_of_day(f));
  WEIR_ASSIGN(auto date, date_of(f));
  const bool zone =
      f.zone_hours >= 0 && f.zone_hours <= 15 && f.zone_minutes >= 0 && f.zone_minutes < 60;
  std::optional<int64_t> v;
  if (time && date && zone) v = join(date->year, date->month, date->day, *time);
  if (v && zones)
    v = add(*v, {0, 0, -f.zone_sign * (f.zone_hours * 60 + f.zone_minutes) * micros_per_minute});
  if (v && zones) {
    int64_t unit = 1;
    for (int i = f.fraction_digits; i < 6; ++i) unit *= 10;
    v = floor_div(*v + unit / 2, unit) * unit;
  }
  if (v) return *v;
  return error(errc::overflow, "date/time field value out of range: \"" + std::string(text) + "\"");
}

}  // namespace weir::expr
