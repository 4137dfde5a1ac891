#include "runtime/expr/datetime.hpp"

#include <cmath>
#include <string>

namespace weir::expr {
namespace {

struct named_field {
  std::string_view name;
  time_field field;
};
using f = time_field;
constexpr named_field names[] = {{"century", f::century},
                                 {"centuries", f::century},
                                 {"c", f::century},
                                 {"day", f::day},
                                 {"days", f::day},
                                 {"d", f::day},
                                 {"decade", f::decade},
                                 {"decades", f::decade},
                                 {"dow", f::dow},
                                 {"doy", f::doy},
                                 {"epoch", f::epoch},
                                 {"hour", f::hour},
                                 {"hours", f::hour},
                                 {"h", f::hour},
                                 {"hr", f::hour},
                                 {"isodow", f::isodow},
                                 {"isoyear", f::isoyear},
                                 {"julian", f::julian},
                                 {"microseconds", f::microseconds},
                                 {"microsecond", f::microseconds},
                                 {"us", f::microseconds},
                                 {"millennium", f::millennium},
                                 {"millennia", f::millennium},
                                 {"milliseconds", f::milliseconds},
                                 {"millisecond", f::milliseconds},
                                 {"ms", f::milliseconds},
                                 {"minute", f::minute},
                                 {"minutes", f::minute},
                                 {"min", f::minute},
                                 {"m", f::minute},
                                 {"month", f::month},
                                 {"months", f::month},
                                 {"mon", f::month},
                                 {"quarter", f::quarter},
                                 {"qtr", f::quarter},
                                 {"second", f::second},
                                 {"seconds", f::second},
                                 {"sec", f::second},
                                 {"s", f::second},
                                 {"timezone", f::timezone},
                                 {"week", f::week},
                                 {"weeks", f::week},
                                 {"w", f::week},
                                 {"year", f::year},
                                 {"years", f::year},
                                 {"y", f::year}};

constexpr int128 scaled(int128 v) {
  return v * 1'000'000;
}
int64_t century_of(int64_t y, int64_t years) {
  return y > 0 ? (y + years - 1) / years : -((years - 1 - (y - 1)) / years);
}
int64_t decade_of(int64_t y) {
  return y >= 0 ? y / 10 : -((8 - (y - 1)) / 10);
}
// Monday 0 to Sunday 6.
int weekday(int32_t days) {
  return static_cast<int>(((static_cast<int64_t>(days) + 3) % 7 + 7) % 7);
}
constexpr int64_t julian_of_epoch = 2440588;

std::optional<int128> date_field(time_field field, int32_t days, const civil_date& d) {
  switch (field) {
    case f::century:
      return scaled(century_of(d.year, 100));
    case f::millennium:
      return scaled(century_of(d.year, 1000));
    case f::decade:
      return scaled(decade_of(d.year));
    case f::year:
      return scaled(d.year > 0 ? d.year : d.year - 1);
    case f::quarter:
      return scaled((d.month - 1) / 3 + 1);
    case f::month:
      return scaled(d.month);
    case f::day:
      return scaled(d.day);
    case f::dow:
      return scaled((weekday(days) + 1) % 7);
    case f::isodow:
      return scaled(weekday(days) + 1);
    case f::doy:
      return scaled(days - days_from_civil(d.year, 1, 1) + 1);
    case f::week: {
      int32_t year;
      return scaled(iso_week(days, year));
    }
    case f::isoyear: {
      int32_t year;
      iso_week(days, year);
      return scaled(year > 0 ? year : year - 1);
    }
    default:
      return std::nullopt;
  }
}

std::optional<int128> clock_field(time_field field, int64_t micros) {
  switch (field) {
    case f::hour:
      return scaled(micros / micros_per_hour);
    case f::minute:
      return scaled(micros / micros_per_minute % 60);
    case f::second:
      return micros % micros_per_minute;
    case f::milliseconds:
      return static_cast<int128>(micros % micros_per_minute) * 1000;
    case f::microseconds:
      return scaled(micros % micros_per_minute);
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> in_range(int128 v) {
  if (v < timestamp_min || v >= INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(v);
}
std::optional<interval_value> in_range(int128 months, int128 days, int128 micros) {
  if (months != static_cast<int32_t>(months) || days != static_cast<int32_t>(days) ||
      micros != static_cast<int64_t>(micros))
    return std::nullopt;
  return interval_value{static_cast<int32_t>(months), static_cast<int32_t>(days),
                        static_cast<int64_t>(micros)};
}

}  // namespace

time_field field_named(std::string_view name) {
  std::string lower;
  for (char c : name) lower += static_cast<char>(tolower(static_cast<unsigned char>(c)));
  for (const auto& n : names)
    if (n.name == lower) return n.field;
  return f::unknown;
}

moment split(int64_t us) {
  moment m;
  m.days = day_of(us);
  // Not us - days * micros_per_day: that product leaves int64 at the very first day.
  m.micros = us % micros_per_day;
  if (m.micros < 0) m.micros += micros_per_day;
  m.date = civil_from_days(m.days);
  return m;
}

std::optional<int64_t> join(int64_t year, int64_t month, int64_t day, int64_t micros_of_day) {
  // Far outside the range of timestamps, yet inside that of the calendar's arithmetic.
  if (year < -300'000 || year > 300'000) return std::nullopt;
  int128 days = days_from_civil(year, static_cast<uint32_t>(month), static_cast<uint32_t>(day));
  return in_range(days * micros_per_day + micros_of_day);
}

int32_t iso_week(int32_t days, int32_t& iso_year) {
  // The week belongs to the year of its Thursday.
  int32_t thursday = days - weekday(days) + 3;
  iso_year = civil_from_days(thursday).year;
  return static_cast<int32_t>((thursday - days_from_civil(iso_year, 1, 1)) / 7 + 1);
}

std::optional<int128> field_of(time_field field, int64_t us) {
  moment m = split(us);
  if (field == f::epoch) return us;
  if (field == f::timezone) return 0;
  if (field == f::julian)
    return scaled(m.days + julian_of_epoch) +
           static_cast<int128>(m.micros) * 1'000'000 / micros_per_day;
  if (auto v = clock_field(field, m.micros)) return v;
  return date_field(field, m.days, m.date);
}

std::optional<int128> field_of_date(time_field field, int32_t days) {
  if (field == f::epoch) return scaled(static_cast<int128>(days) * 86400);
  if (field == f::julian) return scaled(days + julian_of_epoch);
  return date_field(field, days, civil_from_days(days));
}

std::optional<int128> field_of(time_field field, const interval_value& v) {
  int64_t years = v.months / 12;
  switch (field) {
    case f::epoch:
      return static_cast<int128>(years) * 31'557'600'000'000 +
             static_cast<int128>(v.months % 12) * 30 * micros_per_day +
             static_cast<int128>(v.days) * micros_per_day + v.micros;
    case f::year:
      return scaled(years);
    case f::month:
      return scaled(v.months % 12);
    case f::quarter:
      return scaled(v.months % 12 / 3 + 1);
    case f::day:
      return scaled(v.days);
    case f::decade:
      return scaled(years / 10);
    case f::century:
      return scaled(years / 100);
    case f::millennium:
      return scaled(years / 1000);
    case f::hour:
      return scaled(v.micros / micros_per_hour);
    default:
      return clock_field(field, v.micros);
  }
}

std::optional<int64_t> truncate(time_field field, int64_t us) {
  moment m = split(us);
  const auto& d = m.date;
  auto to = [&](int64_t unit) { return in_range(static_cast<int128>(us) - m.micros % unit); };
  switch (field) {
    case f::microseconds:
      return us;
    case f::milliseconds:
      return to(1000);
    case f::second:
      return to(micros_per_second);
    case f::minute:
      return to(micros_per_minute);
    case f::hour:
      return to(micros_per_hour);
    case f::day:
      return in_range(static_cast<int128>(us) - m.micros);
    case f::week:
      return in_range(static_cast<int128>(m.days - weekday(m.days)) * micros_per_day);
    case f::month:
      return join(d.year, d.month, 1, 0);
    case f::quarter:
      return join(d.year, (d.month - 1) / 3 * 3 + 1, 1, 0);
    case f::year:
      return join(d.year, 1, 1, 0);
    case f::decade:
      return join(d.year > 0 ? d.year / 10 * 10 : -((8 - (d.year - 1)) / 10) * 10, 1, 1, 0);
    case f::century:
      return join(
          d.year > 0 ? (d.year + 99) / 100 * 100 - 99 : -((99 - (d.year - 1)) / 100) * 100 + 1, 1,
          1, 0);
    case f::millennium:
      return join(d.year > 0 ? (d.year + 999) / 1000 * 1000 - 999
                             : -((999 - (d.year - 1)) / 1000) * 1000 + 1,
                  1, 1, 0);
    default:
      return std::nullopt;
  }
}

std::optional<interval_value> truncate(time_field field, const interval_value& v) {
  auto months = [&](int32_t n) { return interval_value{v.months / n * n, 0, 0}; };
  auto time = [&](int64_t n) { return interval_value{v.months, v.days, v.micros / n * n}; };
  switch (field) {
    case f::millennium:
      return months(12000);
    case f::century:
      return months(1200);
    case f::decade:
      return months(120);
    case f::year:
      return months(12);
    case f::quarter:
      return months(3);
    case f::month:
      return months(1);
    case f::day:
      return interval_value{v.months, v.days, 0};
    case f::hour:
      return time(micros_per_hour);
    case f::minute:
      return time(micros_per_minute);
    case f::second:
      return time(micros_per_second);
    case f::milliseconds:
      return time(1000);
    case f::microseconds:
      return v;
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> add(int64_t us, const interval_value& v) {
  int128 r = us;
  if (v.months != 0) {
    moment m = split(us);
    int64_t month = static_cast<int64_t>(m.date.year) * 12 + (m.date.month - 1) + v.months;
    int64_t year = floor_div(month, 12);
    auto mon = static_cast<uint32_t>(month - year * 12 + 1);
    if (year < -300'000 || year > 300'000) return std::nullopt;
    // The 31st becomes the month's last day.
    uint32_t day = std::min(m.date.day, days_in_month(static_cast<int32_t>(year), mon));
    r = static_cast<int128>(days_from_civil(year, mon, day)) * micros_per_day + m.micros;
  }
  return in_range(r + static_cast<int128>(v.days) * micros_per_day + v.micros);
}

std::optional<interval_value> negate(const interval_value& v) {
  return in_range(-static_cast<int128>(v.months), -static_cast<int128>(v.days),
                  -static_cast<int128>(v.micros));
}
std::optional<interval_value> add(const interval_value& a, const interval_value& b) {
  return in_range(static_cast<int128>(a.months) + b.months, static_cast<int128>(a.days) + b.days,
                  static_cast<int128>(a.micros) + b.micros);
}

// interval_mul() of PostgreSQL's timestamp.c: fractions of months become days of 30, fractions of
// days become time.
std::optional<interval_value> multiply(const interval_value& v, double factor, bool divide) {
  auto scaled_by = [&](double x) { return divide ? x / factor : x * factor; };
  auto rounded = [](double x) { return std::rint(x * 1e6) / 1e6; };
  auto fits32 = [](double x) { return x > -2147483649.0 && x < 2147483648.0; };
  double months = scaled_by(v.months), days = scaled_by(v.days);
  if (std::isnan(months) || std::isnan(days) || !fits32(months) || !fits32(days))
    return std::nullopt;
  auto whole_months = static_cast<int32_t>(months);
  auto whole_days = static_cast<int32_t>(days);
  double month_days = rounded((months - whole_months) * 30);
  double seconds =
      rounded((days - whole_days + month_days - static_cast<int32_t>(month_days)) * 86400);
  int64_t total_days = whole_days;
  if (std::fabs(seconds) >= 86400) {
    total_days += static_cast<int32_t>(seconds / 86400);
    seconds -= static_cast<int32_t>(seconds / 86400) * 86400.0;
  }
  total_days += static_cast<int32_t>(month_days);
  double micros = std::rint(scaled_by(static_cast<double>(v.micros)) + seconds * 1e6);
  if (std::isnan(micros) || std::fabs(micros) >= 9.2233720368547748e18) return std::nullopt;
  return in_range(whole_months, total_days, static_cast<int128>(micros));
}

interval_value difference(int64_t a, int64_t b) {
  int128 d = static_cast<int128>(a) - b;
  return {0, static_cast<int32_t>(d / micros_per_day), static_cast<int64_t>(d % micros_per_day)};
}

// timestamp_age() of PostgreSQL's timestamp.c.
interval_value age(int64_t a, int64_t b) {
  moment x = split(a), y = split(b);
  bool negative = a < b;
  int64_t sign = negative ? -1 : 1;
  int64_t micros = (x.micros - y.micros) * sign;
  int64_t days = (static_cast<int64_t>(x.date.day) - y.date.day) * sign;
  int64_t months = (static_cast<int64_t>(x.date.month) - y.date.month) * sign;
  int64_t years = (static_cast<int64_t>(x.date.year) - y.date.year) * sign;
  if (micros < 0) {
    micros += micros_per_day;
    --days;
  }
  const civil_date& earlier = negative ? x.date : y.date;
  while (days < 0) {
    days += days_in_month(earlier.year, earlier.month);
    --months;
  }
  if (months < 0) {
    months += 12;
    --years;
  }
  return {static_cast<int32_t>(sign * (years * 12 + months)), static_cast<int32_t>(sign * days),
          sign * micros};
}

std::optional<interval_value> justify_hours(interval_value v) {
  int64_t days = v.days + v.micros / micros_per_day;
  int64_t micros = v.micros % micros_per_day;
  if (days > 0 && micros < 0) {
    micros += micros_per_day;
    --days;
  } else if (days < 0 && micros > 0) {
    micros -= micros_per_day;
    ++days;
  }
  return in_range(v.months, days, micros);
}
std::optional<interval_value> justify_days(interval_value v) {
  int64_t months = static_cast<int64_t>(v.months) + v.days / 30;
  int32_t days = v.days % 30;
  if (months > 0 && days < 0) {
    days += 30;
    --months;
  } else if (months < 0 && days > 0) {
    days -= 30;
    ++months;
  }
  return in_range(months, days, v.micros);
}
std::optional<interval_value> justify_interval(interval_value v) {
  int64_t days = v.days + v.micros / micros_per_day;
  int64_t micros = v.micros % micros_per_day;
  int64_t months = v.months + days / 30;
  days %= 30;
  if (months > 0 && (days < 0 || (days == 0 && micros < 0))) {
    days += 30;
    --months;
  } else if (months < 0 && (days > 0 || (days == 0 && micros > 0))) {
    days -= 30;
    ++months;
  }
  if (days > 0 && micros < 0) {
    micros += micros_per_day;
    --days;
  } else if (days < 0 && micros > 0) {
    micros -= micros_per_day;
    ++days;
  }
  return in_range(months, days, micros);
}

}  // namespace weir::expr
